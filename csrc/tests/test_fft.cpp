#include "fft.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numbers>
#include <stdexcept>
#include <vector>

#include "analysis_kernels.hpp"
#include "check.hpp"

namespace {

std::vector<float> noise(int n) {
  std::vector<float> out(static_cast<std::size_t>(n));
  std::uint32_t state = 12345;
  for (float& x : out) {
    state = state * 1664525u + 1013904223u;
    x = static_cast<float>(state >> 8) / 8388608.0f - 1.0f;
  }
  return out;
}

// Largest error against the definition, in double precision, over every bin (some bins of long transforms).
double worst_error(int n, bool windowed) {
  const auto x = noise(n);
  std::vector<float> window(static_cast<std::size_t>(n));
  for (std::size_t i = 0; i < window.size(); ++i) window[i] = 0.25f + 0.5f * static_cast<float>(i % 3);
  std::vector<float> re(static_cast<std::size_t>(fastring::rfft_output_size(n)));
  std::vector<float> im(re.size());
  std::vector<float> work(static_cast<std::size_t>(fastring::rfft_work_size(n)));
  fastring::rfft(fastring::real_fft_plan(n), x.data(), windowed ? window.data() : nullptr, re.data(), im.data(),
                 work.data());
  double worst = 0.0;
  const int step = n > 4096 ? n / 512 + 1 : 1;
  for (int k = 0; k <= n / 2; k += step) {
    double sum_re = 0.0;
    double sum_im = 0.0;
    for (int j = 0; j < n; ++j) {
      const double angle = 2.0 * std::numbers::pi * static_cast<int>(static_cast<std::int64_t>(j) * k % n) / n;
      const auto i = static_cast<std::size_t>(j);
      const double value = double(x[i]) * (windowed ? double(window[i]) : 1.0);
      sum_re += value * std::cos(angle);
      sum_im -= value * std::sin(angle);
    }
    const auto bin = static_cast<std::size_t>(k);
    worst = std::max({worst, std::fabs(sum_re - double(re[bin])), std::fabs(sum_im - double(im[bin]))});
  }
  return worst;
}

}  // namespace

TEST("every length equals the definition, with and without a window") {
  for (int n = fastring::kMinFftSize; n <= fastring::kMaxFftSize; n *= 2) {
    CHECK_NEAR(worst_error(n, false), 0.0, 2e-6 * std::sqrt(double(n)) * 4);
    if (n <= 4096) CHECK_NEAR(worst_error(n, true), 0.0, 2e-6 * std::sqrt(double(n)) * 4);
  }
}

TEST("the power spectrum is that of the transform") {
  for (int n = fastring::kMinFftSize; n <= 4096; n *= 2) {
    const auto x = noise(n);
    const auto& plan = fastring::real_fft_plan(n);
    std::vector<float> re(static_cast<std::size_t>(fastring::rfft_output_size(n)));
    std::vector<float> im(re.size());
    std::vector<float> power(re.size());
    std::vector<float> work(static_cast<std::size_t>(fastring::rfft_work_size(n)));
    fastring::rfft(plan, x.data(), x.data(), re.data(), im.data(), work.data());
    fastring::rfft_power(plan, x.data(), x.data(), power.data(), work.data());
    for (std::size_t k = 0; k <= static_cast<std::size_t>(n / 2); ++k) {
      const double expected = double(re[k]) * double(re[k]) + double(im[k]) * double(im[k]);
      CHECK_NEAR(power[k], expected, 1e-6 * (n + expected));
    }
  }
}

TEST("magnitudes and compressed powers are those of the power spectrum") {
  const auto& kernels = fastring::analysis_kernels();
  for (int n = fastring::kMinFftSize; n <= 4096; n *= 2) {
    const auto x = noise(n);
    const auto weight = noise(n);
    const auto& tables = fastring::real_fft_plan(n).tables();
    std::vector<float> power(static_cast<std::size_t>(fastring::rfft_output_size(n)));
    std::vector<float> magnitude(power.size());
    std::vector<float> compressed(power.size());
    std::vector<float> work(static_cast<std::size_t>(fastring::rfft_work_size(n)));
    kernels.rfft_power(tables, x.data(), x.data(), power.data(), work.data());
    kernels.rfft_magnitude(tables, x.data(), x.data(), magnitude.data(), work.data());
    kernels.rfft_compressed(tables, x.data(), x.data(), weight.data(), compressed.data(), work.data());
    for (std::size_t k = 0; k <= static_cast<std::size_t>(n / 2); ++k) {
      const double root = std::sqrt(double(power[k]));
      const double expected = double(weight[k]) * root * std::sqrt(root);
      CHECK_NEAR(magnitude[k], root, 1e-6 * (1.0 + root));
      CHECK_NEAR(compressed[k], expected, 1e-6 * (1.0 + std::fabs(expected)));
    }
  }
}

TEST("the cosine transform equals its definition") {
  for (int n = fastring::kMinFftSize; n <= 2048; n *= 2) {
    const auto x = noise(n + 1);
    std::vector<float> out(static_cast<std::size_t>(n) + 1);
    std::vector<float> work(static_cast<std::size_t>(fastring::cosine_work_size(n)));
    fastring::cosine_transform(fastring::real_fft_plan(2 * n), x.data(), out.data(), work.data());
    double worst = 0.0;
    for (int j = 0; j <= n; ++j) {
      double sum = 0.0;
      for (int k = 0; k <= n; ++k) {
        const double weight = k == 0 || k == n ? 0.5 : 1.0;
        sum += weight * double(x[static_cast<std::size_t>(k)]) * std::cos(std::numbers::pi * (j * k % (2 * n)) / n);
      }
      worst = std::max(worst, std::fabs(sum - double(out[static_cast<std::size_t>(j)])));
    }
    CHECK_NEAR(worst, 0.0, 4e-6 * std::sqrt(double(n)) * 4);
  }
}

TEST("lengths that are no power of two, or out of range, are refused") {
  CHECK_THROWS(fastring::real_fft_plan(1000), std::invalid_argument);
  CHECK_THROWS(fastring::real_fft_plan(32), std::invalid_argument);
  CHECK_THROWS(fastring::real_fft_plan(65536), std::invalid_argument);
  CHECK_THROWS(fastring::real_fft_plan(0), std::invalid_argument);
  CHECK_THROWS(fastring::real_fft_plan(-64), std::invalid_argument);
}

TEST("a plan is made once") {
  CHECK(&fastring::real_fft_plan(256) == &fastring::real_fft_plan(256));
}
