// The passes of the real FFT. Stockham autosort, decimation in frequency (Swarztrauber 1984): no bit reversal, and
// from the third pass on every load and store is a whole vector.
#include "analysis_kernels.hpp"
#include "fft.hpp"
#include "simd.hpp"

namespace fastring::FASTRING_ISA {
namespace {

template <class Vector>
struct Complex {
  Vector re;
  Vector im;
};
typedef Complex<F32x8> Complex8;
// The passes that only load, compute and store take a register at a time: of two at once, half would be spilled.
typedef Complex<Register> ComplexRegister;

template <class V>
FASTRING_INLINE Complex<V> operator+(Complex<V> a, Complex<V> b) {
  return {a.re + b.re, a.im + b.im};
}
template <class V>
FASTRING_INLINE Complex<V> operator-(Complex<V> a, Complex<V> b) {
  return {a.re - b.re, a.im - b.im};
}
template <class V>
FASTRING_INLINE Complex<V> operator*(Complex<V> a, Complex<V> b) {
  return {a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re};
}

FASTRING_INLINE ComplexRegister load_complex(const float* re, const float* im) {
  return {load_register(re), load_register(im)};
}

// Eight real parts, then their eight imaginary ones, and so on: one pointer per stream of values. i is a multiple of 8.
struct Blocks {
  float* at;
};

// A register of values from `lane` of block i on.
FASTRING_INLINE ComplexRegister load(Blocks x, int i, int lane) {
  return load_complex(x.at + 2 * i + lane, x.at + 2 * i + lane + 8);
}
template <class V>
FASTRING_INLINE void store(Blocks x, int i, int lane, Complex<V> v) {
  FASTRING_ISA::store(x.at + 2 * i + lane, v.re);
  FASTRING_ISA::store(x.at + 2 * i + lane + 8, v.im);
}

struct Planar {
  float* re;
  float* im;
};

FASTRING_INLINE Complex8 load(Planar x, int i) {
  return {FASTRING_ISA::load(x.re + i), FASTRING_ISA::load(x.im + i)};
}
FASTRING_INLINE void store(Planar x, int i, ComplexRegister v) {
  FASTRING_ISA::store(x.re + i, v.re);
  FASTRING_ISA::store(x.im + i, v.im);
}

template <class V>
struct Four {
  Complex<V> y0, y1, y2, y3;
};

template <class V>
FASTRING_INLINE Four<V> butterfly(Complex<V> a, Complex<V> b, Complex<V> c, Complex<V> d) {
  const Complex<V> apc = a + c;
  const Complex<V> amc = a - c;
  const Complex<V> bpd = b + d;
  const Complex<V> bmd = b - d;
  return {apc + bpd, {amc.re + bmd.im, amc.im - bmd.re}, apc - bpd, {amc.re - bmd.im, amc.im + bmd.re}};
}

// Writes element after element the four values that a, b, c and d have of it, blocks of 16 floats apart. Lanes hold the
// elements in the order 0, 1, 4, 5, 2, 3, 6, 7, as load_packed() and the twiddles of the first pass have them: it saves
// crossing the halves.
FASTRING_INLINE void interleave4(float* to, F32x8 a, F32x8 b, F32x8 c, F32x8 d) {
  const F32x8 ab_low = interleave_low(a, b);
  const F32x8 ab_high = interleave_high(a, b);
  const F32x8 cd_low = interleave_low(c, d);
  const F32x8 cd_high = interleave_high(c, d);
  const F32x8 m0 = low_pairs(ab_low, cd_low);
  const F32x8 m1 = high_pairs(ab_low, cd_low);
  const F32x8 m2 = low_pairs(ab_high, cd_high);
  const F32x8 m3 = high_pairs(ab_high, cd_high);
  FASTRING_ISA::store(to, low_halves(m0, m1));
  FASTRING_ISA::store(to + 16, high_halves(m0, m1));
  FASTRING_ISA::store(to + 32, low_halves(m2, m3));
  FASTRING_ISA::store(to + 48, high_halves(m2, m3));
}

// Stride 1, fused with windowing and packing: complex sample j is in[2j] + i in[2j + 1]; lanes as interleave4 has them.
FASTRING_INLINE Complex8 load_packed(const float* in, const float* window, int j) {
  F32x8 low = FASTRING_ISA::load(in + 2 * j);
  F32x8 high = FASTRING_ISA::load(in + 2 * j + 8);
  if (window != nullptr) {
    low *= FASTRING_ISA::load(window + 2 * j);
    high *= FASTRING_ISA::load(window + 2 * j + 8);
  }
  return {even_of_halves(low, high), odd_of_halves(low, high)};
}

template <bool kWindow>
FASTRING_INLINE const float* first_pass(const float* in, const float* window, int length, Blocks y, const float* w) {
  const int quarter = length / 4;
  const float* weights = kWindow ? window : nullptr;
  for (int p = 0; p < quarter; p += 8, w += 48) {
    const Four<F32x8> f =
        butterfly(load_packed(in, weights, p), load_packed(in, weights, p + quarter),
                  load_packed(in, weights, p + 2 * quarter), load_packed(in, weights, p + 3 * quarter));
    const Complex8 y1 = f.y1 * Complex8{FASTRING_ISA::load(w), FASTRING_ISA::load(w + 8)};
    const Complex8 y2 = f.y2 * Complex8{FASTRING_ISA::load(w + 16), FASTRING_ISA::load(w + 24)};
    const Complex8 y3 = f.y3 * Complex8{FASTRING_ISA::load(w + 32), FASTRING_ISA::load(w + 40)};
    interleave4(y.at + 8 * p, f.y0.re, y1.re, y2.re, y3.re);
    interleave4(y.at + 8 * p + 8, f.y0.im, y1.im, y2.im, y3.im);
  }
  return w;
}

// Of two elements (in one register), or of the one at `lane` / 4, the four values in turn, to two blocks each.
[[maybe_unused]] FASTRING_INLINE void store_pairs(Blocks y, int i, int, Complex<F32x8> y0, Complex<F32x8> y1,
                                                  Complex<F32x8> y2, Complex<F32x8> y3) {
  store(y, i, 0, Complex8{low_halves(y0.re, y1.re), low_halves(y0.im, y1.im)});
  store(y, i + 8, 0, Complex8{low_halves(y2.re, y3.re), low_halves(y2.im, y3.im)});
  store(y, i + 16, 0, Complex8{high_halves(y0.re, y1.re), high_halves(y0.im, y1.im)});
  store(y, i + 24, 0, Complex8{high_halves(y2.re, y3.re), high_halves(y2.im, y3.im)});
}
[[maybe_unused]] FASTRING_INLINE void store_pairs(Blocks y, int i, int lane, Complex<F32x4> y0, Complex<F32x4> y1,
                                                  Complex<F32x4> y2, Complex<F32x4> y3) {
  store(y, i + 4 * lane, 0, y0);
  store(y, i + 4 * lane, 4, y1);
  store(y, i + 4 * lane + 8, 0, y2);
  store(y, i + 4 * lane + 8, 4, y3);
}

FASTRING_INLINE const float* second_pass(Blocks x, int length, Blocks y, const float* w) {
  const int quarter = length / 4;
  for (int p = 0; p < quarter; p += 2, w += 48) {
    for (int lane = 0; lane < 8; lane += kLanes) {
      const Four<Register> f = butterfly(load(x, 4 * p, lane), load(x, 4 * (p + quarter), lane),
                                         load(x, 4 * (p + 2 * quarter), lane), load(x, 4 * (p + 3 * quarter), lane));
      const float* at = w + lane;
      const ComplexRegister y1 = f.y1 * load_complex(at, at + 8);
      const ComplexRegister y2 = f.y2 * load_complex(at + 16, at + 24);
      const ComplexRegister y3 = f.y3 * load_complex(at + 32, at + 40);
      store_pairs(y, 16 * p, lane, f.y0, y1, y2, y3);
    }
  }
  return w;
}

FASTRING_INLINE const float* later_pass(Blocks x, int length, int stride, Blocks y, const float* w) {
  const int quarter = length / 4;
  for (int p = 0; p < quarter; ++p, w += 6) {
    const ComplexRegister w1{splat_register(w[0]), splat_register(w[1])};
    const ComplexRegister w2{splat_register(w[2]), splat_register(w[3])};
    const ComplexRegister w3{splat_register(w[4]), splat_register(w[5])};
    for (int q = 0; q < stride; q += 8) {
      for (int lane = 0; lane < 8; lane += kLanes) {
        const Four<Register> f =
            butterfly(load(x, q + stride * p, lane), load(x, q + stride * (p + quarter), lane),
                      load(x, q + stride * (p + 2 * quarter), lane), load(x, q + stride * (p + 3 * quarter), lane));
        store(y, q + stride * 4 * p, lane, f.y0);
        store(y, q + stride * (4 * p + 1), lane, f.y1 * w1);
        store(y, q + stride * (4 * p + 2), lane, f.y2 * w2);
        store(y, q + stride * (4 * p + 3), lane, f.y3 * w3);
      }
    }
  }
  return w;
}

// The last pass has no twiddles: radix 4 or, for odd powers of two, radix 2.
FASTRING_INLINE void last_pass(Blocks x, int length, int stride, Planar y) {
  for (int q = 0; q < stride; q += 8) {
    for (int lane = 0; lane < 8; lane += kLanes) {
      const int to = q + lane;
      if (length == 4) {
        const Four<Register> f = butterfly(load(x, q, lane), load(x, q + stride, lane), load(x, q + 2 * stride, lane),
                                           load(x, q + 3 * stride, lane));
        store(y, to, f.y0);
        store(y, to + stride, f.y1);
        store(y, to + 2 * stride, f.y2);
        store(y, to + 3 * stride, f.y3);
      } else {
        const ComplexRegister a = load(x, q, lane);
        const ComplexRegister b = load(x, q + stride, lane);
        store(y, to, a + b);
        store(y, to + stride, a - b);
      }
    }
  }
}

// The transform of the packed half-length sequence, planar, in `work`; z[half] = z[0].
FASTRING_INLINE Planar packed_transform(const FftTables& plan, const float* in, const float* window, float* work) {
  const int half = plan.n / 2;
  const int room = half + 16;
  Blocks from{work};
  Blocks to{work + 2 * room};
  const float* w = plan.twiddles;
  w = window != nullptr ? first_pass<true>(in, window, half, to, w) : first_pass<false>(in, window, half, to, w);
  w = second_pass(to, half / 4, from, w);
  int stride = 16;
  int length = half / 16;
  for (; length > 4; length /= 4, stride *= 4) {
    w = later_pass(from, length, stride, to, w);
    const Blocks swap = from;
    from = to;
    to = swap;
  }
  const Planar z{to.at, to.at + room};
  last_pass(from, length, stride, z);
  z.re[half] = z.re[0];
  z.im[half] = z.im[0];
  return z;
}

// From there to the transform of the real sequence: gives take(k, x, y) for k = 0, 8, .. below n / 4, where x are its
// values at k and after, y the conjugates of those at n / 2 - k and before. The one at n / 4 is conj(z[n / 4]).
template <class Take>
FASTRING_INLINE void unpack(const FftTables& plan, Planar z, Take take) {
  const int half = plan.n / 2;
  for (int k = 0; k < half / 2; k += 8) {
    const Complex8 a = load(z, k);
    const Complex8 b{reverse(FASTRING_ISA::load(z.re + half - k - 7)),
                     reverse(FASTRING_ISA::load(z.im + half - k - 7))};
    const Complex8 even{(a.re + b.re) * 0.5f, (a.im - b.im) * 0.5f};
    const Complex8 odd{a.im + b.im, b.re - a.re};
    const Complex8 w{FASTRING_ISA::load(plan.half_root_re + k), FASTRING_ISA::load(plan.half_root_im + k)};
    const Complex8 turned = w * odd;
    take(k, even + turned, even - turned);
  }
}

}  // namespace

void rfft(const FftTables& plan, const float* in, const float* window, float* re, float* im, float* work) {
  const int half = plan.n / 2;
  const Planar z = packed_transform(plan, in, window, work);
  unpack(plan, z, [&](int k, Complex8 x, Complex8 y) {
    FASTRING_ISA::store(re + k, x.re);
    FASTRING_ISA::store(im + k, x.im);
    FASTRING_ISA::store(re + half - k - 7, reverse(y.re));
    FASTRING_ISA::store(im + half - k - 7, reverse(-y.im));
  });
  re[half / 2] = z.re[half / 2];
  im[half / 2] = -z.im[half / 2];
}

namespace {

// out[k] = map(|X[k]|^2, k), eight at a time. Square roots taken here hide behind the arithmetic of the transform.
template <class Map>
FASTRING_INLINE void mapped_power(const FftTables& plan, const float* in, const float* window, float* out, float* work,
                                  Map map) {
  const int half = plan.n / 2;
  const Planar z = packed_transform(plan, in, window, work);
  const int middle = half / 2;
  const float at_middle = z.re[middle] * z.re[middle] + z.im[middle] * z.im[middle];
  unpack(plan, z, [&](int k, Complex8 x, Complex8 y) {
    FASTRING_ISA::store(out + k, map(x.re * x.re + x.im * x.im, k));
    FASTRING_ISA::store(out + half - k - 7, map(reverse(y.re * y.re + y.im * y.im), half - k - 7));
  });
  out[middle] = map(splat(at_middle), middle)[0];
}

}  // namespace

void rfft_power(const FftTables& plan, const float* in, const float* window, float* power, float* work) {
  mapped_power(plan, in, window, power, work, [](F32x8 power_of, int) { return power_of; });
}

void rfft_magnitude(const FftTables& plan, const float* in, const float* window, float* magnitude, float* work) {
  mapped_power(plan, in, window, magnitude, work, [](F32x8 power_of, int) { return square_root(power_of); });
}

void rfft_compressed(const FftTables& plan, const float* in, const float* window, const float* weight, float* out,
                     float* work) {
  mapped_power(plan, in, window, out, work, [weight](F32x8 power_of, int k) {
    const F32x8 root = square_root(power_of);
    return root * square_root(root) * FASTRING_ISA::load(weight + k);
  });
}

// The type-I cosine transform by a real transform of half the length of the mirrored input: even outputs are its
// real parts, odd ones the running sum of its imaginary parts (Press et al., Numerical Recipes, section 12.4).
void cosine_transform(const FftTables& plan, const FftTables& twice, const float* in, float* out, float* work) {
  const int n = plan.n;
  float* folded = work;
  float* re = folded + n;
  float* im = re + n / 2 + 16;
  F32x8 first = splat(0.0f);
  for (int j = 0; j < n; j += 8) {
    const F32x8 a = FASTRING_ISA::load(in + j);
    const F32x8 b = reverse(FASTRING_ISA::load(in + n - j - 7));
    const F32x8 difference = a - b;
    first += a * FASTRING_ISA::load(twice.half_root_re + j);
    FASTRING_ISA::store(folded + j,
                        (a + b) * 0.5f + (difference + difference) * FASTRING_ISA::load(twice.half_root_im + j));
  }
  rfft(plan, folded, nullptr, re, im, im + n / 2 + 16);
  // in[0] counts half, in[n], whose cosine is -1, as well.
  float carry = 2.0f * sum(first) - 0.5f * (in[0] + in[n]);
  im[0] = 0.0f;
  for (int k = 0; k < n / 2; k += 8) {
    F32x8 run = -FASTRING_ISA::load(im + k);
    run += up_one(run);
    run += up_two(run);
    run += third_to_high_half(run);
    run += carry;
    carry = run[7];
    const F32x8 even = FASTRING_ISA::load(re + k);
    const F32x8 low = interleave_low(even, run);
    const F32x8 high = interleave_high(even, run);
    FASTRING_ISA::store(out + 2 * k, low_halves(low, high));
    FASTRING_ISA::store(out + 2 * k + 8, high_halves(low, high));
  }
  out[n] = re[n / 2];
}

}  // namespace fastring::FASTRING_ISA
