#include "energy_gate.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <numbers>
#include <stdexcept>
#include <string>

#include "analysis_kernels.hpp"
#include "denormals.hpp"
#include "pcm.hpp"
#include "settings_check.hpp"

namespace fastring {
namespace {

constexpr double kMinFrame_s = 0.020;
constexpr double kMaxFrame_s = 0.256;
constexpr int kMaxHold = 1000;
constexpr float kNoLevel = std::numeric_limits<float>::infinity();

int checked(const char* name, int value, int least, int most) {
  if (value < least || value > most) {
    throw std::invalid_argument(std::string(name) + " must be " + std::to_string(least) + " to " +
                                std::to_string(most) + ", not " + std::to_string(value));
  }
  return value;
}

int to_samples(double seconds, double sample_rate) {
  return static_cast<int>(std::lround(seconds * sample_rate));
}

void to_float32(const std::int16_t* in, float* out, std::size_t samples) noexcept {
  pcm16_to_float32(in, out, samples);
}
void to_float32(const float* in, float* out, std::size_t samples) noexcept {
  std::memcpy(out, in, samples * sizeof(float));
}

}  // namespace

EnergyGate::EnergyGate(double sample_rate, int frame_samples, int hold_frames, double high_pass_hz) {
  check_stream(sample_rate, 1);
  frame_samples_ = frame_samples == 0 ? to_samples(kGateFrame_s, sample_rate)
                                      : checked("frame_samples", frame_samples, to_samples(kMinFrame_s, sample_rate),
                                                to_samples(kMaxFrame_s, sample_rate));
  hold_frames_ = checked("hold_frames", hold_frames, 0, kMaxHold);
  check_range("high_pass_hz", high_pass_hz, 0.0, kGateMaxHighPass_hz);
  follow_ = static_cast<float>(1.0 - std::exp(-2.0 * std::numbers::pi * high_pass_hz / sample_rate));
  partial_.resize(static_cast<std::size_t>(frame_samples_));
  levels_.resize(static_cast<std::size_t>(std::ceil(kGateFloor_s * sample_rate / frame_samples_)));
  reset();
}

void EnergyGate::reset() noexcept {
  fill_ = 0;
  offset_ = 0.0f;
  has_before_ = false;
  since_open_ = hold_frames_ + 1;
  std::fill(levels_.begin(), levels_.end(), kNoLevel);
  next_level_ = 0;
  floor_db_ = kNoLevel;
  floor_age_ = 0;
  context_.fill(0.0f);
  non_finite_ = 0;
}

bool EnergyGate::push(const std::int16_t* in, std::size_t samples, GateFrame* frames, float* audio) noexcept {
  const FlushDenormals flush;
  return push_any(in, samples, frames, audio);
}

bool EnergyGate::push(const float* in, std::size_t samples, GateFrame* frames, float* audio) noexcept {
  const FlushDenormals flush;
  return push_any(in, samples, frames, audio);
}

template <class Sample>
bool EnergyGate::push_any(const Sample* in, std::size_t samples, GateFrame* frames, float* audio) noexcept {
  const std::size_t count = completed_by(samples);
  if (count > 0) std::memcpy(audio, context_.data(), sizeof context_);
  bool any_held = false;
  for (std::size_t i = 0; i < count; ++i) {
    float* frame = audio + audio_floats(i);
    const auto missing = static_cast<std::size_t>(frame_samples_ - fill_);
    std::memcpy(frame, partial_.data(), static_cast<std::size_t>(fill_) * sizeof(float));
    to_float32(in, frame + fill_, missing);
    fill_ = 0;
    in += missing;
    samples -= missing;
    if (follow_ > 0.0f) high_pass(frame);
    frames[i] = measure(frame);
    any_held |= frames[i].is_held;
  }
  if (count > 0) std::memcpy(context_.data(), audio + audio_floats(count) - kContextSamples, sizeof context_);
  if (samples > 0) to_float32(in, partial_.data() + fill_, samples);
  fill_ += static_cast<int>(samples);
  return any_held;
}

// The stream begins at rest: its first offset is the mean of its first frame.
void EnergyGate::high_pass(float* frame) noexcept {
  const AnalysisKernels& kernels = analysis_kernels();
  if (!has_before_) {
    LevelSums sums;
    kernels.level(frame, frame, frame_samples_, &sums);
    non_finite_ += sums.non_finite;
    offset_ = sums.sum / static_cast<float>(frame_samples_);
  }
  std::int32_t non_finite = 0;
  offset_ = kernels.high_pass(frame, frame_samples_, follow_, offset_, &non_finite);
  non_finite_ += non_finite;
}

// frame[-1] is the sample before it, finite already; 0 if there was none, and then the frame's start is no crossing.
GateFrame EnergyGate::measure(float* frame) noexcept {
  LevelSums sums;
  analysis_kernels().level(frame, frame, frame_samples_, &sums);
  if (!has_before_ && frame[0] < 0.0f) --sums.crossings;
  has_before_ = true;
  non_finite_ += sums.non_finite;
  const float power = sums.sum_of_squares / static_cast<float>(frame_samples_);
  GateFrame out;
  out.level_db = std::max(10.0f * std::log10(power), kGateLeast_db);  // log10(0) is -infinity
  out.floor_db = floor_with(out.level_db);
  out.zero_crossing_rate = static_cast<float>(sums.crossings) / static_cast<float>(frame_samples_);
  const float above = out.level_db - out.floor_db;
  const bool stands_out = above > kGateAboveFloor_db ||
                          (above > kGateFricativeAboveFloor_db && out.zero_crossing_rate > kGateFricativeRate);
  out.is_open = out.level_db > kGateAbsolute_db && (out.level_db > kGateCertain_db || stands_out);
  since_open_ = out.is_open ? 0 : std::min(since_open_, hold_frames_) + 1;
  out.is_held = since_open_ <= hold_frames_;
  return out;
}

// The whole ring is looked through only when the least level has left it.
float EnergyGate::floor_with(float level_db) noexcept {
  levels_[static_cast<std::size_t>(next_level_)] = level_db;
  const auto length = static_cast<int>(levels_.size());
  if (level_db <= floor_db_) {
    floor_db_ = level_db;
    floor_age_ = 0;
  } else if (++floor_age_ >= length) {
    const auto least = static_cast<int>(std::min_element(levels_.begin(), levels_.end()) - levels_.begin());
    floor_db_ = levels_[static_cast<std::size_t>(least)];
    floor_age_ = (next_level_ - least + length) % length;
  }
  next_level_ = (next_level_ + 1) % length;
  return floor_db_;
}

std::size_t EnergyGate::state_bytes() const noexcept {
  return sizeof *this + (levels_.size() + partial_.size()) * sizeof(float);
}

}  // namespace fastring
