// Tempo: periodicity of the recent onset novelty.
#pragma once

#include <cstddef>
#include <cstdint>
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

// Autocorrelation of the novelty with a comb of equal teeth (Davies & Plumbley, IEEE TASLP 2007) and a log-normal prior
// (Ellis, JNMR 2007) finds a family of tempi; which octave of it is decided apart (the idea of Percival & Tzanetakis,
// IEEE TASLP 2014). One owner at a time; does not allocate after construction.
class TempoTracker {
 public:
  // hops_per_second: rate of the values pushed.
  TempoTracker(double hops_per_second, const AnalyzerSettings& settings);

  [[nodiscard]] std::size_t scratch_floats() const noexcept;
  // One novelty value per hop, or kUnknown; true when it brought a new estimate.
  [[nodiscard]] bool push(float novelty, float* scratch, TempoEstimate& estimate) noexcept;
  void reset() noexcept;
  // Heap memory of this stream alone; the object itself and shared tables not counted.
  [[nodiscard]] std::size_t heap_bytes() const noexcept { return ring_.capacity() * sizeof(ring_[0]); }

  // A hop whose novelty says nothing of the beat. It counts as an average one.
  static constexpr float kUnknown = -1.0f;

 private:
  struct GridPoint {
    float lag;    // frames
    float prior;  // of its tempo
  };
  struct Shared {
    std::vector<float> smoothing;  // half of a Gaussian
    std::vector<GridPoint> grid;   // of tempi
  };
  static Shared make_tables(double frame_rate, double min_bpm, double max_bpm);

  void estimate_now(float* scratch, TempoEstimate& estimate) noexcept;
  [[nodiscard]] bool unroll(float* held) const noexcept;
  [[nodiscard]] bool envelope(float* held, float* out) const noexcept;
  [[nodiscard]] double family_bpm(const float* correlation) const noexcept;
  [[nodiscard]] double octave_bpm(const float* correlation, double family) const noexcept;
  [[nodiscard]] float confidence_of(const float* correlation, double bpm) const noexcept;

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
  double last_bpm_ = 0.0;  // of the estimate before, given or not
  bool given_ = false;
  std::vector<std::uint16_t> ring_;  // novelty in steps of kNoveltyStep
  std::shared_ptr<const Shared> shared_;
};

}  // namespace fastring
