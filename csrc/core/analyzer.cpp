#include "analyzer.hpp"

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <string>

#include "analysis_kernels.hpp"
#include "busy_guard.hpp"
#include "denormals.hpp"
#include "scratch.hpp"
#include "settings_check.hpp"

namespace fastring {
namespace {

// Onsets, pitch and tempo are computed at 16 to 32 kHz: higher input rates are halved until they fit.
constexpr double kMinAnalysisRate_hz = 16000.0;
// Pitch is computed at 8 to 16 kHz: its harmonics above 4 kHz carry noise more than period.
constexpr double kMinPitchRate_hz = 8000.0;
constexpr int kStageDelay = 16;  // input samples, of one halving

float power(const float* x, int n) {
  float sum = 0.0f;
  for (int i = 0; i < n; ++i) sum += x[i] * x[i];
  return sum / static_cast<float>(n);
}

int to_samples(double ms, double rate) {
  return std::max(1, static_cast<int>(std::lround(ms * rate / 1000.0)));
}

}  // namespace

Analyzer::Analyzer(double sample_rate, int channels, const AnalyzerSettings& s)
    : sample_rate_(sample_rate), channels_(channels) {
  check_stream(sample_rate, channels);
  check_settings(s);
  stages_ = 0;
  analysis_rate_ = sample_rate;
  while (analysis_rate_ >= 2.0 * kMinAnalysisRate_hz) {
    analysis_rate_ /= 2.0;
    ++stages_;
  }
  halve_for_pitch_ = analysis_rate_ >= 2.0 * kMinPitchRate_hz;
  hop_ = to_samples(s.hop_ms, analysis_rate_);
  if (halve_for_pitch_) hop_ = (hop_ + 1) / 2 * 2;
  block_ = hop_ << stages_;
  const double hop_ms = 1000.0 * hop_ / analysis_rate_;
  spectrum_every_ = s.spectrum_every_hops;
  pitch_every_ = s.pitch_every_hops;
  const int pitch_shift = stages_ + (halve_for_pitch_ ? 1 : 0);
  const double pitch_rate = sample_rate / (1 << pitch_shift);
  const int pitch_hop = pitch_every_ * block_ >> pitch_shift;
  const int pitch_window = to_samples(s.pitch_window_ms, pitch_rate);
  settling_hops_ = onset_reach_hops(s, hop_ms);
  settling_ = settling_hops_;
  onset_offset_ = static_cast<int>(std::lround(s.onset_offset_ms * sample_rate / 1000.0));
  pitch_start_ = pitch_window << pitch_shift;
  pitch_latency_ = kStageDelay * ((1 << pitch_shift) - 1) + s.pitch_lag_frames * pitch_every_ * block_ +
                   (pitch_window << pitch_shift) / 2;

  spectrum_.emplace(sample_rate, to_samples(s.spectrum_window_ms, sample_rate), s.rolloff_fraction);
  novelty_.emplace(analysis_rate_, to_samples(s.onset_window_ms, analysis_rate_), s);
  picker_.emplace(hop_ms, s);
  pitch_.emplace(pitch_rate, pitch_window, pitch_hop, s);
  tempo_.emplace(1000.0 / hop_ms, s);

  const int pitch_keep = pitch_->history_samples();
  const int for_halving = hop_ + kStageHistory;
  const int analysis_keep = std::max(novelty_->window_samples(), halve_for_pitch_ ? for_halving : pitch_keep);
  const int step = spectrum_every_ * block_;
  int keep = std::max({spectrum_->window_samples(), block_ + kStageHistory, step + 1});
  if (stages_ == 0) keep = std::max(keep, analysis_keep);
  mono_ = SlidingBuffer(keep);
  if (stages_ > 0) analysis_ = SlidingBuffer(analysis_keep);
  if (halve_for_pitch_) pitch_signal_ = SlidingBuffer(pitch_keep);
  if (stages_ > 1) stage_history_.resize(static_cast<std::size_t>(stages_ - 1));

  const auto block = static_cast<std::size_t>(block_);
  scratch_floats_ = std::max({spectrum_->scratch_floats(), novelty_->scratch_floats(), pitch_->scratch_floats(),
                              tempo_->scratch_floats(), 3 * block + 512, static_cast<std::size_t>(step) + 64});
  channel_states_.resize(static_cast<std::size_t>(channels));
  channel_levels_.resize(static_cast<std::size_t>(channels));
}

void Analyzer::reset() {
  const BusyGuard guard(busy_, "Analyzer");
  spectrum_->reset();
  novelty_->reset();
  picker_->reset();
  start_ = {};
  settling_ = settling_hops_;
  pitch_->reset();
  tempo_->reset();
  mono_.clear();
  analysis_.clear();
  pitch_signal_.clear();
  for (auto& history : stage_history_) history.fill(0.0f);
  std::fill(channel_states_.begin(), channel_states_.end(), ChannelState{});
  std::fill(channel_levels_.begin(), channel_levels_.end(), ChannelLevel{});
  pushed_ = 0;
  non_finite_ = 0;
  blocks_ = 0;
  fill_ = 0;
  last_spectrum_ = {};
  last_pitch_ = {};
  last_tempo_ = {};
}

std::size_t Analyzer::state_bytes() const noexcept {
  return sizeof(*this) + mono_.bytes() + analysis_.bytes() + pitch_signal_.bytes() + spectrum_->heap_bytes() +
         novelty_->heap_bytes() + pitch_->heap_bytes() + tempo_->heap_bytes() +
         stage_history_.capacity() * sizeof(stage_history_[0]) + channel_states_.capacity() * sizeof(ChannelState) +
         channel_levels_.capacity() * sizeof(ChannelLevel);
}

void Analyzer::prefetch() const noexcept {
  fastring::prefetch(this, sizeof(*this));
  mono_.prefetch();
  analysis_.prefetch();
  pitch_signal_.prefetch();
  spectrum_->prefetch();
  novelty_->prefetch();
  pitch_->prefetch();
}

ChunkLevel Analyzer::push(const float* samples, std::size_t frames, AnalyzerSink& sink) {
  return push_any(samples, frames, sink);
}

ChunkLevel Analyzer::push(const std::int16_t* samples, std::size_t frames, AnalyzerSink& sink) {
  return push_any(samples, frames, sink);
}

template <class Sample>
ChunkLevel Analyzer::push_any(const Sample* samples, std::size_t frames, AnalyzerSink& sink) {
  const BusyGuard guard(busy_, "Analyzer");
  float* scratch = thread_scratch(scratch_floats_);
  const FlushDenormals flush;
  chunk_non_finite_ = 0;
  for (ChannelState& state : channel_states_) state = {0.0, 0.0, 0.0f, 0, state.last};
  for (std::size_t done = 0; done < frames;) {
    auto piece = static_cast<int>(std::min<std::size_t>(frames - done, static_cast<std::size_t>(block_ - fill_)));
    float* out = mono_.reserve(piece);
    ingest(samples + done * static_cast<std::size_t>(channels_), piece, out, scratch);
    mono_.commit(piece);
    done += static_cast<std::size_t>(piece);
    pushed_ += piece;
    fill_ += piece;
    if (fill_ == block_) {
      fill_ = 0;
      process_block(sink, scratch);
    }
  }
  return summarize(frames);
}

void Analyzer::ingest(const float* samples, int frames, float* out, float* scratch) noexcept {
  if (channels_ == 1) {
    measure(channel_states_[0], samples, out, frames);
    return;
  }
  const float share = 1.0f / static_cast<float>(channels_);
  float* channel = scratch + 8;
  for (int c = 0; c < channels_; ++c) {
    ChannelState& state = channel_states_[static_cast<std::size_t>(c)];
    for (int i = 0; i < frames; ++i) channel[i] = samples[static_cast<std::ptrdiff_t>(i) * channels_ + c];
    channel[-1] = state.last;
    measure(state, channel, channel, frames);
    if (c == 0) {
      for (int i = 0; i < frames; ++i) out[i] = channel[i] * share;
    } else {
      for (int i = 0; i < frames; ++i) out[i] += channel[i] * share;
    }
  }
}

void Analyzer::ingest(const std::int16_t* samples, int frames, float* out, float* scratch) noexcept {
  if (channels_ == 1) {
    analysis_kernels().int16_to_float32(samples, out, frames);
    measure(channel_states_[0], out, out, frames);
    return;
  }
  const float share = 1.0f / static_cast<float>(channels_);
  float* channel = scratch + 8;
  for (int c = 0; c < channels_; ++c) {
    ChannelState& state = channel_states_[static_cast<std::size_t>(c)];
    for (int i = 0; i < frames; ++i) {
      channel[i] = static_cast<float>(samples[static_cast<std::ptrdiff_t>(i) * channels_ + c]) * (1.0f / 32768.0f);
    }
    channel[-1] = state.last;
    measure(state, channel, channel, frames);
    if (c == 0) {
      for (int i = 0; i < frames; ++i) out[i] = channel[i] * share;
    } else {
      for (int i = 0; i < frames; ++i) out[i] += channel[i] * share;
    }
  }
}

void Analyzer::measure(ChannelState& state, const float* in, float* out, int frames) noexcept {
  LevelSums sums;
  analysis_kernels().level(in, out, frames, &sums);
  // The very first sample of a stream has nothing before it to differ from.
  if (pushed_ == 0 && out[0] < 0.0f) --sums.crossings;
  state.sum += static_cast<double>(sums.sum);
  state.sum_of_squares += static_cast<double>(sums.sum_of_squares);
  state.peak = std::max(state.peak, sums.peak);
  state.crossings += sums.crossings;
  state.last = out[frames - 1];
  chunk_non_finite_ += sums.non_finite;
}

ChunkLevel Analyzer::summarize(std::size_t frames) noexcept {
  ChunkLevel level;
  level.non_finite = chunk_non_finite_;
  non_finite_ += chunk_non_finite_;
  double sum = 0.0;
  double squares = 0.0;
  std::int64_t crossings = 0;
  const double n = frames > 0 ? static_cast<double>(frames) : 1.0;
  for (std::size_t c = 0; c < channel_states_.size(); ++c) {
    const ChannelState& state = channel_states_[c];
    channel_levels_[c] = {static_cast<float>(std::sqrt(state.sum_of_squares / n)), state.peak,
                          static_cast<float>(state.sum / n), static_cast<float>(double(state.crossings) / n)};
    sum += state.sum;
    squares += state.sum_of_squares;
    crossings += state.crossings;
    level.peak = std::max(level.peak, state.peak);
  }
  const auto channels = static_cast<double>(channels_);
  level.energy = static_cast<float>(squares / channels);
  level.rms = static_cast<float>(std::sqrt(squares / channels / n));
  level.dc_offset = static_cast<float>(sum / channels / n);
  level.zero_crossing_rate = static_cast<float>(static_cast<double>(crossings) / channels / n);
  return level;
}

void Analyzer::decimate(float* scratch) noexcept {
  if (stages_ == 0) return;
  const AnalysisKernels& kernels = analysis_kernels();
  // The block ends at the newest sample; a stage's last output needs the 16 before it and the 15 after it.
  mono_.copy(block_ + kStageHistory, 0, scratch);
  const float* in = scratch + kStageHistory;
  int n = block_ / 2;
  float* spare = scratch + block_ + 2 * kStageHistory;
  for (int stage = 0; stage < stages_; ++stage, n /= 2) {
    float* out = spare + kStageHistory;
    kernels.halfband(in - kStageDelay, out, n);
    if (stage + 1 == stages_) {
      analysis_.append(out, hop_);
      break;
    }
    auto& history = stage_history_[static_cast<std::size_t>(stage)];
    std::copy(history.begin(), history.end(), out - kStageHistory);
    std::copy(out + n - kStageHistory, out + n, history.begin());
    in = out;
    spare = out + n + 48;
  }
}

void Analyzer::decimate_for_pitch(float* scratch) noexcept {
  if (!halve_for_pitch_) return;
  analysis().copy(hop_ + kStageHistory, 0, scratch);
  float* out = scratch + hop_ + 2 * kStageHistory;
  analysis_kernels().halfband(scratch + kStageHistory - kStageDelay, out, hop_ / 2);
  pitch_signal_.append(out, hop_ / 2);
}

void Analyzer::process_onset(AnalyzerSink& sink, float* scratch) noexcept {
  const float novelty = novelty_->process(analysis(), scratch);
  sink.on_novelty(pushed_, novelty);
  const float strength = picker_->push(novelty);
  if (start_.open()) {
    analysis().copy(hop_, 0, scratch);
    const bool strike = start_.push(power(scratch, hop_), novelty);
    if (strike) sink.on_onset({static_cast<SampleIndex>(start_.hop()) * block_, pushed_, start_.strength()});
    picker_->correct(strike);
  } else if (strength > 0.0f) {
    const SampleIndex back = onset_offset_ + static_cast<SampleIndex>(picker_->lookahead()) * block_;
    sink.on_onset({std::max<SampleIndex>(0, pushed_ - back), pushed_, strength});
  }
  TempoEstimate estimate;
  // The first sound after silence is so much larger a novelty than any beat that it would be all of the autocorrelation
  // while it is remembered: it is left out as long as either of the frames compared reaches back into the silence.
  settling_ = novelty_->began() ? settling_hops_ : std::max(0, settling_ - 1);
  if (tempo_->push(settling_ > 0 ? TempoTracker::kUnknown : novelty, scratch, estimate)) {
    estimate.sample_index = pushed_;
    last_tempo_ = estimate;
    sink.on_tempo(estimate);
  }
}

void Analyzer::process_spectrum(AnalyzerSink& sink, float* scratch) noexcept {
  last_spectrum_ = spectrum_->process(mono_, scratch);
  last_spectrum_.end_index = pushed_;
  const int n = spectrum_every_ * block_;
  mono_.copy(n + 1, 0, scratch + 7);
  LevelSums sums;
  analysis_kernels().clean_level(scratch + 8, n, &sums);
  last_spectrum_.rms = std::sqrt(sums.sum_of_squares / static_cast<float>(n));
  last_spectrum_.peak = sums.peak;
  last_spectrum_.zero_crossing_rate = static_cast<float>(sums.crossings) / static_cast<float>(n);
  sink.on_spectrum(last_spectrum_);
}

void Analyzer::process_block(AnalyzerSink& sink, float* scratch) noexcept {
  ++blocks_;
  decimate(scratch);
  process_onset(sink, scratch);
  decimate_for_pitch(scratch);
  if (blocks_ % pitch_every_ == 0 && pushed_ >= pitch_start_) {
    PitchFrame frame;
    if (pitch_->process(pitch_signal(), scratch, frame)) {
      frame.centre_index = std::max<SampleIndex>(0, pushed_ - pitch_latency_);
      last_pitch_ = frame;
      sink.on_pitch(frame);
    }
  }
  if (blocks_ % spectrum_every_ == 0) process_spectrum(sink, scratch);
}

}  // namespace fastring
