// Spectral shape of one frame: centroid, rolloff, flux and flatness.
#pragma once

#include <memory>
#include <vector>

#include "fft.hpp"
#include "sliding_buffer.hpp"
#include "types.hpp"

namespace fastring {

// One frame's spectrum in figures. Silence gives 0 throughout.
struct SpectrumFrame {
  SampleIndex end_index = 0;  // one past the frame's last sample
  float centroid_hz = 0.0f;   // magnitude-weighted mean frequency
  float rolloff_hz = 0.0f;    // below it lies the set fraction of the magnitude
  float flux = 0.0f;  // sum of the rises in magnitude since the frame before (a full-scale sine that starts: 2 to 4)
  float flatness = 0.0f;  // geometric over arithmetic mean of the power, 0..1
  // Levels of the samples since the frame before, channels mixed down.
  float rms = 0.0f;
  float peak = 0.0f;
  float zero_crossing_rate = 0.0f;
};

// Hann-windowed frames of a stream. One owner at a time; does not allocate after construction.
class Spectrum {
 public:
  Spectrum(double sample_rate, int window_samples, double rolloff_fraction);

  [[nodiscard]] int window_samples() const noexcept { return window_samples_; }
  [[nodiscard]] std::size_t scratch_floats() const noexcept;
  // The frame is the newest window_samples().
  [[nodiscard]] SpectrumFrame process(const SlidingBuffer& signal, float* scratch) noexcept;
  void reset() noexcept;
  // Heap memory of this stream alone; the object itself and shared tables not counted.
  void prefetch() const noexcept { fastring::prefetch(magnitude_.data(), heap_bytes()); }
  [[nodiscard]] std::size_t heap_bytes() const noexcept { return magnitude_.capacity() * sizeof(float); }

 private:
  struct Shared {
    const RealFftPlan* plan;
    std::vector<float> window;  // scaled so that a full-scale sine has magnitude 1
  };
  std::shared_ptr<const Shared> shared_;
  int window_samples_;
  double bin_hz_;
  double rolloff_fraction_;
  std::vector<float> magnitude_;  // of the frame before
  bool first_ = true;
};

}  // namespace fastring
