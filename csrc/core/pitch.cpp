#include "pitch.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <tuple>

#include "analysis_kernels.hpp"
#include "shared_tables.hpp"
#include "window.hpp"

namespace fastring {
namespace {

// The loudest level is forgotten with this time constant, so that a whisper after a shout is voiced again.
constexpr double kPeakMemory_s = 8.0;
// What is louder than full scale is a fault in the audio: it is not what a voice is compared with afterwards.
constexpr float kLoudestRms = 1.0f;
// RMS below which a frame is silent whatever came before: -80 dBFS.
constexpr float kSilentRms = 1.0e-4f;
// How far refine() goes: this share of the window (further out there is little left to compare), and only while the
// similarity keeps this share of its height.
constexpr float kRefineShare = 0.5f;
constexpr float kRefineHeight = 0.85f;
constexpr int kRefineSteps = 24;
// Shorter lags are too coarse for a parabola when there are harmonics: they start at a multiple.
constexpr float kRefineMinLag = 16.0f;
// Peaks at shorter lags are those of a cosine: two of them lie within 10 values, and no harmonic is left in between.
constexpr int kFewValues = 10;
// Periods this far outside the range are candidates too, so that its ends are inside.
constexpr double kRangeMargin = 1.06;
// A pitch this little outside counts as the end of the range: a sixth of a semitone.
constexpr float kRangeTolerance = 1.01f;

// Of the lowest pitch, and well inside the window: beyond it nothing overlaps.
int longest_lag(double sample_rate, int window_samples, const AnalyzerSettings& s) noexcept {
  return std::min(static_cast<int>(std::ceil(sample_rate * kRangeMargin / s.pitch_min_hz)), window_samples - 4);
}

struct Peak {
  float position;
  float height;
};

// Vertex of the parabola through three values around a local maximum.
Peak vertex(const float* r, int lag) noexcept {
  const float slope = 0.5f * (r[lag + 1] - r[lag - 1]);
  const float curve = 2.0f * r[lag] - r[lag - 1] - r[lag + 1];
  const float shift = curve > 0.0f ? slope / curve : 0.0f;
  return {static_cast<float>(lag) + shift, r[lag] + 0.5f * slope * shift};
}

// The same of a cosine: where there are few values per period, a parabola is too flat.
Peak cosine_vertex(const float* r, int lag) noexcept {
  const float c = (r[lag - 1] + r[lag + 1]) / (2.0f * r[lag]);
  if (std::fabs(c) > 0.99f) return vertex(r, lag);
  const float step = std::acos(c);
  const float phase = std::atan((r[lag + 1] - r[lag - 1]) / (2.0f * r[lag] * std::sin(step)));
  return {static_cast<float>(lag) + phase / step, r[lag] / std::cos(phase)};
}

// How alike a window and itself `lag` samples later are, 1 for a perfect period: the normalised square difference
// function of McLeod & Wyvill, "A smarter way to find pitch", ICMC 2005, tapered. Exact for any period, which the
// windowed autocorrelation is not, but dear: for a few lags only.
class Similarity {
 public:
  // taper has n values and then zeros, up to padded(n); scratch room for 2 * padded(n).
  Similarity(const float* window, const float* taper, int n, float* scratch) noexcept
      : n_(n), taper_(taper), x_(scratch), squares_(scratch + padded(n)) {
    const AnalysisKernels& kernels = analysis_kernels();
    kernels.center(window, squares_, n);
    std::fill(squares_ + n, squares_ + padded(n), 0.0f);
    kernels.multiply(squares_, taper, x_, padded(n));
    kernels.multiply(squares_, x_, squares_, padded(n));
  }

  [[nodiscard]] static int padded(int n) noexcept { return (n + 7) / 8 * 8 + 8; }

  [[nodiscard]] float operator()(int lag) const noexcept {
    return analysis_kernels().similarity(x_, squares_, taper_, lag, (n_ - lag + 7) / 8 * 8);
  }

