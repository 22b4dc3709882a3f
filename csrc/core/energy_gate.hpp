// Which frames of a stream are loud enough, above the noise around them, to be worth a closer look.
//
// Level: mean power of the frame in dBFS, so that a full-scale sine is at -3.01; least -120.
// Floor: the least level of the last 3 s, this frame included (minimum statistics: R. Martin, "Noise power spectral
// density estimation based on optimal smoothing and minimum statistics", IEEE Trans. Speech Audio Process. 9, 2001,
// without its smoothing).
// Open: above -65 dBFS, and either above -20 dBFS, or more than 4 dB above the floor, or more than 2 dB above it with
// more than one zero crossing in four samples: it may be a quiet fricative (L. Rabiner and M. Sambur, "An algorithm for
// determining the endpoints of isolated utterances", Bell Syst. Tech. J. 54, 1975).
// High pass, if asked for: y[n] = x[n] - x[n - 1] + a y[n - 1] before all of that, begun at the mean of the first frame
// so that a stream that begins off zero begins at rest.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "busy_guard.hpp"

namespace fastring {

inline constexpr float kGateLeast_db = -120.0f;
inline constexpr float kGateAbsolute_db = -65.0f;  // quieter than any speech a microphone is meant to catch
inline constexpr float kGateCertain_db = -20.0f;   // louder than any noise one would speak in
inline constexpr float kGateAboveFloor_db = 4.0f;
// Half the distance. The level of a frame of steady white noise varies by 0.3 dB (standard deviation), so noise stays
// out.
inline constexpr float kGateFricativeAboveFloor_db = 2.0f;
inline constexpr float kGateFricativeRate = 0.25f;
inline constexpr double kGateFloor_s = 3.0;  // longer than speech goes on without a dip between words
inline constexpr double kGateFrame_s = 0.032;
inline constexpr double kGateMaxHighPass_hz = 200.0;

struct GateFrame {
  float level_db = 0.0f;
  float floor_db = 0.0f;
  float zero_crossing_rate = 0.0f;  // sign changes per sample, zero as positive, the one at the frame's start included
  bool is_open = false;
  bool is_held = false;  // open, or no more than hold_frames after a frame that was
};

// One owner at a time: take claim() around the calls that say so. Nothing allocates after construction. State: 1 KiB
// at most, and one frame. Frames lie at multiples of frame_samples of the stream, and what is said of one depends on
// the samples alone, never on how they were cut into chunks. int16 counts as int16 / 32768. NaN and infinity are
// counted and taken as 0, other samples are clipped to +-1e6. The audio handed out is what was measured: behind the
// high pass.
class EnergyGate {
 public:
  static constexpr int kContextSamples = 64;

  // sample_rate in 8000..192000 Hz; frame_samples of 20 to 256 ms, 0 for 32 ms; hold_frames in 0..1000; high_pass_hz
  // in 0..200, 0 for none; std::invalid_argument otherwise.
  explicit EnergyGate(double sample_rate, int frame_samples = 0, int hold_frames = 0, double high_pass_hz = 0.0);

  // Error(kBusy) if another thread holds it. Any thread.
  [[nodiscard]] BusyGuard claim() { return BusyGuard(busy_, "EnergyGate"); }

  // How many frames `samples` more would complete. Under claim().
  [[nodiscard]] std::size_t completed_by(std::size_t samples) const noexcept {
    return (static_cast<std::size_t>(fill_) + samples) / static_cast<std::size_t>(frame_samples_);
  }

  // Room for the audio of n frames, with the samples before them.
  [[nodiscard]] std::size_t audio_floats(std::size_t frames) const noexcept {
    return static_cast<std::size_t>(kContextSamples) + frames * static_cast<std::size_t>(frame_samples_);
  }

  // Takes the next samples of the stream, at any alignment, and writes n = completed_by(samples) frames, and
  // audio_floats(n) floats: the kContextSamples before the first of them, then the frames. With n == 0 nothing is
  // written, and both may be null. Returns whether any of the frames is held. Under claim().
  bool push(const std::int16_t* in, std::size_t samples, GateFrame* frames, float* audio) noexcept;
  bool push(const float* in, std::size_t samples, GateFrame* frames, float* audio) noexcept;

  // Samples that would complete the frame begun, 0 if none is: push as many of rest() to end a stream. Under claim().
  [[nodiscard]] int missing() const noexcept { return fill_ == 0 ? 0 : frame_samples_ - fill_; }
  // The sample that is silence: 0, or the offset that the high pass takes away. Under claim().
  [[nodiscard]] float rest() const noexcept { return offset_; }

  // The next sample is the first of a new stream. Under claim().
  void reset() noexcept;

  [[nodiscard]] int frame_samples() const noexcept { return frame_samples_; }
  [[nodiscard]] int hold_frames() const noexcept { return hold_frames_; }
  // Since construction or reset(). Under claim().
  [[nodiscard]] std::int64_t non_finite_samples() const noexcept { return non_finite_; }
  [[nodiscard]] std::size_t state_bytes() const noexcept;

 private:
  template <class Sample>
  bool push_any(const Sample* in, std::size_t samples, GateFrame* frames, float* audio) noexcept;
  void high_pass(float* frame) noexcept;
  GateFrame measure(float* frame) noexcept;
  float floor_with(float level_db) noexcept;

  int frame_samples_;
  int hold_frames_;
  float follow_;             // how much of a sample the offset takes in, 0 without a high pass
  float offset_ = 0.0f;      // of the samples so far
  int fill_ = 0;             // samples of the frame begun
  bool has_before_ = false;  // whether there was a sample before it
  int since_open_;
  std::vector<float> partial_;
  std::vector<float> levels_;  // of the last 3 s, a ring
  int next_level_ = 0;
  float floor_db_ = 0.0f;
  int floor_age_ = 0;  // frames since the one whose level is the floor
  std::array<float, kContextSamples> context_{};
  std::int64_t non_finite_ = 0;
  std::atomic<bool> busy_{false};
};

}  // namespace fastring
