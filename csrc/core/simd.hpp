// Eight floats as one value (F32x8), and as many as one register holds (Register, kLanes of them), on any instruction
// set GCC or Clang know. For files of FASTRING_KERNELS only.
// No std:: templates here or in any kernel: the linker could keep the AVX2 copy of one for every caller.
#pragma once

#include <cstdint>

#ifndef FASTRING_ISA
#error "simd.hpp is for files compiled once per instruction set"
#endif

namespace fastring::FASTRING_ISA {

#define FASTRING_INLINE static inline __attribute__((always_inline))

typedef float F32x4 __attribute__((vector_size(16)));
typedef std::int32_t I32x4 __attribute__((vector_size(16)));

#if defined(__clang__) || __GNUC__ >= 12
#define FASTRING_SHUFFLE4(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#define FASTRING_SHUFFLE8(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
#define FASTRING_SHUFFLE4(a, b, ...) __builtin_shuffle(a, b, I32x4{__VA_ARGS__})
#define FASTRING_SHUFFLE8(a, b, ...) __builtin_shuffle(a, b, I32x8{__VA_ARGS__})
#endif

FASTRING_INLINE void store(float* to, F32x4 value) {
  __builtin_memcpy(to, &value, sizeof value);
}

#ifdef __AVX2__

// One register.
typedef float F32x8 __attribute__((vector_size(32)));
typedef std::int32_t I32x8 __attribute__((vector_size(32)));

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

FASTRING_INLINE F32x8 zero_to_seven() {
  return F32x8{0, 1, 2, 3, 4, 5, 6, 7};
}

typedef F32x8 Register;
constexpr int kLanes = 8;

FASTRING_INLINE Register load_register(const float* from) {
  return load(from);
}
FASTRING_INLINE Register splat_register(float value) {
  return splat(value);
}

// The same of each half of a and b: 0..3 are the four of a's half, 4..7 those of b's.
#define FASTRING_LANE8(i, half) (((i) < 4 ? (i) : (i) + 4) + 4 * (half))
#define FASTRING_SHUFFLE_HALVES(a, b, i, j, k, l)                                                                 \
  FASTRING_SHUFFLE8(a, b, FASTRING_LANE8(i, 0), FASTRING_LANE8(j, 0), FASTRING_LANE8(k, 0), FASTRING_LANE8(l, 0), \
                    FASTRING_LANE8(i, 1), FASTRING_LANE8(j, 1), FASTRING_LANE8(k, 1), FASTRING_LANE8(l, 1))

FASTRING_INLINE F32x8 reverse(F32x8 v) {
  return FASTRING_SHUFFLE8(v, v, 7, 6, 5, 4, 3, 2, 1, 0);
}
FASTRING_INLINE F32x8 even_lanes(F32x8 a, F32x8 b) {
  return FASTRING_SHUFFLE8(a, b, 0, 2, 4, 6, 8, 10, 12, 14);
}
FASTRING_INLINE F32x8 odd_lanes(F32x8 a, F32x8 b) {
  return FASTRING_SHUFFLE8(a, b, 1, 3, 5, 7, 9, 11, 13, 15);
}
FASTRING_INLINE F32x8 low_halves(F32x8 a, F32x8 b) {
  return FASTRING_SHUFFLE8(a, b, 0, 1, 2, 3, 8, 9, 10, 11);
}
FASTRING_INLINE F32x8 high_halves(F32x8 a, F32x8 b) {
  return FASTRING_SHUFFLE8(a, b, 4, 5, 6, 7, 12, 13, 14, 15);
}
// Lane 3 in every lane of the high half, 0 in the low one.
FASTRING_INLINE F32x8 third_to_high_half(F32x8 v) {
  return FASTRING_SHUFFLE8(splat(0.0f), v, 0, 0, 0, 0, 11, 11, 11, 11);
}
// Lane 0 of before, then lanes 0..6 of v.
FASTRING_INLINE I32x8 delayed(I32x8 before, I32x8 v) {
  return FASTRING_SHUFFLE8(before, v, 0, 8, 9, 10, 11, 12, 13, 14);
}
FASTRING_INLINE I32x8 last_lane(I32x8 v) {
  return FASTRING_SHUFFLE8(v, v, 7, 7, 7, 7, 7, 7, 7, 7);
}

FASTRING_INLINE F32x8 last_lane(F32x8 v) {
  return FASTRING_SHUFFLE8(v, v, 7, 7, 7, 7, 7, 7, 7, 7);
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

FASTRING_INLINE F32x8 to_float(I32x8 v) {
  return __builtin_convertvector(v, F32x8);
}

FASTRING_INLINE bool any(I32x8 mask) {
  std::uint64_t parts[4];
  __builtin_memcpy(parts, &mask, sizeof parts);
  return (parts[0] | parts[1] | parts[2] | parts[3]) != 0;
}

FASTRING_INLINE F32x8 max(F32x8 a, F32x8 b) {
  return a > b ? a : b;
}
FASTRING_INLINE F32x8 min(F32x8 a, F32x8 b) {
  return a < b ? a : b;
}

FASTRING_INLINE F32x8 square_root(F32x8 v) {
  F32x8 out;
  for (int i = 0; i < 8; ++i) out[i] = __builtin_sqrtf(v[i]);
  return out;
}

#else

// Two registers, and every operation twice: a vector of 8 that the hardware has not, compilers keep in memory and
// shuffle lane by lane.
struct F32x8 {
  F32x4 low, high;
  __attribute__((always_inline)) float operator[](int lane) const { return lane < 4 ? low[lane] : high[lane - 4]; }
};
struct I32x8 {
  I32x4 low, high;
  __attribute__((always_inline)) std::int32_t operator[](int lane) const {
    return lane < 4 ? low[lane] : high[lane - 4];
  }
};

#define FASTRING_LANEWISE(Result, Vector, Scalar, op)      \
  FASTRING_INLINE Result operator op(Vector a, Vector b) { \
    return {a.low op b.low, a.high op b.high};             \
  }                                                        \
  FASTRING_INLINE Result operator op(Vector a, Scalar b) { \
    return {a.low op b, a.high op b};                      \
  }
FASTRING_LANEWISE(F32x8, F32x8, float, +)
FASTRING_LANEWISE(F32x8, F32x8, float, -)
FASTRING_LANEWISE(F32x8, F32x8, float, *)
FASTRING_LANEWISE(I32x8, F32x8, float, <)
FASTRING_LANEWISE(I32x8, F32x8, float, >)
FASTRING_LANEWISE(I32x8, F32x8, float, >=)
FASTRING_LANEWISE(I32x8, I32x8, std::int32_t, -)
FASTRING_LANEWISE(I32x8, I32x8, std::int32_t, &)
FASTRING_LANEWISE(I32x8, I32x8, std::int32_t, |)
FASTRING_LANEWISE(I32x8, I32x8, std::int32_t, ^)
FASTRING_LANEWISE(I32x8, I32x8, std::int32_t, >>)
FASTRING_LANEWISE(I32x8, I32x8, std::int32_t, >=)
#undef FASTRING_LANEWISE

FASTRING_INLINE F32x8 operator-(F32x8 v) {
  return {-v.low, -v.high};
}
FASTRING_INLINE I32x8 operator~(I32x8 v) {
  return {~v.low, ~v.high};
}
FASTRING_INLINE void operator+=(F32x8& a, F32x8 b) {
  a = a + b;
}
FASTRING_INLINE void operator+=(F32x8& a, float b) {
  a = a + b;
}
FASTRING_INLINE void operator*=(F32x8& a, F32x8 b) {
  a = a * b;
}
FASTRING_INLINE void operator-=(I32x8& a, I32x8 b) {
  a = a - b;
}

typedef F32x4 Register;
constexpr int kLanes = 4;

FASTRING_INLINE Register load_register(const float* from) {
  Register value;
  __builtin_memcpy(&value, from, sizeof value);
  return value;
}

FASTRING_INLINE F32x8 load(const float* from) {
  return {load_register(from), load_register(from + 4)};
}

FASTRING_INLINE void store(float* to, F32x8 value) {
  store(to, value.low);
  store(to + 4, value.high);
}

FASTRING_INLINE Register splat_register(float value) {
  return Register{value, value, value, value};
}

FASTRING_INLINE F32x8 splat(float value) {
  return {splat_register(value), splat_register(value)};
}

FASTRING_INLINE F32x8 zero_to_seven() {
  return {F32x4{0, 1, 2, 3}, F32x4{4, 5, 6, 7}};
}

#define FASTRING_SHUFFLE_HALVES(a, b, ...)                                                               \
  F32x8 {                                                                                                \
    FASTRING_SHUFFLE4((a).low, (b).low, __VA_ARGS__), FASTRING_SHUFFLE4((a).high, (b).high, __VA_ARGS__) \
  }

FASTRING_INLINE F32x8 reverse(F32x8 v) {
  return {FASTRING_SHUFFLE4(v.high, v.high, 3, 2, 1, 0), FASTRING_SHUFFLE4(v.low, v.low, 3, 2, 1, 0)};
}
FASTRING_INLINE F32x8 even_lanes(F32x8 a, F32x8 b) {
  return {FASTRING_SHUFFLE4(a.low, a.high, 0, 2, 4, 6), FASTRING_SHUFFLE4(b.low, b.high, 0, 2, 4, 6)};
}
FASTRING_INLINE F32x8 odd_lanes(F32x8 a, F32x8 b) {
  return {FASTRING_SHUFFLE4(a.low, a.high, 1, 3, 5, 7), FASTRING_SHUFFLE4(b.low, b.high, 1, 3, 5, 7)};
}
FASTRING_INLINE F32x8 low_halves(F32x8 a, F32x8 b) {
  return {a.low, b.low};
}
FASTRING_INLINE F32x8 high_halves(F32x8 a, F32x8 b) {
  return {a.high, b.high};
}
FASTRING_INLINE F32x8 third_to_high_half(F32x8 v) {
  return {F32x4{}, FASTRING_SHUFFLE4(v.low, v.low, 3, 3, 3, 3)};
}
FASTRING_INLINE I32x8 delayed(I32x8 before, I32x8 v) {
  return {FASTRING_SHUFFLE4(before.low, v.low, 0, 4, 5, 6), FASTRING_SHUFFLE4(v.low, v.high, 3, 4, 5, 6)};
}
FASTRING_INLINE I32x8 last_lane(I32x8 v) {
  const I32x4 half = FASTRING_SHUFFLE4(v.high, v.high, 3, 3, 3, 3);
  return {half, half};
}

FASTRING_INLINE F32x8 last_lane(F32x8 v) {
  const F32x4 half = FASTRING_SHUFFLE4(v.high, v.high, 3, 3, 3, 3);
  return {half, half};
}

FASTRING_INLINE F32x8 bits_to_float(I32x8 bits) {
  return {(F32x4)bits.low, (F32x4)bits.high};
}

FASTRING_INLINE I32x8 float_to_bits(F32x8 value) {
  return {(I32x4)value.low, (I32x4)value.high};
}

FASTRING_INLINE F32x8 to_float(I32x8 v) {
  return {__builtin_convertvector(v.low, F32x4), __builtin_convertvector(v.high, F32x4)};
}

FASTRING_INLINE bool any(I32x8 mask) {
  const I32x4 both = mask.low | mask.high;
  std::uint64_t parts[2];
  __builtin_memcpy(parts, &both, sizeof parts);
  return (parts[0] | parts[1]) != 0;
}

FASTRING_INLINE F32x8 max(F32x8 a, F32x8 b) {
  return {a.low > b.low ? a.low : b.low, a.high > b.high ? a.high : b.high};
}
FASTRING_INLINE F32x8 min(F32x8 a, F32x8 b) {
  return {a.low < b.low ? a.low : b.low, a.high < b.high ? a.high : b.high};
}

FASTRING_INLINE F32x4 square_root(F32x4 v) {
  F32x4 out;
  for (int i = 0; i < 4; ++i) out[i] = __builtin_sqrtf(v[i]);
  return out;
}
FASTRING_INLINE F32x8 square_root(F32x8 v) {
  return {square_root(v.low), square_root(v.high)};
}

#endif

// In each half: the lanes of a and b in turns, of the first two and of the last two; the first two of a, then of b, and
// the last two; those at even places, and at odd ones.
FASTRING_INLINE F32x8 interleave_low(F32x8 a, F32x8 b) {
  return FASTRING_SHUFFLE_HALVES(a, b, 0, 4, 1, 5);
}
FASTRING_INLINE F32x8 interleave_high(F32x8 a, F32x8 b) {
  return FASTRING_SHUFFLE_HALVES(a, b, 2, 6, 3, 7);
}
FASTRING_INLINE F32x8 low_pairs(F32x8 a, F32x8 b) {
  return FASTRING_SHUFFLE_HALVES(a, b, 0, 1, 4, 5);
}
FASTRING_INLINE F32x8 high_pairs(F32x8 a, F32x8 b) {
  return FASTRING_SHUFFLE_HALVES(a, b, 2, 3, 6, 7);
}
FASTRING_INLINE F32x8 even_of_halves(F32x8 a, F32x8 b) {
  return FASTRING_SHUFFLE_HALVES(a, b, 0, 2, 4, 6);
}
FASTRING_INLINE F32x8 odd_of_halves(F32x8 a, F32x8 b) {
  return FASTRING_SHUFFLE_HALVES(a, b, 1, 3, 5, 7);
}

// Each half moved up by one lane and by two, zeros coming in.
FASTRING_INLINE F32x8 up_one(F32x8 v) {
  return FASTRING_SHUFFLE_HALVES(splat(0.0f), v, 0, 4, 5, 6);
}
FASTRING_INLINE F32x8 up_two(F32x8 v) {
  return FASTRING_SHUFFLE_HALVES(splat(0.0f), v, 0, 0, 4, 5);
}

FASTRING_INLINE float sum(F32x8 v) {
  return ((v[0] + v[4]) + (v[2] + v[6])) + ((v[1] + v[5]) + (v[3] + v[7]));
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
  return to_float(exponent) + poly * t;
}

}  // namespace fastring::FASTRING_ISA
