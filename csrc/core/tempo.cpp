#include "tempo.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>

#include "analysis_kernels.hpp"
#include "window.hpp"

namespace fastring {
namespace {

constexpr double kEnvelopeRate_hz = 100.0;
constexpr double kFirstEstimate_s = 2.0;
// Mean novelty below which nothing happened worth a tempo.
constexpr float kSilentNovelty = 1.0e-4f;

}  // namespace

TempoTracker::TempoTracker(double hops_per_second, const AnalyzerSettings& s)
    : plan_(nullptr),
      decimation_(std::max(1, static_cast<int>(std::lround(hops_per_second / kEnvelopeRate_hz)))),
      min_bpm_(s.tempo_min_bpm),
      max_bpm_(s.tempo_max_bpm),
      prior_bpm_(s.tempo_prior_bpm),
      prior_octaves_(s.tempo_prior_octaves),
      min_confidence_(s.tempo_min_confidence) {
  frame_rate_ = hops_per_second / decimation_;
  capacity_ = static_cast<int>(s.tempo_history_s * frame_rate_);
  first_frames_ = std::min(capacity_, static_cast<int>(kFirstEstimate_s * frame_rate_));
  update_frames_ = std::max(1, static_cast<int>(s.tempo_update_s * frame_rate_));
  until_update_ = first_frames_;
  plan_ = &real_fft_plan(fft_size_for(2 * capacity_));
  ring_.resize(static_cast<std::size_t>(capacity_), 0.0f);
}

std::size_t TempoTracker::scratch_floats() const noexcept {
  const int n = plan_->n();
  return static_cast<std::size_t>(n + 2 * rfft_output_size(n) + rfft_work_size(n));
}

void TempoTracker::reset() noexcept {
  std::fill(ring_.begin(), ring_.end(), 0.0f);
  pending_ = 0;
  pending_sum_ = 0.0f;
  count_ = 0;
  next_ = 0;
  until_update_ = first_frames_;
}

bool TempoTracker::push(float novelty, float* scratch, TempoEstimate& estimate) noexcept {
  pending_sum_ += novelty;
  if (++pending_ < decimation_) return false;
  ring_[static_cast<std::size_t>(next_)] = pending_sum_;
  pending_ = 0;
  pending_sum_ = 0.0f;
  next_ = (next_ + 1) % capacity_;
  count_ = std::min(count_ + 1, capacity_);
  if (--until_update_ > 0) return false;
  until_update_ = update_frames_;
  estimate_now(scratch, estimate);
  return true;
}

void TempoTracker::estimate_now(float* scratch, TempoEstimate& estimate) noexcept {
  const AnalysisKernels& kernels = analysis_kernels();
  const int n = plan_->n();
  float* buffer = scratch;
  float* re = buffer + n;
  float* im = re + rfft_output_size(n);
  float* work = im + rfft_output_size(n);
  estimate.bpm = 0.0f;
  estimate.confidence = 0.0f;

  float mean = 0.0f;
  for (int i = 0; i < count_; ++i) {
    buffer[i] = ring_[static_cast<std::size_t>((next_ - count_ + i + capacity_) % capacity_)];
    mean += buffer[i];
  }
  mean /= static_cast<float>(count_);
  if (mean < kSilentNovelty) return;
  for (int i = 0; i < count_; ++i) buffer[i] -= mean;
  std::fill(buffer + count_, buffer + n, 0.0f);

  kernels.rfft(plan_->tables(), buffer, nullptr, re, im, work);
  kernels.power(re, im, re, n / 2);
  re[n / 2] = 0.0f;
  std::copy(re, re + n / 2 + 1, buffer);
  for (int k = 1; k < n / 2; ++k) buffer[n - k] = re[k];
  kernels.rfft(plan_->tables(), buffer, nullptr, re, im, work);
  if (!(re[0] > 0.0f)) return;
  // Unbiased, as far as there is enough overlap to speak of.
  const int usable = count_ * 3 / 4;
  float* r = buffer;
  for (int lag = 0; lag <= usable; ++lag) {
    r[lag] = re[lag] / re[0] * static_cast<float>(count_) / static_cast<float>(count_ - lag);
  }

  const int min_lag = std::max(2, static_cast<int>(std::floor(60.0 * frame_rate_ / max_bpm_)));
  const int max_lag = std::min(usable - 1, static_cast<int>(std::ceil(60.0 * frame_rate_ / min_bpm_)));
  float best = 0.0f;
  double best_lag = 0.0;
  float best_r = 0.0f;
  for (int lag = min_lag; lag <= max_lag; ++lag) {
    // A comb: the multiples of a true beat period are peaks too. Each tooth is as wide as a lag is coarse.
    float comb = 0.0f;
    float weights = 0.0f;
    for (int k = 1; k <= 4 && k * lag + k < usable; ++k) {
      float tooth = 0.0f;
      for (int j = k * lag - k / 2; j <= k * lag + k / 2; ++j) tooth = std::max(tooth, r[j]);
      comb += tooth / static_cast<float>(k);
      weights += 1.0f / static_cast<float>(k);
    }
    if (weights <= 0.0f) continue;
    const double octaves = std::log2(60.0 * frame_rate_ / lag / prior_bpm_) / prior_octaves_;
    const float score = comb / weights * static_cast<float>(std::exp(-0.5 * octaves * octaves));
    if (score > best) {
      best = score;
      best_lag = lag;
      best_r = r[lag];
    }
  }
  if (best_lag <= 0.0) return;
  // Refine on the furthest multiple in reach: its error is divided by the multiple.
  auto lag = static_cast<int>(best_lag);
  for (int k = 1; k <= 8 && static_cast<int>(k * best_lag) + k < usable - 1; ++k) {
    const auto centre = static_cast<int>(std::lround(k * best_lag));
    const int reach = k == 1 ? 2 : std::max(1, static_cast<int>(best_lag * 0.04));
    lag = centre;
    for (int j = std::max(2, centre - reach); j <= std::min(usable - 1, centre + reach); ++j) {
      if (r[j] > r[lag]) lag = j;
    }
    const float curve = 2.0f * r[lag] - r[lag - 1] - r[lag + 1];
    const float shift = curve > 0.0f ? 0.5f * (r[lag + 1] - r[lag - 1]) / curve : 0.0f;
    if (r[lag] > 0.3f * best_r && std::fabs(shift) <= 1.0f) best_lag = (lag + static_cast<double>(shift)) / k;
  }
  const float confidence = std::clamp(best_r, 0.0f, 1.0f);
  if (confidence < static_cast<float>(min_confidence_)) return;
  const auto bpm = static_cast<float>(60.0 * frame_rate_ / best_lag);
  estimate.bpm = std::clamp(bpm, static_cast<float>(min_bpm_), static_cast<float>(max_bpm_));
  estimate.confidence = confidence;
}

}  // namespace fastring
