// The gate in front of voice detection: which frames are loud or noisy enough, above the noise around them, for a look.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace fastring {

struct GateFrame {
  bool is_open = false;
  float level_db = 0.0f;            // dBFS, RMS; -120 is silence
  float floor_db = 0.0f;            // least level of the last 3 s
  float zero_crossing_rate = 0.0f;  // sign changes per sample of the frame
};

// Frames of 32 ms (512 samples at 16 kHz) that lie at multiples of their length, however the stream is cut. Recall
// first: what it closes for is surely not speech. The floor is the minimum of the level over 3 s (minimum statistics:
// Martin, "Noise power spectral density estimation based on optimal smoothing and minimum statistics", IEEE TSAP 2001,
// in its simplest form). Zero crossings let quiet fricatives through at half the distance (Rabiner & Sambur, "An
// algorithm for determining the endpoints of isolated utterances", BSTJ 1975).
// One owner at a time; allocates only what the results need.
class EnergyGate {
 public:
  // 8000..192000 Hz; std::invalid_argument otherwise.
  explicit EnergyGate(double sample_rate);

  // Any number of mono samples; appends one GateFrame per frame they complete.
  void push(const float* samples, std::size_t n, std::vector<GateFrame>& out);
  void push(const std::int16_t* samples, std::size_t n, std::vector<GateFrame>& out);
  void reset() noexcept;
  [[nodiscard]] int frame_samples() const noexcept { return frame_samples_; }

 private:
  static constexpr int kFloorFrames = 94;  // 3 s: longer than speech goes on without a dip between words
  static constexpr int kLead = 8;          // room for the sample before the frame

  struct Low {
    std::int64_t frame = 0;
    float level_db = 0.0f;
  };

  template <class Sample>
  void push_any(const Sample* samples, std::size_t n, std::vector<GateFrame>& out);
  [[nodiscard]] GateFrame judge() noexcept;
  [[nodiscard]] float floor_with(float level_db) noexcept;

  int frame_samples_;
  std::vector<float> frame_;
  int fill_ = 0;
  std::int64_t frames_ = 0;
  // Falling candidates for the minimum, oldest first: a ring of `lows_count_` from `lows_first_`.
  std::array<Low, kFloorFrames> lows_{};
  int lows_first_ = 0;
  int lows_count_ = 0;
};

}  // namespace fastring
