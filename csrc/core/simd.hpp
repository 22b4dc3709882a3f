// Eight floats as one value, on any instruction set GCC or Clang know. For files of FASTRING_KERNELS only.
// No std:: templates here or in any kernel: the linker could keep the AVX2 copy of one for every caller.
#pragma once

#include <cstdint>

#ifndef FASTRING_ISA
#error "simd.hpp is for files compiled once per instruction set"
#endif

namespace fastring::FASTRING_ISA {

typedef float F32x8 __attribute__((vector_size(32)));
typedef std::int32_t I32x8 __attribute__((vector_size(32)));

#define FASTRING_INLINE static inline __attribute__((always_inline))

FASTRING_INLINE F32x8 load(const float* from) {
  F32x8 value;
  __builtin_memcpy(&value, from, sizeof value);
  return value;
}

FASTRING_INLINE void store(float* to, F32x8 value) {
  __builtin_memcpy(to, &value, sizeof value);
}

FASTRING_INLINE F32x8 splat(float value) {
  return F32x8{value, value, value, value, value, value, value, value};
}

#if defined(__clang__) || __GNUC__ >= 12
#define FASTRING_SHUFFLE(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
#define FASTRING_SHUFFLE(a, b, ...) __builtin_shuffle(a, b, I32x8{__VA_ARGS__})
#endif

FASTRING_INLINE F32x8 reverse(F32x8 v) {
  return FASTRING_SHUFFLE(v, v, 7, 6, 5, 4, 3, 2, 1, 0);
}
FASTRING_INLINE F32x8 even_lanes(F32x8 a, F32x8 b) {
  return FASTRING_SHUFFLE(a, b, 0, 2, 4, 6, 8, 10, 12, 14);
}
FASTRING_INLINE F32x8 odd_lanes(F32x8 a, F32x8 b) {
  return FASTRING_SHUFFLE(a, b, 1, 3, 5, 7, 9, 11, 13, 15);
}
FASTRING_INLINE F32x8 low_halves(F32x8 a, F32x8 b) {
  return FASTRING_SHUFFLE(a, b, 0, 1, 2, 3, 8, 9, 10, 11);
}
FASTRING_INLINE F32x8 high_halves(F32x8 a, F32x8 b) {
  return FASTRING_SHUFFLE(a, b, 4, 5, 6, 7, 12, 13, 14, 15);
}

FASTRING_INLINE F32x8 bits_to_float(I32x8 bits) {
  F32x8 value;
  __builtin_memcpy(&value, &bits, sizeof value);
  return value;
}

FASTRING_INLINE I32x8 float_to_bits(F32x8 value) {
  I32x8 bits;
  __builtin_memcpy(&bits, &value, sizeof bits);
  return bits;
}

FASTRING_INLINE F32x8 select(I32x8 mask, F32x8 yes, F32x8 no) {
  return bits_to_float((mask & float_to_bits(yes)) | (~mask & float_to_bits(no)));
}

FASTRING_INLINE F32x8 max(F32x8 a, F32x8 b) {
  return a > b ? a : b;
}
FASTRING_INLINE F32x8 min(F32x8 a, F32x8 b) {
  return a < b ? a : b;
}

FASTRING_INLINE float sum(F32x8 v) {
  return ((v[0] + v[4]) + (v[2] + v[6])) + ((v[1] + v[5]) + (v[3] + v[7]));
}

FASTRING_INLINE F32x8 square_root(F32x8 v) {
  F32x8 out;
  for (int i = 0; i < 8; ++i) out[i] = __builtin_sqrtf(v[i]);
  return out;
}

// log2 of positive normal floats, absolute error about 1e-6: exponent plus a minimax polynomial of the mantissa in
// [1, 2), fitted by the Remez exchange to (log2(m) / (m - 1)).
FASTRING_INLINE F32x8 log2_approx(F32x8 x) {
  const I32x8 bits = float_to_bits(x);
  const I32x8 exponent = ((bits >> 23) & 255) - 127;
  const F32x8 m = bits_to_float((bits & 0x007fffff) | 0x3f800000);
  const F32x8 t = m - 1.0f;
  F32x8 poly = splat(0.015529389f);
  poly = poly * t + -0.079555906f;
  poly = poly * t + 0.19429186f;
  poly = poly * t + -0.32590035f;
  poly = poly * t + 0.47355285f;
  poly = poly * t + -0.72058541f;
  poly = poly * t + 1.4426678f;
  return __builtin_convertvector(exponent, F32x8) + poly * t;
}

}  // namespace fastring::FASTRING_ISA
