// Onset detection: SuperFlux novelty and a causal peak picker.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "analysis_kernels.hpp"
#include "analyzer_settings.hpp"
#include "fft.hpp"
#include "sliding_buffer.hpp"
#include "types.hpp"

namespace fastring {

struct OnsetEvent {
  SampleIndex sample_index = 0;  // estimated start of the onset
  SampleIndex report_index = 0;  // samples consumed when it was reported
  float strength = 0.0f;         // novelty above the threshold, per band in octaves of magnitude
};

// How much louder each band got: Böck & Widmer, "Maximum filter vibrato suppression for onset detection", DAFx 2013.
// One owner at a time; does not allocate after construction.
class OnsetNovelty {
 public:
  OnsetNovelty(double sample_rate, int window_samples, const AnalyzerSettings& settings);

  [[nodiscard]] int window_samples() const noexcept { return window_samples_; }
  [[nodiscard]] std::size_t scratch_floats() const noexcept;
  // Mean rise per band, in octaves of compressed magnitude, since the frame onset_lag_hops ago. The frame is the
  // newest window_samples().
  [[nodiscard]] float process(const SlidingBuffer& signal, float* scratch) noexcept;
  // Whether the last frame was far louder than anything before it: the stream, or sound after silence, began here.
  [[nodiscard]] bool began() const noexcept { return began_; }
  void reset() noexcept;
  // Heap memory of this stream alone; the object itself and shared tables not counted.
  void prefetch() const noexcept { fastring::prefetch(history_.data(), heap_bytes()); }
  [[nodiscard]] std::size_t heap_bytes() const noexcept { return history_.capacity() * sizeof(float); }

 private:
  struct Shared {
    const RealFftPlan* plan;
    std::vector<float> window;
    std::vector<std::int32_t> start, vectors, offset;
    std::vector<float> weights;
    int bands = 0;
    [[nodiscard]] BandTable table() const noexcept {
      return {static_cast<int>(vectors.size()), start.data(), vectors.data(), offset.data(), weights.data()};
    }
  };
  static Shared make_tables(double sample_rate, int window_samples, const AnalyzerSettings& settings);

  std::shared_ptr<const Shared> shared_;
  int window_samples_;
  float gain_;
  float release_;
  float reference_ = 0.0f;  // rms of the bands of the loudest recent frame
  bool began_ = false;
  int lag_;
  int stride_;  // floats per kept frame of bands
  int next_ = 0;
  std::vector<float> history_;  // the last lag_ frames of bands, each with a border on both sides
};

// Hops back to the first sample that a novelty depends on: the window of the older of the two frames compared.
[[nodiscard]] int onset_reach_hops(const AnalyzerSettings& settings, double hop_ms);

// Where a stream begins there is nothing to compare with, and whatever comes first looks like a rise. So nothing counts
// as an onset until kHops hops are heard; then their energies tell a strike from a sound that was there already or is
// faded in.
class StreamStart {
 public:
  static constexpr int kHops = 3;

  // Still to be fed?
  [[nodiscard]] bool open() const noexcept { return heard_ < kHops; }
  // Mean square of the next hop, and its novelty. True with the last of them if one began with an onset.
  [[nodiscard]] bool push(float power, float novelty) noexcept;
  // Which hop that was, from 0.
  [[nodiscard]] int hop() const noexcept { return hop_; }
  // The largest novelty so far, one octave at most: against silence there is no measure.
  [[nodiscard]] float strength() const noexcept { return std::min(strength_, 1.0f); }

 private:
  int heard_ = 0;
  int hop_ = -1;
  float strength_ = 0.0f;
  std::array<float, kHops> power_{};
};

// Reports a frame whose novelty stands out from its past: after Böck, Krebs & Schedl, "Evaluating the online
// capabilities of onset detection methods", ISMIR 2012. Times are in frames. Does not allocate after construction.
class OnsetPicker {
 public:
  OnsetPicker(double hop_ms, const AnalyzerSettings& settings);

  // Strength if the frame lookahead() frames ago was an onset, else 0. Push one value per frame.
  [[nodiscard]] float push(float novelty) noexcept;
  // Takes the newest frame for an onset that was found otherwise, or for none whatever push() said.
  void correct(bool onset) noexcept { last_onset_ = onset ? frame_ - 1 : kNever; }
  [[nodiscard]] int lookahead() const noexcept { return lookahead_; }
  void reset() noexcept;

 private:
  static constexpr int kRing = 128;
  static constexpr std::int64_t kNever = -1'000'000;
  [[nodiscard]] bool above_floor(std::int64_t frame, float value) const noexcept;
  [[nodiscard]] float at(std::int64_t frame) const noexcept { return ring_[static_cast<std::size_t>(frame) % kRing]; }

  float threshold_;
  float ratio_;
  float floor_ratio_;
  float floor_share_;
  int floor_frames_;
  int first_frame_;  // that has a whole window before it
  int mean_frames_;
  int max_frames_;
  int min_interval_;
  int lookahead_;
  std::int64_t frame_ = 0;
  std::int64_t last_onset_ = kNever;
  std::array<float, kRing> ring_{};
};

}  // namespace fastring
