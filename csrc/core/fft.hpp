// Real FFT of power-of-two length: Stockham, radix 4, split real and imaginary parts.
#pragma once

#include <vector>

namespace fastring {

inline constexpr int kMinFftSize = 64;
inline constexpr int kMaxFftSize = 32768;

// What the kernel reads: plain pointers, so that no std:: template is instantiated per instruction set.
struct FftTables {
  int n;                      // real samples
  const float* twiddles;      // of each radix-4 pass, in the order and layout the kernel reads them
  const float* half_root_re;  // exp(-2 pi i k / n) / 2, k < n / 2
  const float* half_root_im;
};

// Twiddle factors of one length. Immutable once made and shared by every thread.
class RealFftPlan {
 public:
  explicit RealFftPlan(int n);
  RealFftPlan(const RealFftPlan&) = delete;
  RealFftPlan& operator=(const RealFftPlan&) = delete;

  [[nodiscard]] int n() const noexcept { return tables_.n; }
  [[nodiscard]] const FftTables& tables() const noexcept { return tables_; }
  // The plan of half the length. n() must be 128 or more.
  [[nodiscard]] const FftTables& half_tables() const noexcept { return *half_; }

 private:
  std::vector<float> twiddles_;
  std::vector<float> half_root_re_;
  std::vector<float> half_root_im_;
  FftTables tables_;
  const FftTables* half_ = nullptr;
};

// The process-wide plan of length n, made on first use and never freed. Thread-safe; takes a lock, so call it when an
// object is built, not per frame. Throws std::invalid_argument unless n is a power of two in range.
[[nodiscard]] const RealFftPlan& real_fft_plan(int n);

// Floats of scratch rfft() needs for length n, and floats each of its outputs must have room for.
[[nodiscard]] constexpr int rfft_work_size(int n) noexcept {
  return 4 * (n / 2 + 16);
}
[[nodiscard]] constexpr int rfft_output_size(int n) noexcept {
  return n / 2 + 16;
}

// re[k] + i im[k] = sum_j in[j] window[j] exp(-2 pi i j k / n), k = 0..n/2; unscaled. window may be null (all ones).
// Nothing may alias. Does not allocate. Any alignment; 32 bytes is fastest.
void rfft(const RealFftPlan& plan, const float* in, const float* window, float* re, float* im, float* work) noexcept;

// power[k] = |the same|^2, k = 0..n/2; room as for re. Nothing may alias.
void rfft_power(const RealFftPlan& plan, const float* in, const float* window, float* power, float* work) noexcept;

// out[j] = in[0] / 2 + (-1)^j in[n] / 2 + sum_{0 < k < n} in[k] cos(pi j k / n), j = 0..n, where n = twice.n() / 2:
// half the transform of a real, even sequence of length twice.n(). Reads in[0..n], writes out[0..n], and needs room for
// cosine_work_size(n) floats in work. Nothing may alias.
[[nodiscard]] constexpr int cosine_work_size(int n) noexcept {
  return n + 2 * rfft_output_size(n) + rfft_work_size(n);
}
void cosine_transform(const RealFftPlan& twice, const float* in, float* out, float* work) noexcept;

}  // namespace fastring
