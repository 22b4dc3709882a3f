#include "scratch.hpp"

#include <memory>
#include <new>

namespace fastring {
namespace {

struct Free {
  void operator()(float* memory) const noexcept { ::operator delete[](memory, std::align_val_t{64}); }
};

struct Arena {
  std::unique_ptr<float[], Free> memory;
  std::size_t size = 0;
};

}  // namespace

float* thread_scratch(std::size_t floats) {
  thread_local Arena arena;
  if (arena.size < floats) {
    arena.size = 0;
    arena.memory.reset(static_cast<float*>(::operator new[](floats * sizeof(float), std::align_val_t{64})));
    arena.size = floats;
  }
  return arena.memory.get();
}

}  // namespace fastring
