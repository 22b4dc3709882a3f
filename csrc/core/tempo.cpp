#include "tempo.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdlib>
#include <numbers>

#include "analysis_kernels.hpp"
#include "window.hpp"

namespace fastring {
namespace {

constexpr double kEnvelopeRate_hz = 100.0;
constexpr double kFirstEstimate_s = 2.0;
// Mean of the compressed envelope below which nothing happened worth a tempo.
constexpr float kSilentEnvelope = 1.0e-3f;
// Hann smoothing of the envelope, 13 frames of 10 ms: how far players are from the beat.
constexpr int kSmoothReach = 6;
// Weight of the autocorrelation at 1, 2, 3 and 4 beats; 3 counts less because most music counts in twos.
constexpr float kTeeth[] = {1.0f, 1.0f, 0.5f, 1.0f};
constexpr float kToothReach = 0.6f;  // frames per beat of distance
constexpr double kFullConfidence_s = 8.0;
constexpr double kTempoStep = 1.012;
// A metronome says nothing of what it counts. Where half the period fits as well as this, the clicks are the beats;
// music on the development recordings stays below 0.88.
constexpr float kIsochronous = 0.9f;

// Value at a fractional lag.
float at_lag(const float* r, float lag) noexcept {
  const int below = static_cast<int>(lag);
  const float fraction = lag - static_cast<float>(below);
  return r[below] + fraction * (r[below + 1] - r[below]);
}

// Largest value within reach of a fractional lag.
float peak_near(const float* r, float lag, float reach, int usable) noexcept {
  float best = at_lag(r, lag);
  const int last = std::min(usable - 1, static_cast<int>(std::ceil(lag + reach)));
  for (int i = std::max(2, static_cast<int>(lag - reach)); i <= last; ++i) best = std::max(best, r[i]);
  return best;
}

// How well a beat of `lag` frames explains the autocorrelation: its teeth at the multiples in reach.
float comb(const float* r, float lag, int usable) noexcept {
  float total = 0.0f;
  float weights = 0.0f;
  for (int k = 1; k <= 4; ++k) {
    const auto beats = static_cast<float>(k);
    if (beats * lag + 2.0f >= static_cast<float>(usable)) break;
    total += kTeeth[k - 1] * peak_near(r, beats * lag, kToothReach * beats, usable);
    weights += kTeeth[k - 1];
  }
  return weights > 0.0f ? total / weights : 0.0f;
}

// A period is known k times better from its k-th multiple.
double refine_period(const float* r, double lag, int usable) noexcept {
  for (int k = 1; k <= 8; k *= 2) {
    const int reach = std::max(2, static_cast<int>(0.03 * k * lag));
    const auto centre = static_cast<int>(std::lround(k * lag));
    if (centre + reach + 1 >= usable || centre - reach < 2) break;
    int top = centre;
    for (int i = centre - reach; i <= centre + reach; ++i) {
      if (r[i] > r[top]) top = i;
    }
    const float curve = 2.0f * r[top] - r[top - 1] - r[top + 1];
    const float shift = curve > 0.0f ? 0.5f * (r[top + 1] - r[top - 1]) / curve : 0.0f;
    lag = (top + static_cast<double>(std::clamp(shift, -1.0f, 1.0f))) / k;
  }
  return lag;
}

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
  float total = 0.0f;
  for (int i = 0; i <= kSmoothReach; ++i) {
    const auto weight = static_cast<float>(0.5 + 0.5 * std::cos(std::numbers::pi * i / (kSmoothReach + 1)));
    smoothing_.push_back(weight);
    total += i == 0 ? weight : 2.0f * weight;
  }
  for (float& weight : smoothing_) weight /= total;
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
  ring_[static_cast<std::size_t>(next_)] = std::sqrt(pending_sum_);
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

  float* envelope = re;
  for (int i = 0; i < count_; ++i)
    envelope[i] = ring_[static_cast<std::size_t>((next_ - count_ + i + capacity_) % capacity_)];
  float mean = 0.0f;
  for (int i = 0; i < count_; ++i) {
    float total = 0.0f;
    for (int j = std::max(0, i - kSmoothReach); j <= std::min(count_ - 1, i + kSmoothReach); ++j) {
      total += smoothing_[static_cast<std::size_t>(std::abs(j - i))] * envelope[j];
    }
    buffer[i] = total;
    mean += total;
  }
  mean /= static_cast<float>(count_);
  if (mean < kSilentEnvelope) return;
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
  const int usable = count_ * 4 / 5;
  float* r = buffer;
  for (int lag = 0; lag <= usable; ++lag) {
    r[lag] = re[lag] / re[0] * static_cast<float>(count_) / static_cast<float>(count_ - lag);
  }

  double best_bpm = 0.0;
  double best_score = 0.0;
  for (double bpm = min_bpm_; bpm <= max_bpm_; bpm *= kTempoStep) {
    const auto lag = static_cast<float>(60.0 * frame_rate_ / bpm);
    if (lag + 2.0f >= static_cast<float>(usable)) continue;
    const double octaves = std::log2(bpm / prior_bpm_) / prior_octaves_;
    const double score = static_cast<double>(comb(r, lag, usable)) * std::exp(-0.5 * octaves * octaves);
    if (score > best_score) {
      best_score = score;
      best_bpm = bpm;
    }
  }
  if (best_bpm <= 0.0) return;
  while (2.0 * best_bpm <= max_bpm_) {
    const auto half = static_cast<float>(30.0 * frame_rate_ / best_bpm);
    if (peak_near(r, half, 1.5f, usable) < kIsochronous) break;
    best_bpm *= 2.0;
  }
  const float confidence = std::clamp(comb(r, static_cast<float>(60.0 * frame_rate_ / best_bpm), usable), 0.0f, 1.0f);
  // The less was heard, the more a chance likeness looks like a beat.
  const double doubt = std::pow(kFullConfidence_s * frame_rate_ / count_, 0.35);
  if (static_cast<double>(confidence) < min_confidence_ * doubt) return;
  const double lag = refine_period(r, 60.0 * frame_rate_ / best_bpm, usable);
  estimate.bpm = static_cast<float>(std::clamp(60.0 * frame_rate_ / lag, min_bpm_, max_bpm_));
  estimate.confidence = confidence;
}

}  // namespace fastring
