// The passes of the real FFT. Stockham autosort, decimation in frequency (Swarztrauber 1984): no bit reversal, and
// from the third pass on every load and store is a whole vector.
#include "analysis_kernels.hpp"
#include "fft.hpp"
#include "simd.hpp"

namespace fastring::FASTRING_ISA {
namespace {

struct Complex8 {
  F32x8 re;
  F32x8 im;
};

FASTRING_INLINE Complex8 operator+(Complex8 a, Complex8 b) {
  return {a.re + b.re, a.im + b.im};
}
FASTRING_INLINE Complex8 operator-(Complex8 a, Complex8 b) {
  return {a.re - b.re, a.im - b.im};
}
FASTRING_INLINE Complex8 operator*(Complex8 a, Complex8 b) {
  return {a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re};
}

struct Planar {
  float* re;
  float* im;
};

FASTRING_INLINE Complex8 load(Planar x, int i) {
  return {FASTRING_ISA::load(x.re + i), FASTRING_ISA::load(x.im + i)};
}
FASTRING_INLINE void store(Planar x, int i, Complex8 v) {
  FASTRING_ISA::store(x.re + i, v.re);
  FASTRING_ISA::store(x.im + i, v.im);
}

struct Four {
  Complex8 y0, y1, y2, y3;
};

FASTRING_INLINE Four butterfly(Complex8 a, Complex8 b, Complex8 c, Complex8 d) {
  const Complex8 apc = a + c;
  const Complex8 amc = a - c;
  const Complex8 bpd = b + d;
  const Complex8 bmd = b - d;
  return {apc + bpd, {amc.re + bmd.im, amc.im - bmd.re}, apc - bpd, {amc.re - bmd.im, amc.im + bmd.re}};
}

FASTRING_INLINE void interleave4(float* to, F32x8 a, F32x8 b, F32x8 c, F32x8 d) {
  const F32x8 ab_low = FASTRING_SHUFFLE(a, b, 0, 8, 1, 9, 4, 12, 5, 13);
  const F32x8 ab_high = FASTRING_SHUFFLE(a, b, 2, 10, 3, 11, 6, 14, 7, 15);
  const F32x8 cd_low = FASTRING_SHUFFLE(c, d, 0, 8, 1, 9, 4, 12, 5, 13);
  const F32x8 cd_high = FASTRING_SHUFFLE(c, d, 2, 10, 3, 11, 6, 14, 7, 15);
  const F32x8 m0 = FASTRING_SHUFFLE(ab_low, cd_low, 0, 1, 8, 9, 4, 5, 12, 13);
  const F32x8 m1 = FASTRING_SHUFFLE(ab_low, cd_low, 2, 3, 10, 11, 6, 7, 14, 15);
  const F32x8 m2 = FASTRING_SHUFFLE(ab_high, cd_high, 0, 1, 8, 9, 4, 5, 12, 13);
  const F32x8 m3 = FASTRING_SHUFFLE(ab_high, cd_high, 2, 3, 10, 11, 6, 7, 14, 15);
  FASTRING_ISA::store(to, low_halves(m0, m1));
  FASTRING_ISA::store(to + 8, low_halves(m2, m3));
  FASTRING_ISA::store(to + 16, high_halves(m0, m1));
  FASTRING_ISA::store(to + 24, high_halves(m2, m3));
}

// Stride 1, fused with windowing and packing: complex sample j is in[2j] + i in[2j + 1].
FASTRING_INLINE Complex8 load_packed(const float* in, const float* window, int j) {
  F32x8 low = FASTRING_ISA::load(in + 2 * j);
  F32x8 high = FASTRING_ISA::load(in + 2 * j + 8);
  if (window != nullptr) {
    low *= FASTRING_ISA::load(window + 2 * j);
    high *= FASTRING_ISA::load(window + 2 * j + 8);
  }
  return {even_lanes(low, high), odd_lanes(low, high)};
}

FASTRING_INLINE const float* first_pass(const float* in, const float* window, int length, Planar y, const float* w) {
  const int quarter = length / 4;
  for (int p = 0; p < quarter; p += 8, w += 48) {
    const Four f = butterfly(load_packed(in, window, p), load_packed(in, window, p + quarter),
                             load_packed(in, window, p + 2 * quarter), load_packed(in, window, p + 3 * quarter));
    const Complex8 y1 = f.y1 * Complex8{FASTRING_ISA::load(w), FASTRING_ISA::load(w + 8)};
    const Complex8 y2 = f.y2 * Complex8{FASTRING_ISA::load(w + 16), FASTRING_ISA::load(w + 24)};
    const Complex8 y3 = f.y3 * Complex8{FASTRING_ISA::load(w + 32), FASTRING_ISA::load(w + 40)};
    interleave4(y.re + 4 * p, f.y0.re, y1.re, y2.re, y3.re);
    interleave4(y.im + 4 * p, f.y0.im, y1.im, y2.im, y3.im);
  }
  return w;
}

FASTRING_INLINE const float* second_pass(Planar x, int length, Planar y, const float* w) {
  const int quarter = length / 4;
  for (int p = 0; p < quarter; p += 2, w += 48) {
    const Four f = butterfly(load(x, 4 * p), load(x, 4 * (p + quarter)), load(x, 4 * (p + 2 * quarter)),
                             load(x, 4 * (p + 3 * quarter)));
    const Complex8 y1 = f.y1 * Complex8{FASTRING_ISA::load(w), FASTRING_ISA::load(w + 8)};
    const Complex8 y2 = f.y2 * Complex8{FASTRING_ISA::load(w + 16), FASTRING_ISA::load(w + 24)};
    const Complex8 y3 = f.y3 * Complex8{FASTRING_ISA::load(w + 32), FASTRING_ISA::load(w + 40)};
    store(y, 16 * p, {low_halves(f.y0.re, y1.re), low_halves(f.y0.im, y1.im)});
    store(y, 16 * p + 8, {low_halves(y2.re, y3.re), low_halves(y2.im, y3.im)});
    store(y, 16 * p + 16, {high_halves(f.y0.re, y1.re), high_halves(f.y0.im, y1.im)});
    store(y, 16 * p + 24, {high_halves(y2.re, y3.re), high_halves(y2.im, y3.im)});
  }
  return w;
}

FASTRING_INLINE const float* later_pass(Planar x, int length, int stride, Planar y, const float* w) {
  const int quarter = length / 4;
  for (int p = 0; p < quarter; ++p, w += 6) {
    const Complex8 w1{splat(w[0]), splat(w[1])};
    const Complex8 w2{splat(w[2]), splat(w[3])};
    const Complex8 w3{splat(w[4]), splat(w[5])};
    for (int q = 0; q < stride; q += 8) {
      const Four f = butterfly(load(x, q + stride * p), load(x, q + stride * (p + quarter)),
                               load(x, q + stride * (p + 2 * quarter)), load(x, q + stride * (p + 3 * quarter)));
      store(y, q + stride * 4 * p, f.y0);
      store(y, q + stride * (4 * p + 1), f.y1 * w1);
      store(y, q + stride * (4 * p + 2), f.y2 * w2);
      store(y, q + stride * (4 * p + 3), f.y3 * w3);
    }
  }
  return w;
}

// The last pass has no twiddles: radix 4 or, for odd powers of two, radix 2.
FASTRING_INLINE void last_pass(Planar x, int length, int stride, Planar y) {
  for (int q = 0; q < stride; q += 8) {
    if (length == 4) {
      const Four f = butterfly(load(x, q), load(x, q + stride), load(x, q + 2 * stride), load(x, q + 3 * stride));
      store(y, q, f.y0);
      store(y, q + stride, f.y1);
      store(y, q + 2 * stride, f.y2);
      store(y, q + 3 * stride, f.y3);
    } else {
      const Complex8 a = load(x, q);
      const Complex8 b = load(x, q + stride);
      store(y, q, a + b);
      store(y, q + stride, a - b);
    }
  }
}

// From the transform z of the packed half-length sequence to that of the real one.
FASTRING_INLINE void unpack(const FftTables& plan, Planar z, float* re, float* im) {
  const int half = plan.n / 2;
  const float nyquist = z.re[0] - z.im[0];
  z.re[half] = z.re[0];
  z.im[half] = z.im[0];
  for (int k = 0; k < half; k += 8) {
    const Complex8 a = load(z, k);
    const Complex8 b{reverse(FASTRING_ISA::load(z.re + half - k - 7)),
                     reverse(FASTRING_ISA::load(z.im + half - k - 7))};
    const Complex8 even{(a.re + b.re) * 0.5f, (a.im - b.im) * 0.5f};
    const Complex8 odd{(a.im + b.im) * 0.5f, (b.re - a.re) * 0.5f};
    const Complex8 w{FASTRING_ISA::load(plan.unpack_re + k), FASTRING_ISA::load(plan.unpack_im + k)};
    const Complex8 x = even + w * odd;
    FASTRING_ISA::store(re + k, x.re);
    FASTRING_ISA::store(im + k, x.im);
  }
  re[half] = nyquist;
  im[half] = 0.0f;
}

}  // namespace

void rfft(const FftTables& plan, const float* in, const float* window, float* re, float* im, float* work) {
  const int half = plan.n / 2;
  const int room = half + 16;
  Planar x{work, work + room};
  Planar y{work + 2 * room, work + 3 * room};
  const float* w = plan.twiddles;
  w = first_pass(in, window, half, x, w);
  w = second_pass(x, half / 4, y, w);
  int stride = 16;
  int length = half / 16;
  Planar from = y;
  Planar to = x;
  for (; length > 4; length /= 4, stride *= 4) {
    w = later_pass(from, length, stride, to, w);
    const Planar swap = from;
    from = to;
    to = swap;
  }
  if (length > 1) {
    last_pass(from, length, stride, to);
    from = to;
  }
  unpack(plan, from, re, im);
}

}  // namespace fastring::FASTRING_ISA
