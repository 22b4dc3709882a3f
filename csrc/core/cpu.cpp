#include "cpu.hpp"

#include <cstdlib>
#include <cstring>

#if defined(FASTRING_X86) && defined(_MSC_VER)
#include <intrin.h>
#endif

namespace fastring {
namespace {

Isa detect() noexcept {
  const char* wish = std::getenv("FASTRING_ISA");
  if (wish != nullptr && std::strcmp(wish, "baseline") == 0) return Isa::kBaseline;
#if defined(FASTRING_X86) && (defined(__GNUC__) || defined(__clang__))
  // -march=x86-64-v3 may use all of these, so all must be there.
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi") &&
      __builtin_cpu_supports("bmi2")) {
    return Isa::kAvx2;
  }
#elif defined(FASTRING_X86) && defined(_MSC_VER)
  int leaf1[4];
  int leaf7[4];
  __cpuid(leaf1, 1);
  __cpuidex(leaf7, 7, 0);
  const bool os_saves_ymm = (leaf1[2] & (1 << 27)) != 0 && (_xgetbv(0) & 6) == 6;
  if (os_saves_ymm && (leaf1[2] & (1 << 12)) != 0 && (leaf7[1] & (1 << 5)) != 0) return Isa::kAvx2;
#endif
  return Isa::kBaseline;
}

}  // namespace

Isa active_isa() noexcept {
  static const Isa isa = detect();
  return isa;
}

const char* isa_name(Isa isa) noexcept {
  return isa == Isa::kAvx2 ? "avx2" : "baseline";
}

}  // namespace fastring
