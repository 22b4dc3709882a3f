// Zeroed memory for a ring, 64-byte aligned, that is given back to the system when the ring goes.
//
// From kMappedBytes on the pages come straight from the system where there is mmap: they are zero without being
// written, cost no memory before their first touch, and are no part of a heap that would keep them after the ring is
// gone. A server of many short or silent streams pays for the audio that it holds, not for what it could hold.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>

#if defined(__linux__) || defined(__APPLE__)
#include <sys/mman.h>
#define FASTRING_MAPPED_RINGS 1
#endif

namespace fastring::detail {

inline constexpr std::size_t kMappedBytes = std::size_t{64} * 1024;

struct RingMemoryDelete {
  std::size_t mapped_bytes = 0;  // 0: from the heap

  void operator()(std::uint64_t* words) const noexcept {
#if defined(FASTRING_MAPPED_RINGS)
    if (mapped_bytes != 0) {
      ::munmap(words, mapped_bytes);
      return;
    }
#endif
    ::operator delete[](words, std::align_val_t{64});
  }
};

using RingMemory = std::unique_ptr<std::uint64_t[], RingMemoryDelete>;

// So many zero words. `touched`: every page is there before this returns, so that no later store has to wait for one.
// Throws std::bad_alloc.
inline RingMemory ring_memory(std::size_t words, bool touched) {
  const std::size_t bytes = words * sizeof(std::uint64_t);
#if defined(FASTRING_MAPPED_RINGS)
  if (bytes >= kMappedBytes) {
    void* pages = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (pages == MAP_FAILED) throw std::bad_alloc();
#if defined(MADV_NOHUGEPAGE)
    if (!touched) ::madvise(pages, bytes, MADV_NOHUGEPAGE);  // one touch would take 2 MiB
#endif
    RingMemory memory(static_cast<std::uint64_t*>(pages), RingMemoryDelete{bytes});
    if (touched) std::fill_n(memory.get(), words, std::uint64_t{0});
    return memory;
  }
#endif
  RingMemory memory(static_cast<std::uint64_t*>(::operator new[](bytes, std::align_val_t{64})));
  std::fill_n(memory.get(), words, std::uint64_t{0});
  return memory;
}

}  // namespace fastring::detail
