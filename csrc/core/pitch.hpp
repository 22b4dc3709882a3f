// Fundamental frequency: candidates from the normalised autocorrelation, then the best path through them.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "analyzer_settings.hpp"
#include "fft.hpp"
#include "sliding_buffer.hpp"
#include "types.hpp"

namespace fastring {

struct PitchFrame {
  SampleIndex centre_index = 0;  // middle of the analysis window
  float f0_hz = 0.0f;            // pitch_min_hz..pitch_max_hz, 0 when unvoiced
  float candidate_hz = 0.0f;     // best guess whether voiced or not, 0 when there is none
  float confidence = 0.0f;       // periodicity of that guess, 0..1: 1 is perfectly periodic
};

// Boersma, "Accurate short-term analysis of the fundamental frequency and the harmonics-to-noise ratio of a sampled
// sound", IFA Proceedings 17, 1993. The path is searched with a fixed lag instead of over the whole file, so a frame
// is settled pitch_lag_frames frames after its window. One owner at a time; does not allocate after construction.
class PitchTracker {
 public:
  PitchTracker(double sample_rate, int window_samples, int hop_samples, const AnalyzerSettings& settings);

  [[nodiscard]] std::size_t scratch_floats() const noexcept;
  // Samples of the signal that process() reads.
  [[nodiscard]] int history_samples() const noexcept { return window_samples_ + lag_frames_ * hop_samples_; }
  // Takes the newest window and settles the one pitch_lag_frames before it; true when there was one.
  [[nodiscard]] bool process(const SlidingBuffer& signal, float* scratch, PitchFrame& settled) noexcept;
  void reset() noexcept;
  // Heap memory of this stream alone; the object itself and shared tables not counted.
  void prefetch() const noexcept { fastring::prefetch(ring_.data(), heap_bytes()); }
  [[nodiscard]] std::size_t heap_bytes() const noexcept { return ring_.capacity() * sizeof(Frame); }

  static constexpr int kMaxCandidates = 8;

 private:
  struct Shared {
    const RealFftPlan* plan;
    std::vector<float> window;
    std::vector<float> lag_gain;  // 1 / autocorrelation of the window, per lag
    std::vector<float> weight;    // on the power spectrum
  };
  struct Candidate {
    float f0_hz = 0.0f;   // 0: unvoiced
    float octave = 0.0f;  // log2 of it
    float strength = 0.0f;
    float score = 0.0f;  // of the best path that ends here
    std::int8_t from = 0;
  };
  struct Frame {
    std::array<Candidate, kMaxCandidates + 1> candidates;  // [0] is unvoiced
    int count = 1;
  };
  static Shared make_tables(double sample_rate, int window_samples, const AnalyzerSettings& settings);
  void find_candidates(const float* correlation, float scale, Frame& frame) const noexcept;
  [[nodiscard]] PitchFrame settle(const Frame& frame, int choice, const SlidingBuffer& signal,
                                  float* scratch) const noexcept;
  void extend_paths(const Frame* before, Frame& frame) const noexcept;

  std::shared_ptr<const Shared> shared_;
  double sample_rate_;
  int window_samples_;
  int hop_samples_;
  int min_lag_;
  int max_lag_;
  float min_hz_;
  float max_hz_;
  float lowest_octave_;
  int lag_frames_;
  float silence_;
  float voicing_;
  float octave_cost_;
  float jump_cost_;
  float voiced_cost_;
  float peak_decay_;
  float peak_ = 0.0f;  // slowly falling loudest level
  std::int64_t frames_ = 0;
  [[nodiscard]] Frame& frame_at(std::int64_t index) noexcept {
    return ring_[static_cast<std::size_t>(index) % ring_.size()];
  }
  std::vector<Frame> ring_;  // the last lag_frames_ + 1, two at least
};

}  // namespace fastring