 private:
  int n_;
  const float* taper_;
  float* x_;
  float* squares_;
};

// Climbs from `lag` to the local maximum of similarity; false if it leaves its neighbourhood.
bool climb(const Similarity& similarity, int& lag, float r[3], int low, int high) noexcept {
  for (int i = 0; i < 3; ++i) r[i] = similarity(lag - 1 + i);
  for (int step = 0; step < kRefineSteps; ++step) {
    if (r[1] >= r[0] && r[1] >= r[2]) return true;
    if (r[2] > r[0]) {
      if (++lag > high) return false;
      r[0] = r[1];
      r[1] = r[2];
      r[2] = similarity(lag + 1);
    } else {
      if (--lag < low) return false;
      r[2] = r[1];
      r[1] = r[0];
      r[0] = similarity(lag - 1);
    }
  }
  return false;
}

// A period is measured k times finer at its k-th multiple: goes further out while the similarity there is high.
[[maybe_unused]] float refine(const Similarity& similarity, float lag, float limit) noexcept {
  float height = 0.0f;
  int first = 1;
  while (static_cast<float>(first) * lag < kRefineMinLag) first *= 2;
  for (int k = first; k == first || static_cast<float>(k) * lag < limit; k *= 4) {
    const float multiple = static_cast<float>(k) * lag;
    const int slack = k == first ? std::max(2, static_cast<int>(0.06f * multiple)) : 2;
    int top = static_cast<int>(std::lround(multiple));
    float r[3];
    if (!climb(similarity, top, r, top - slack, top + slack) || r[1] < kRefineHeight * height) break;
    height = std::max(height, r[1]);
    const Peak peak = vertex(r + 1 - top, top);
    lag = peak.position / static_cast<float>(k);
  }
  return lag;
}

}  // namespace

PitchTracker::Shared PitchTracker::make_tables(double sample_rate, int window_samples, const AnalyzerSettings& s) {
  const int max_lag = longest_lag(sample_rate, window_samples, s) + 2;
  const int n = fft_size_for(window_samples + max_lag + 1);
  Shared shared{&real_fft_plan(n), hann_window(window_samples, window_samples), {}, {}};
  const auto& w = shared.window;
  double energy = 0.0;
  for (int lag = 0; lag <= max_lag; ++lag) {
    double total = 0.0;
    for (auto i = static_cast<std::size_t>(lag); i < w.size(); ++i) {
      total += double(w[i]) * double(w[i - static_cast<std::size_t>(lag)]);
    }
    if (lag == 0) energy = total;
    shared.lag_gain.push_back(static_cast<float>(energy / std::max(total, 1e-9)));
  }
  shared.lag_gain.resize((shared.lag_gain.size() + 7) / 8 * 8, 0.0f);
  shared.window.resize(static_cast<std::size_t>(n), 0.0f);
  shared.weight.resize(static_cast<std::size_t>(n / 2 + 8), 0.0f);
  for (int k = 0; k <= n / 2; ++k) {
    const double hz = k * sample_rate / n;
    shared.weight[static_cast<std::size_t>(k)] =
        static_cast<float>(1.0 / (1.0 + std::pow(hz / s.pitch_lowpass_hz, 2.0 * s.pitch_lowpass_order)));
  }
  return shared;
}

PitchTracker::PitchTracker(double sample_rate, int window_samples, int hop_samples, const AnalyzerSettings& s)
    : sample_rate_(sample_rate),
      window_samples_(window_samples),
      hop_samples_(hop_samples),
      min_lag_(std::max(2, static_cast<int>(std::floor(sample_rate / (kRangeMargin * s.pitch_max_hz))))),
      max_lag_(longest_lag(sample_rate, window_samples, s)),
      min_hz_(static_cast<float>(s.pitch_min_hz)),
      max_hz_(static_cast<float>(s.pitch_max_hz)),
      lowest_octave_(static_cast<float>(std::log2(sample_rate / max_lag_))),
      lag_frames_(s.pitch_lag_frames),
      silence_(static_cast<float>(s.pitch_silence)),
      voicing_(static_cast<float>(s.pitch_voicing)),
      octave_cost_(static_cast<float>(s.pitch_octave_cost)),
      // Costs are per 10 ms, as in the paper.
      jump_cost_(static_cast<float>(s.pitch_jump_cost * 0.01 * sample_rate / hop_samples)),
      voiced_cost_(static_cast<float>(s.pitch_voiced_cost * 0.01 * sample_rate / hop_samples)),
      peak_decay_(static_cast<float>(std::exp(-hop_samples / sample_rate / kPeakMemory_s))) {
  const auto key =
      std::make_tuple(sample_rate, window_samples, s.pitch_min_hz, s.pitch_lowpass_hz, s.pitch_lowpass_order);
  shared_ = shared_tables<Shared>(key, [&] { return make_tables(sample_rate, window_samples, s); });
  ring_.resize(static_cast<std::size_t>(std::max(2, lag_frames_ + 1)));
}

std::size_t PitchTracker::scratch_floats() const noexcept {
  const int n = shared_->plan->n();
  return static_cast<std::size_t>(n + rfft_output_size(n) + cosine_work_size(n));
}

void PitchTracker::reset() noexcept {
  peak_ = 0.0f;
  frames_ = 0;
}

bool PitchTracker::process(const SlidingBuffer& signal, float* scratch, PitchFrame& settled) noexcept {
  const AnalysisKernels& kernels = analysis_kernels();
  const int n = shared_->plan->n();
  float* buffer = scratch;
  float* power = buffer + n;
  float* work = power + rfft_output_size(n);

  signal.copy(window_samples_, 0, buffer);
  const float energy = kernels.center(buffer, buffer, window_samples_);
  std::fill(buffer + window_samples_, buffer + n, 0.0f);
  const float rms = std::sqrt(energy / static_cast<float>(window_samples_));
  peak_ = std::max(peak_ * peak_decay_, std::min(rms, kLoudestRms));

  const Frame* before = frames_ > 0 ? &frame_at(frames_ - 1) : nullptr;
  Frame& now = frame_at(frames_);
  now.count = 1;
  const float loudness = peak_ > 0.0f ? rms / peak_ : 0.0f;
  now.candidates[0] = {0.0f, 0.0f, voicing_ + std::max(0.0f, 2.0f - loudness * (1.0f + voicing_) / silence_), 0.0f, 0};
  if (rms > kSilentRms) {
    kernels.rfft_compressed(shared_->plan->tables(), buffer, shared_->window.data(), shared_->weight.data(), power,
                            work);
    // The spectrum is real and even: its cosine transform is its autocorrelation.
    float* correlation = buffer;
    kernels.cosine_transform(shared_->plan->half_tables(), shared_->plan->tables(), power, correlation, work);
    if (correlation[0] > 0.0f) {
      const float scale = 1.0f / correlation[0];
      kernels.multiply(correlation, shared_->lag_gain.data(), correlation, static_cast<int>(shared_->lag_gain.size()));
      find_candidates(correlation, scale, now);
    }
  }
  extend_paths(before, now);
  ++frames_;
  if (frames_ <= lag_frames_) return false;

  int best = 0;
  for (int c = 1; c < now.count; ++c) {
    if (now.candidates[static_cast<std::size_t>(c)].score > now.candidates[static_cast<std::size_t>(best)].score)
      best = c;
  }
  std::int64_t index = frames_ - 1;
  for (int step = 0; step < lag_frames_; ++step, --index) {
    best = frame_at(index).candidates[static_cast<std::size_t>(best)].from;
  }
  const Frame& chosen = frame_at(index);
  settled = settle(chosen, best, signal, scratch);
  return true;
}

PitchFrame PitchTracker::settle(const Frame& frame, int choice, const SlidingBuffer& signal,
                                float* scratch) const noexcept {
  PitchFrame out;
  int guess = choice;
  for (int c = 1; choice == 0 && c < frame.count; ++c) {
    if (guess == 0 || frame.candidates[static_cast<std::size_t>(c)].strength >
                          frame.candidates[static_cast<std::size_t>(guess)].strength) {
      guess = c;
    }
  }
  if (guess == 0) return out;
  const Candidate& candidate = frame.candidates[static_cast<std::size_t>(guess)];
  const float bonus = octave_cost_ * (candidate.octave - lowest_octave_);
  out.confidence = std::clamp(candidate.strength - bonus, 0.0f, 1.0f);
  float* window = scratch + 2 * Similarity::padded(window_samples_);
  signal.copy(window_samples_, lag_frames_ * hop_samples_, window);
  const Similarity similarity(window, shared_->window.data(), window_samples_, scratch);
  const auto rate = static_cast<float>(sample_rate_);
  out.candidate_hz =
      rate / refine(similarity, rate / candidate.f0_hz, kRefineShare * static_cast<float>(window_samples_));
  // Candidates reach past the range so that its ends are inside; what settles out there is not voiced.
  const bool inside = out.candidate_hz >= min_hz_ / kRangeTolerance && out.candidate_hz <= max_hz_ * kRangeTolerance;
  if (choice != 0 && inside) out.f0_hz = std::clamp(out.candidate_hz, min_hz_, max_hz_);
  return out;
}

void PitchTracker::find_candidates(const float* r, float scale, Frame& frame) const noexcept {
  std::int16_t lags[kMaxFftSize / 4];
  const int count = analysis_kernels().maxima(r, min_lag_, max_lag_, 0.5f * voicing_ / scale, lags);
  for (int i = 0; i < count; ++i) {
    const int lag = lags[i];
    const Peak peak = lag < kFewValues ? cosine_vertex(r, lag) : vertex(r, lag);
    const float peak_height = peak.height * scale;
    const float height = peak_height > 1.0f ? 1.0f / peak_height : peak_height;
    const float f0 = static_cast<float>(sample_rate_) / peak.position;
    const float octave = std::log2(f0);
    const float strength = height + octave_cost_ * (octave - lowest_octave_);
    // Keep the strongest few, in falling order.
    int place = frame.count;
    if (place > kMaxCandidates) {
      place = kMaxCandidates;
      if (frame.candidates[kMaxCandidates].strength >= strength) continue;
    } else {
      ++frame.count;
    }
    frame.candidates[static_cast<std::size_t>(place)] = {f0, octave, strength, 0.0f, 0};
    while (place > 1 && frame.candidates[static_cast<std::size_t>(place - 1)].strength < strength) {
      std::swap(frame.candidates[static_cast<std::size_t>(place)],
                frame.candidates[static_cast<std::size_t>(place - 1)]);
      --place;
    }
  }
}

void PitchTracker::extend_paths(const Frame* before, Frame& frame) const noexcept {
  float best_of_frame = -1.0e30f;
  for (int c = 0; c < frame.count; ++c) {
    Candidate& to = frame.candidates[static_cast<std::size_t>(c)];
    to.score = to.strength;
    if (before != nullptr) {
      float best = -1.0e30f;
      for (int b = 0; b < before->count; ++b) {
        const Candidate& from = before->candidates[static_cast<std::size_t>(b)];
        float cost = 0.0f;
        if ((from.f0_hz > 0.0f) != (to.f0_hz > 0.0f)) {
          cost = voiced_cost_;
        } else if (from.f0_hz > 0.0f) {
          cost = jump_cost_ * std::fabs(to.octave - from.octave);
        }
        if (from.score - cost > best) {
          best = from.score - cost;
          to.from = static_cast<std::int8_t>(b);
        }
      }
      to.score += best;
    }
    best_of_frame = std::max(best_of_frame, to.score);
  }
  for (int c = 0; c < frame.count; ++c) frame.candidates[static_cast<std::size_t>(c)].score -= best_of_frame;
}

}  // namespace fastring
