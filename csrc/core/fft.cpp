#include "fft.hpp"

#include <cmath>
#include <map>
#include <memory>
#include <mutex>
#include <numbers>
#include <stdexcept>
#include <string>

#include "analysis_kernels.hpp"

namespace fastring {
namespace {

// exp(-2 pi i k / n), from the double-precision functions.
void unit_root(int k, int n, float& re, float& im) {
  const double angle = 2.0 * std::numbers::pi * k / n;
  re = static_cast<float>(std::cos(angle));
  im = static_cast<float>(-std::sin(angle));
}

constexpr int kFirstPassLanes[8] = {0, 1, 4, 5, 2, 3, 6, 7};

// Six rows (re and im of w, w^2, w^3) over p: vectors of 8, two pairs crossed, in the first pass, pairs spread over 4
// lanes each in the second, single values later, so that every pass reads its factors contiguously.
void add_pass(std::vector<float>& out, int length, int stride) {
  const int quarter = length / 4;
  const int group = stride == 1 ? 8 : stride == 4 ? 2 : 1;
  const int lanes = stride == 1 ? 1 : stride == 4 ? 4 : 1;
  for (int p = 0; p < quarter; p += group) {
    for (int power = 1; power <= 3; ++power) {
      for (int part = 0; part < 2; ++part) {
        for (int g = 0; g < group; ++g) {
          float re = 0.0f;
          float im = 0.0f;
          unit_root((p + (group == 8 ? kFirstPassLanes[g] : g)) * power, length, re, im);
          for (int lane = 0; lane < lanes; ++lane) out.push_back(part == 0 ? re : im);
        }
      }
    }
  }
}

}  // namespace

RealFftPlan::RealFftPlan(int n) : tables_{n, nullptr, nullptr, nullptr} {
  if (n < kMinFftSize || n > kMaxFftSize || (n & (n - 1)) != 0) {
    throw std::invalid_argument("FFT length must be a power of two in " + std::to_string(kMinFftSize) + ".." +
                                std::to_string(kMaxFftSize) + ", not " + std::to_string(n));
  }
  const int half = n / 2;
  int stride = 1;
  for (int length = half; length > 4; length /= 4) {
    add_pass(twiddles_, length, stride);
    stride *= 4;
  }
  half_root_re_.resize(static_cast<std::size_t>(half));
  half_root_im_.resize(static_cast<std::size_t>(half));
  for (std::size_t k = 0; k < half_root_re_.size(); ++k) {
    unit_root(static_cast<int>(k), n, half_root_re_[k], half_root_im_[k]);
    half_root_re_[k] *= 0.5f;
    half_root_im_[k] *= 0.5f;
  }
  tables_ = {n, twiddles_.data(), half_root_re_.data(), half_root_im_.data()};
  if (n > kMinFftSize) half_ = &real_fft_plan(half).tables();
}

const RealFftPlan& real_fft_plan(int n) {
  static std::recursive_mutex mutex;                                           // a plan makes that of half its length
  static auto* plans = new std::map<int, std::unique_ptr<const RealFftPlan>>;  // outlives every thread on purpose
  const std::lock_guard lock(mutex);
  auto& plan = (*plans)[n];
  if (!plan) {
    try {
      plan = std::make_unique<const RealFftPlan>(n);
    } catch (...) {
      plans->erase(n);
      throw;
    }
  }
  return *plan;
}

void rfft(const RealFftPlan& plan, const float* in, const float* window, float* re, float* im, float* work) noexcept {
  analysis_kernels().rfft(plan.tables(), in, window, re, im, work);
}

void rfft_power(const RealFftPlan& plan, const float* in, const float* window, float* power, float* work) noexcept {
  analysis_kernels().rfft_power(plan.tables(), in, window, power, work);
}

void cosine_transform(const RealFftPlan& twice, const float* in, float* out, float* work) noexcept {
  analysis_kernels().cosine_transform(twice.half_tables(), twice.tables(), in, out, work);
}

}  // namespace fastring
