#include "energy_gate.hpp"

#include <algorithm>
#include <cmath>

#include "analysis_kernels.hpp"
#include "denormals.hpp"
#include "settings_check.hpp"

namespace fastring {
namespace {

constexpr double kFrame_s = 0.032;
constexpr float kSilence_db = -120.0f;
constexpr float kAbsolute_db = -65.0f;  // quieter than any speech a microphone is meant to catch
constexpr float kCertain_db = -20.0f;   // louder than any noise one would speak in
constexpr float kAboveNoise_db = 4.0f;
// A frame this full of zero crossings may be an s or an f: half the distance is enough. The level of a frame of
// stationary white noise varies by 0.3 dB (standard deviation), so noise stays out.
constexpr float kFricativeAboveNoise_db = 2.0f;
constexpr float kFricativeRate = 0.25f;

}  // namespace

EnergyGate::EnergyGate(double sample_rate) {
  check_stream(sample_rate, 1);
  frame_samples_ = static_cast<int>(std::lround(kFrame_s * sample_rate));
  frame_.resize(static_cast<std::size_t>(frame_samples_ + kLead), 0.0f);
}

void EnergyGate::reset() noexcept {
  std::fill(frame_.begin(), frame_.end(), 0.0f);
  fill_ = 0;
  frames_ = 0;
  lows_first_ = 0;
  lows_count_ = 0;
}

void EnergyGate::push(const float* samples, std::size_t n, std::vector<GateFrame>& out) {
  push_any(samples, n, out);
}

void EnergyGate::push(const std::int16_t* samples, std::size_t n, std::vector<GateFrame>& out) {
  push_any(samples, n, out);
}

template <class Sample>
void EnergyGate::push_any(const Sample* samples, std::size_t n, std::vector<GateFrame>& out) {
  const FlushDenormals flush;
  while (n > 0) {
    const std::size_t piece = std::min(n, static_cast<std::size_t>(frame_samples_ - fill_));
    float* to = frame_.data() + kLead + fill_;
    if constexpr (sizeof(Sample) == 2) {
      analysis_kernels().int16_to_float32(samples, to, static_cast<int>(piece));
    } else {
      std::copy(samples, samples + piece, to);
    }
    samples += piece;
    n -= piece;
    fill_ += static_cast<int>(piece);
    if (fill_ == frame_samples_) {
      out.push_back(judge());
      fill_ = 0;
    }
  }
}

GateFrame EnergyGate::judge() noexcept {
  float* samples = frame_.data() + kLead;
  if (frames_ == 0) samples[-1] = samples[0] < 0.0f ? -1.0f : 1.0f;  // nothing came before: no crossing
  LevelSums sums;
  analysis_kernels().level(samples, samples, frame_samples_, &sums);
  samples[-1] = samples[frame_samples_ - 1];
  const auto n = static_cast<float>(frame_samples_);
  GateFrame frame;
  frame.level_db = std::max(kSilence_db, 10.0f * std::log10(sums.sum_of_squares / n + 1e-30f));
  frame.floor_db = floor_with(frame.level_db);
  frame.zero_crossing_rate = static_cast<float>(sums.crossings) / n;
  const float above = frame.level_db - frame.floor_db;
  const bool stands_out =
      above > kAboveNoise_db || (above > kFricativeAboveNoise_db && frame.zero_crossing_rate > kFricativeRate);
  frame.is_open = frame.level_db > kAbsolute_db && (frame.level_db > kCertain_db || stands_out);
  return frame;
}

float EnergyGate::floor_with(float level_db) noexcept {
  const auto at = [this](int i) -> Low& { return lows_[static_cast<std::size_t>((lows_first_ + i) % kFloorFrames)]; };
  while (lows_count_ > 0 && at(lows_count_ - 1).level_db >= level_db) --lows_count_;
  if (lows_count_ > 0 && at(0).frame <= frames_ - kFloorFrames) {
    lows_first_ = (lows_first_ + 1) % kFloorFrames;
    --lows_count_;
  }
  at(lows_count_) = {frames_, level_db};
  ++lows_count_;
  ++frames_;
  return at(0).level_db;
}

}  // namespace fastring
