// Tempo: periodicity of the recent onset novelty.
#pragma once

#include <memory>
#include <vector>

#include "analyzer_settings.hpp"
#include "fft.hpp"
#include "types.hpp"

namespace fastring {

struct TempoEstimate {
  SampleIndex sample_index = 0;  // samples consumed when it was made
  float bpm = 0.0f;              // 0 when there is no regular beat
  float confidence = 0.0f;       // 0..1, periodicity of the novelty at that tempo
};

// Autocorrelation of the novelty, a comb over its multiples (Percival & Tzanetakis, "Streamlined tempo estimation",
// IEEE TASLP 2014) and a log-normal prior on tempo (Ellis, "Beat tracking by dynamic programming", JNMR 2007). One
// owner at a time; does not allocate after construction.
class TempoTracker {
 public:
  // hops_per_second: rate of the values pushed.
  TempoTracker(double hops_per_second, const AnalyzerSettings& settings);

  [[nodiscard]] std::size_t scratch_floats() const noexcept;
  // One novelty value per hop; true when it brought a new estimate.
  [[nodiscard]] bool push(float novelty, float* scratch, TempoEstimate& estimate) noexcept;
  void reset() noexcept;

 private:
  void estimate_now(float* scratch, TempoEstimate& estimate) noexcept;

  double frame_rate_;  // of the kept envelope
  const RealFftPlan* plan_;
  int decimation_;
  int capacity_;
  int first_frames_;  // before the first estimate
  int update_frames_;
  double min_bpm_, max_bpm_, prior_bpm_, prior_octaves_, min_confidence_;
  int pending_ = 0;
  float pending_sum_ = 0.0f;
  int count_ = 0;
  int next_ = 0;
  int until_update_;
  std::vector<float> ring_;       // square root of the novelty: loud beats do not drown soft ones
  std::vector<float> smoothing_;  // half of a Hann window
};

}  // namespace fastring
