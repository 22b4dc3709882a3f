// The whole analysis of one stream: audio in, in chunks of any length; levels, spectrum, onsets, pitch and tempo out.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "analyzer_settings.hpp"
#include "onset.hpp"
#include "pitch.hpp"
#include "sliding_buffer.hpp"
#include "spectrum.hpp"
#include "tempo.hpp"
#include "types.hpp"

namespace fastring {

// Level measures of one channel over one push().
struct ChannelLevel {
  float rms = 0.0f;
  float peak = 0.0f;
  float dc_offset = 0.0f;
  float zero_crossing_rate = 0.0f;  // sign changes per sample, the one at the seam of two chunks included
};

// Level measures over one push(), all channels together. They describe the caller's chunk, whatever its length.
struct ChunkLevel {
  float rms = 0.0f;
  float energy = 0.0f;  // sum of squares, mean over the channels
  float peak = 0.0f;
  float dc_offset = 0.0f;
  float zero_crossing_rate = 0.0f;
  std::int64_t non_finite = 0;  // NaN and infinite samples, taken as 0
};

// Receives what becomes known during a push(), in stream order.
class AnalyzerSink {
 public:
  virtual void on_onset(const OnsetEvent& onset) = 0;
  virtual void on_spectrum(const SpectrumFrame& frame) = 0;
  virtual void on_pitch(const PitchFrame& frame) = 0;
  // One per hop: the onset novelty, in octaves per band. end_index is one past the hop's last sample.
  virtual void on_novelty(SampleIndex /*end_index*/, float /*novelty*/) {}
  virtual void on_tempo(const TempoEstimate& estimate) = 0;

 protected:
  ~AnalyzerSink() = default;
};

// One owner at a time: a second thread inside push() or reset() gets Error(kBusy). Does not allocate after
// construction, except the calling thread's scratch (scratch.hpp) on its first push. Frames, onsets, pitch and tempo
// depend on the samples alone, never on how they were cut into chunks.
class Analyzer {
 public:
  // sample_rate in 8000..192000 Hz, channels in 1..32; std::invalid_argument otherwise, or for a bad setting.
  Analyzer(double sample_rate, int channels, const AnalyzerSettings& settings);

  // frames * channels interleaved samples.
  ChunkLevel push(const float* samples, std::size_t frames, AnalyzerSink& sink);
  ChunkLevel push(const std::int16_t* samples, std::size_t frames, AnalyzerSink& sink);
  void reset();

  [[nodiscard]] double sample_rate() const noexcept { return sample_rate_; }
  [[nodiscard]] int channels() const noexcept { return channels_; }
  [[nodiscard]] int hop_samples() const noexcept { return block_; }
  [[nodiscard]] int pitch_latency_samples() const noexcept { return pitch_latency_; }
  // Of the last push().
  [[nodiscard]] const std::vector<ChannelLevel>& channel_levels() const noexcept { return channel_levels_; }
  // Newest known; all zero before the first.
  [[nodiscard]] const SpectrumFrame& spectrum() const noexcept { return last_spectrum_; }
  [[nodiscard]] const PitchFrame& pitch() const noexcept { return last_pitch_; }
  [[nodiscard]] const TempoEstimate& tempo() const noexcept { return last_tempo_; }
  [[nodiscard]] SampleIndex samples_pushed() const noexcept { return pushed_; }
  // Memory of this stream alone: the object and what it holds, without the tables and scratch that streams share.
  [[nodiscard]] std::size_t state_bytes() const noexcept;
  // Asks for what the next push() will read, so that it comes while another stream is at work. Any thread.
  void prefetch() const noexcept;
  [[nodiscard]] std::int64_t non_finite_samples() const noexcept { return non_finite_; }

 private:
  static constexpr int kStageHistory = 32;

  struct ChannelState {
    double sum = 0.0;
    double sum_of_squares = 0.0;
    float peak = 0.0f;
    std::int64_t crossings = 0;
    float last = 0.0f;
  };

  template <class Sample>
  ChunkLevel push_any(const Sample* samples, std::size_t frames, AnalyzerSink& sink);
  void ingest(const float* samples, int frames, float* out, float* scratch) noexcept;
  void ingest(const std::int16_t* samples, int frames, float* out, float* scratch) noexcept;
  void measure(ChannelState& state, const float* in, float* out, int frames) noexcept;
  ChunkLevel summarize(std::size_t frames) noexcept;
  void process_block(AnalyzerSink& sink, float* scratch) noexcept;
  void decimate(float* scratch) noexcept;
  void decimate_for_pitch(float* scratch) noexcept;
  void process_onset(AnalyzerSink& sink, float* scratch) noexcept;
  void process_spectrum(AnalyzerSink& sink, float* scratch) noexcept;
  // The signals at the rates of onsets and of pitch.
  [[nodiscard]] const SlidingBuffer& analysis() const noexcept { return stages_ > 0 ? analysis_ : mono_; }
  [[nodiscard]] const SlidingBuffer& pitch_signal() const noexcept {
    return halve_for_pitch_ ? pitch_signal_ : analysis();
  }

  double sample_rate_;
  int channels_;
  int stages_;  // halvings between the input and the analysis rate
  double analysis_rate_;
  int block_;  // input samples per hop
  int hop_;    // the same at the analysis rate
  int spectrum_every_;
  int pitch_every_;
  bool halve_for_pitch_;
  int pitch_start_;  // input samples before the first pitch window is full
  int pitch_latency_;
  int onset_offset_;
  int settling_hops_;  // after a beginning, without a novelty worth a tempo
  int settling_ = 0;
  std::size_t scratch_floats_ = 0;

  std::optional<Spectrum> spectrum_;
  std::optional<OnsetNovelty> novelty_;
  std::optional<OnsetPicker> picker_;
  StreamStart start_;
  std::optional<PitchTracker> pitch_;
  std::optional<TempoTracker> tempo_;
  SlidingBuffer mono_;
  SlidingBuffer analysis_;
  SlidingBuffer pitch_signal_;
  std::vector<std::array<float, kStageHistory>> stage_history_;  // of every halving but the last

  std::vector<ChannelState> channel_states_;
  std::vector<ChannelLevel> channel_levels_;
  SampleIndex pushed_ = 0;
  std::int64_t chunk_non_finite_ = 0;
  std::int64_t non_finite_ = 0;
  std::int64_t blocks_ = 0;
  int fill_ = 0;  // samples of the block in progress
  SpectrumFrame last_spectrum_;
  PitchFrame last_pitch_;
  TempoEstimate last_tempo_;
  std::atomic<bool> busy_{false};
};

}  // namespace fastring
