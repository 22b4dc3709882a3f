#include "onset.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <tuple>

#include "shared_tables.hpp"
#include "window.hpp"

namespace fastring {
namespace {

// Bands are measured against the loudest recent spectrum, so that level does not matter: how fast that is forgotten,
// and the least it can be (full-scale sine = 1).
constexpr double kReferenceMemory_s = 10.0;
constexpr float kQuietReference = 1.0e-3f;
// A frame this much louder than that (3.5 dB) is a beginning: 1.25 to 2 give the same tempi within an item, 8 loses a
// fifth of those in the first 8 s.
constexpr float kBeginning = 1.5f;
// Hops of a stream's start whose energies differ this much are before and after a strike. A linear fade-in has 7.
constexpr float kStrike = 10.0f;
constexpr float kStartFloor = 1.0e-8f;  // mean square that counts as silence there: -80 dBFS

int to_frames(double ms, double hop_ms) {
  return std::max(0, static_cast<int>(std::lround(ms / hop_ms)));
}

// Centre bins of log-spaced bands, each bin once: below some 700 Hz the bins are coarser than the bands.
std::vector<int> band_centres(double bin_hz, int bins, const AnalyzerSettings& s) {
  std::vector<int> centres;
  const double top = std::min(s.onset_max_hz, bin_hz * (bins - 2));
  for (int i = 0;; ++i) {
    const double hz = s.onset_min_hz * std::exp2(i / s.onset_bands_per_octave);
    if (hz > top) break;
    const int bin = static_cast<int>(std::lround(hz / bin_hz));
    if (bin >= 1 && (centres.empty() || bin > centres.back())) centres.push_back(bin);
  }
  return centres;
}

}  // namespace

OnsetNovelty::Shared OnsetNovelty::make_tables(double sample_rate, int window_samples, const AnalyzerSettings& s) {
  const int n = fft_size_for(window_samples);
  Shared shared{&real_fft_plan(n), hann_window(window_samples, n), {}, {}, {}, {}, 0};
  for (float& w : shared.window) w *= 4.0f / static_cast<float>(window_samples);
  const auto centres = band_centres(sample_rate / n, n / 2 + 1, s);
  const int bands = std::max(0, static_cast<int>(centres.size()) - 2);
  shared.bands = bands;
  const int groups = std::max(1, (bands + 7) / 8);
  for (int group = 0; group < groups; ++group) {
    const auto first = static_cast<std::size_t>(8 * group);
    int widest = 1;
    for (int band = 8 * group; band < std::min(bands, 8 * group + 8); ++band) {
      const auto b = static_cast<std::size_t>(band);
      widest = std::max(widest, centres[b + 2] - centres[b] - 1);
    }
    if (group < bands / 8 && centres[first + 9] == centres[first] + 9) {
      shared.vectors.push_back(0);
      shared.offset.push_back(0);
      for (std::size_t b = first; b < first + 8; ++b) shared.start.push_back(centres[b + 1]);
      continue;
    }
    const int width = (widest + 7) / 8 * 8;
    shared.vectors.push_back(width / 8);
    shared.offset.push_back(static_cast<std::int32_t>(shared.weights.size()));
    for (int band = 8 * group; band < 8 * group + 8; ++band) {
      const std::size_t base = shared.weights.size();
      shared.weights.resize(base + static_cast<std::size_t>(width), 0.0f);
      if (band >= bands) {
        shared.start.push_back(0);
        continue;
      }
      const auto b = static_cast<std::size_t>(band);
      const int low = centres[b];
      const int mid = centres[b + 1];
      const int high = centres[b + 2];
      shared.start.push_back(low + 1);
      for (int bin = low + 1; bin < high; ++bin) {
        const double weight = bin <= mid ? double(bin - low) / (mid - low) : double(high - bin) / (high - mid);
        shared.weights[base + static_cast<std::size_t>(bin - low - 1)] = static_cast<float>(weight);
      }
    }
  }
  return shared;
}

OnsetNovelty::OnsetNovelty(double sample_rate, int window_samples, const AnalyzerSettings& s)
    : window_samples_(window_samples),
      gain_(static_cast<float>(s.onset_gain)),
      release_(static_cast<float>(std::exp(-s.hop_ms / 1000.0 / kReferenceMemory_s))),
      lag_(s.onset_lag_hops) {
  const auto key =
      std::make_tuple(sample_rate, window_samples, s.onset_min_hz, s.onset_max_hz, s.onset_bands_per_octave);
  shared_ = shared_tables<Shared>(key, [&] { return make_tables(sample_rate, window_samples, s); });
  reference_ = kQuietReference;
  stride_ = 8 * static_cast<int>(shared_->vectors.size()) + 16;
  history_.resize(static_cast<std::size_t>(stride_ * lag_), 0.0f);
}

std::size_t OnsetNovelty::scratch_floats() const noexcept {
  const int n = shared_->plan->n();
  return static_cast<std::size_t>(n + rfft_output_size(n) + rfft_work_size(n) + stride_);
}

void OnsetNovelty::reset() noexcept {
  std::fill(history_.begin(), history_.end(), 0.0f);
  next_ = 0;
  reference_ = kQuietReference;
  began_ = false;
}

float OnsetNovelty::process(const SlidingBuffer& signal, float* scratch) noexcept {
  const AnalysisKernels& kernels = analysis_kernels();
  const int n = shared_->plan->n();
  const int bins = n / 2 + 1;
  float* frame = scratch;
  float* magnitude = frame + n;
  float* work = magnitude + rfft_output_size(n);
  std::fill(frame, frame + n - window_samples_, 0.0f);
  signal.copy(window_samples_, 0, frame + n - window_samples_);
  kernels.rfft_magnitude(shared_->plan->tables(), frame, shared_->window.data(), magnitude, work);
  // A band's padding reads past the last bin, at weight 0: what lies there must be finite.
  std::fill(magnitude + bins, magnitude + rfft_output_size(n), 0.0f);
  const int padded_bands = stride_ - 16;
  float* bands = work;
  kernels.bands(shared_->table(), magnitude, bands);
  const auto count = static_cast<float>(std::max(1, shared_->bands));
  const float loudness = std::sqrt(kernels.compress(bands, padded_bands, gain_ / reference_) / count);
  began_ = loudness > kBeginning * reference_;
  reference_ = std::max(kQuietReference, loudness > reference_ ? loudness : reference_ * release_);
  float* before = history_.data() + static_cast<std::ptrdiff_t>(next_) * stride_ + 8;
  const float rise = kernels.superflux(bands, before, padded_bands);
  std::copy(bands, bands + padded_bands, before);
  before[-1] = before[0];
  before[padded_bands] = 0.0f;
  next_ = (next_ + 1) % lag_;
  return rise / count;
}

int onset_reach_hops(const AnalyzerSettings& s, double hop_ms) {
  return static_cast<int>(std::ceil(s.onset_window_ms / hop_ms)) + s.onset_lag_hops;
}

bool StreamStart::push(float power, float novelty) noexcept {
  power_[static_cast<std::size_t>(heard_)] = std::max(power, kStartFloor);
  strength_ = std::max(strength_, novelty);
  if (++heard_ < kHops) return false;
  for (std::size_t i = 1; i < kHops; ++i) {
    if (power_[i] > kStrike * power_[i - 1]) hop_ = static_cast<int>(i);
  }
  if (hop_ < 0 && power_.front() > kStrike * power_.back()) hop_ = 0;
  return hop_ >= 0 && strength_ > 0.0f;
}

OnsetPicker::OnsetPicker(double hop_ms, const AnalyzerSettings& s)
    : threshold_(static_cast<float>(s.onset_threshold)),
      ratio_(static_cast<float>(s.onset_ratio)),
      floor_ratio_(static_cast<float>(s.onset_floor_ratio)),
      floor_share_(static_cast<float>(s.onset_floor_share)),
      floor_frames_(std::min(to_frames(s.onset_floor_ms, hop_ms), kRing - 1 - s.onset_lookahead_hops)),
      first_frame_(onset_reach_hops(s, hop_ms)),
      mean_frames_(std::min(to_frames(s.onset_mean_ms, hop_ms), kRing / 2)),
      max_frames_(std::min(to_frames(s.onset_max_ms, hop_ms), kRing / 2)),
      min_interval_(to_frames(s.onset_min_interval_ms, hop_ms)),
      lookahead_(s.onset_lookahead_hops) {}

void OnsetPicker::reset() noexcept {
  ring_.fill(0.0f);
  frame_ = 0;
  last_onset_ = kNever;
}

// In stationary noise the novelty never rests; between two notes it does.
bool OnsetPicker::above_floor(std::int64_t frame, float value) const noexcept {
  const std::int64_t first = std::max<std::int64_t>(first_frame_, frame - floor_frames_);
  int quiet = 0;
  for (std::int64_t i = first; i < frame; ++i) quiet += at(i) * floor_ratio_ <= value ? 1 : 0;
  return static_cast<float>(quiet) >= floor_share_ * static_cast<float>(frame - first);
}

float OnsetPicker::push(float novelty) noexcept {
  ring_[static_cast<std::size_t>(frame_) % kRing] = novelty;
  const std::int64_t frame = frame_++ - lookahead_;
  if (frame < 0) return 0.0f;
  const float value = at(frame);
  for (std::int64_t i = std::max<std::int64_t>(0, frame - max_frames_); i <= frame + lookahead_; ++i) {
    if (at(i) > value) return 0.0f;
  }
  float total = 0.0f;
  const std::int64_t first = std::max<std::int64_t>(0, frame - mean_frames_);
  for (std::int64_t i = first; i <= frame; ++i) total += at(i);
  const float mean = total / static_cast<float>(mean_frames_ + 1);
  if (value < mean * (1.0f + ratio_) + threshold_ || frame - last_onset_ < min_interval_) return 0.0f;
  if (!above_floor(frame, value)) return 0.0f;
  last_onset_ = frame;
  return value - mean;
}

}  // namespace fastring
