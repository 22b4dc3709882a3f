#include "spectrum.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>

#include "analysis_kernels.hpp"
#include "shared_tables.hpp"
#include "window.hpp"

namespace fastring {
namespace {

// Power that counts as nothing in the flatness: librosa's amin, on a spectrum where a full-scale sine has power 1.
constexpr float kPowerFloor = 1.0e-10f;
// Total magnitude of a frame that counts as silent: -120 dBFS.
constexpr float kSilentMagnitude = 1.0e-6f;

// Bin at which the running sum of magnitude reaches `target`.
int rolloff_bin(const float* magnitude, int bins, float target) noexcept {
  float running = 0.0f;
  int k = 0;
  for (; k + 8 <= bins; k += 8) {
    const float* m = magnitude + k;
    const float next = running + (((m[0] + m[4]) + (m[2] + m[6])) + ((m[1] + m[5]) + (m[3] + m[7])));
    if (next >= target) break;
    running = next;
  }
  for (; k < bins; ++k) {
    running += magnitude[k];
    if (running >= target) return k;
  }
  return bins - 1;
}

}  // namespace

Spectrum::Spectrum(double sample_rate, int window_samples, double rolloff_fraction)
    : window_samples_(window_samples), rolloff_fraction_(rolloff_fraction) {
  const int n = fft_size_for(window_samples);
  shared_ = shared_tables<Shared>(window_samples, [&] {
    auto window = hann_window(window_samples, n);
    for (float& w : window) w *= 4.0f / static_cast<float>(window_samples);
    return Shared{&real_fft_plan(n), std::move(window)};
  });
  bin_hz_ = sample_rate / n;
  magnitude_.resize(static_cast<std::size_t>(n / 2 + 8), 0.0f);
}

std::size_t Spectrum::scratch_floats() const noexcept {
  const int n = shared_->plan->n();
  return static_cast<std::size_t>(n + rfft_output_size(n) + rfft_work_size(n));
}

void Spectrum::reset() noexcept {
  std::fill(magnitude_.begin(), magnitude_.end(), 0.0f);
  first_ = true;
}

SpectrumFrame Spectrum::process(const SlidingBuffer& signal, float* scratch) noexcept {
  const AnalysisKernels& kernels = analysis_kernels();
  const int n = shared_->plan->n();
  const int bins = n / 2 + 1;
  const int padded = n / 2 + 8;
  float* frame = scratch;
  float* power = frame + n;
  std::fill(frame, frame + n - window_samples_, 0.0f);
  signal.copy(window_samples_, 0, frame + n - window_samples_);
  kernels.rfft_power(shared_->plan->tables(), frame, shared_->window.data(), power, power + rfft_output_size(n));
  std::fill(power + bins, power + padded, 0.0f);
  SpectrumSums sums;
  kernels.spectrum_sums(power, magnitude_.data(), padded, kPowerFloor, &sums);
  SpectrumFrame out;
  if (sums.magnitude > kSilentMagnitude) {
    out.centroid_hz = static_cast<float>(bin_hz_ * (sums.weighted / sums.magnitude));
    const auto target = static_cast<float>(rolloff_fraction_ * sums.magnitude);
    out.rolloff_hz = static_cast<float>(bin_hz_ * rolloff_bin(magnitude_.data(), bins, target));
    const float padding_logs = 7.0f * std::log2(kPowerFloor);
    const float mean_log2 = (sums.log2_power - padding_logs) / static_cast<float>(bins);
    const float mean_power = std::max(sums.power / static_cast<float>(bins), kPowerFloor);
    out.flatness = std::min(1.0f, std::exp2(mean_log2) / mean_power);
    out.flux = first_ ? 0.0f : sums.rise;
  }
  first_ = false;
  return out;
}

}  // namespace fastring
