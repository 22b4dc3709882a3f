#include "tempo.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdlib>
#include <tuple>

#include "analysis_kernels.hpp"
#include "shared_tables.hpp"
#include "window.hpp"

namespace fastring {
namespace {

constexpr double kEnvelopeRate_hz = 100.0;
constexpr double kFirstEstimate_s = 1.5;   // it needs a second one to agree, so the first value comes at 2 s
constexpr float kSilentNovelty = 1.0e-4f;  // mean novelty below which nothing happened worth a tempo
// Greatest novelty below which nothing began: a tone that glides, or has a vibrato, rises from band to band and reaches
// .008, as regularly as it likes; the faintest 8 s of the music of the sweep have .16, an onset .023 and more.
constexpr float kFaintNovelty = 0.02f;
// Standard deviation over mean of the novelty, below which it is the unrest of a noise: white, pink and brown noise at
// 8 to 48 kHz have .25 to .45, the densest music of the sweep .47, its median 2.3.
constexpr double kUnrest = 0.45;
// The envelope: a Gaussian as wide as players are off the beat, above its mean over the second or so around it.
constexpr double kSmoothing_s = 0.015;
constexpr double kLocalMean_s = 0.3;  // to either side
// Stage 1, which family of tempi: every multiple of the beat counts alike, so half and double tempo score alike too.
constexpr int kTeeth = 10;
constexpr int kStepsPerOctave = 72;
constexpr double kFamilyPrior_bpm = 150.0;
constexpr double kFamilyPrior_octaves = 0.9;
// Stage 2, which octave: what lies between two beats and the next speaks against a tempo.
constexpr float kOffbeatWeight = 0.5f;
constexpr float kWeak = 0.15f;    // a lag this unlike is no beat,
constexpr float kStrong = 0.65f;  // if its double is this alike
// A metronome says nothing of what it counts: where the faster tempo fits this well, the clicks are the beats.
constexpr float kMetronome = 0.9f;
// Two estimates agree within this, octaves and triple metre aside.
constexpr double kAgreement = 0.04;
// Periodicity by chance falls with the root of what was heard; a tempo once given is kept a little below that.
constexpr float kChance = 2.0f;
constexpr float kKeep = 0.75f;

// The novelty is kept in 16 bits: steps of what counts as silence, up to 6.5 octaves per band, which nothing reaches.
// One value is for the unknown.
constexpr float kNoveltyStep = 1.0e-4f;
constexpr std::uint16_t kUnknownSteps = 65535;

std::uint16_t pack(float novelty) noexcept {
  if (novelty < 0.0f) return kUnknownSteps;
  return static_cast<std::uint16_t>(std::min(novelty / kNoveltyStep + 0.5f, 65534.0f));
}

float unpack(std::uint16_t steps) noexcept {
  return steps == kUnknownSteps ? TempoTracker::kUnknown : static_cast<float>(steps) * kNoveltyStep;
}

// The autocorrelation of the envelope at fractional lags.
struct Correlation {
  const float* values;
  int n;  // frames heard; beyond them there is nothing

  [[nodiscard]] float at(double lag) const noexcept {
    if (lag >= n - 2) return 0.0f;
    const auto below = static_cast<int>(lag);
    const auto fraction = static_cast<float>(lag - below);
    return values[below] + fraction * (values[below + 1] - values[below]);
  }
  // The same of a lag up to n - 2.
  [[nodiscard]] float inside(float lag) const noexcept {
    const auto below = static_cast<int>(lag);
    return values[below] + (lag - static_cast<float>(below)) * (values[below + 1] - values[below]);
  }
  // Largest within 2 % of the lag.
  [[nodiscard]] float peak(double lag) const noexcept {
    float best = at(lag);
    for (const double stretch : {0.98, 0.99, 1.01, 1.02}) best = std::max(best, at(lag * stretch));
    return best;
  }
  // The same as if every lag overlapped as much as lag 0.
  [[nodiscard]] float likeness(double lag) const noexcept {
    return peak(lag) / std::max(1.0f - static_cast<float>(lag) / static_cast<float>(n), 0.25f);
  }
};

float prior(double bpm, double centre_bpm, double octaves) noexcept {
  const double distance = std::log2(bpm / centre_bpm) / octaves;
  return static_cast<float>(std::exp(-0.5 * distance * distance));
}

bool agree(double a_bpm, double b_bpm) noexcept {
  for (const double ratio : {1.0, 2.0, 0.5, 3.0, 1.0 / 3.0}) {
    if (std::fabs(a_bpm - ratio * b_bpm) <= kAgreement * ratio * b_bpm) return true;
  }
  return false;
}

}  // namespace

TempoTracker::Shared TempoTracker::make_tables(double frame_rate, double min_bpm, double max_bpm) {
  Shared shared;
  const int reach = static_cast<int>(std::ceil(3.0 * kSmoothing_s * frame_rate));
  float total = 0.0f;
  for (int i = 0; i <= reach; ++i) {
    const double distance = i / (kSmoothing_s * frame_rate);
    shared.smoothing.push_back(static_cast<float>(std::exp(-0.5 * distance * distance)));
    total += i == 0 ? shared.smoothing.back() : 2.0f * shared.smoothing.back();
  }
  for (float& weight : shared.smoothing) weight /= total;
  for (double bpm = min_bpm; bpm <= max_bpm * 1.001; bpm *= std::exp2(1.0 / kStepsPerOctave)) {
    shared.grid.push_back(
        {static_cast<float>(60.0 * frame_rate / bpm), prior(bpm, kFamilyPrior_bpm, kFamilyPrior_octaves)});
  }
  return shared;
}

TempoTracker::TempoTracker(double hops_per_second, const AnalyzerSettings& s)
    : plan_(nullptr),
      decimation_(std::max(1, static_cast<int>(std::lround(hops_per_second / kEnvelopeRate_hz)))),
      min_bpm_(s.tempo_min_bpm),
      max_bpm_(s.tempo_max_bpm),
      prior_bpm_(s.tempo_prior_bpm),
      prior_octaves_(s.tempo_prior_octaves),
      min_confidence_(s.tempo_min_confidence) {
  frame_rate_ = hops_per_second / decimation_;
  capacity_ = static_cast<int>(s.tempo_history_s * frame_rate_);
  first_frames_ = std::min(capacity_, static_cast<int>(kFirstEstimate_s * frame_rate_));
  update_frames_ = std::max(1, static_cast<int>(s.tempo_update_s * frame_rate_));
  until_update_ = first_frames_;
  plan_ = &real_fft_plan(fft_size_for(2 * capacity_));
  shared_ = shared_tables<Shared>(std::make_tuple(frame_rate_, min_bpm_, max_bpm_),
                                  [&] { return make_tables(frame_rate_, min_bpm_, max_bpm_); });
  ring_.resize(static_cast<std::size_t>(capacity_), 0);
}

std::size_t TempoTracker::scratch_floats() const noexcept {
  const int n = plan_->n();
  return static_cast<std::size_t>(n + rfft_output_size(n) + cosine_work_size(n));
}

void TempoTracker::reset() noexcept {
  std::fill(ring_.begin(), ring_.end(), std::uint16_t{0});
  pending_ = 0;
  pending_sum_ = 0.0f;
  count_ = 0;
  next_ = 0;
  until_update_ = first_frames_;
  last_bpm_ = 0.0;
  given_ = false;
}

bool TempoTracker::push(float novelty, float* scratch, TempoEstimate& estimate) noexcept {
  pending_sum_ = novelty < 0.0f || pending_sum_ < 0.0f ? kUnknown : pending_sum_ + novelty;
  if (++pending_ < decimation_) return false;
  ring_[static_cast<std::size_t>(next_)] = pack(pending_sum_ / static_cast<float>(decimation_));
  pending_ = 0;
  pending_sum_ = 0.0f;
  next_ = (next_ + 1) % capacity_;
  count_ = std::min(count_ + 1, capacity_);
  if (--until_update_ > 0) return false;
  until_update_ = update_frames_;
  estimate_now(scratch, estimate);
  return true;
}

// Writes what was heard to `held`, oldest first; false if nothing began, or nothing but noise.
bool TempoTracker::unroll(float* held) const noexcept {
  double total = 0.0;
  double squares = 0.0;
  float greatest = 0.0f;
  int known = 0;
  int at = next_ - count_;
  if (at < 0) at += capacity_;
  for (int i = 0; i < count_; ++i) {
    const float value = unpack(ring_[static_cast<std::size_t>(at)]);
    if (++at == capacity_) at = 0;
    held[i] = value;
    if (value < 0.0f) continue;
    ++known;
    total += static_cast<double>(value);
    squares += static_cast<double>(value) * static_cast<double>(value);
    greatest = std::max(greatest, value);
  }
  if (greatest < kFaintNovelty || total < static_cast<double>(kSilentNovelty) * known) return false;
  std::replace_if(held, held + count_, [](float x) { return x < 0.0f; }, static_cast<float>(total / known));
  return squares * known >= (1.0 + kUnrest * kUnrest) * total * total;
}

// Writes the envelope of what was heard to `out`; false if there is none. `held` is working memory with as much room
// before it as the smoothing is wide.
bool TempoTracker::envelope(float* held, float* out) const noexcept {
  if (!unroll(held)) return false;
  const std::vector<float>& smoothing = shared_->smoothing;
  const auto reach = static_cast<int>(smoothing.size()) - 1;
  std::fill(held - reach, held, 0.0f);
  std::fill(held + count_, held + count_ + reach, 0.0f);
  for (int i = 0; i < count_; ++i) out[i] = smoothing[0] * held[i];
  for (int j = 1; j <= reach; ++j) {
    const float weight = smoothing[static_cast<std::size_t>(j)];
    for (int i = 0; i < count_; ++i) out[i] += weight * (held[i - j] + held[i + j]);
  }
  const int half = static_cast<int>(std::lround(kLocalMean_s * frame_rate_));
  double window = 0.0;
  int from = 0;
  int to = 0;
  int width = 0;
  double share = 0.0;
  double mean = 0.0;
  for (int i = 0; i < count_; ++i) {
    // In and out as one difference: the next sum waits for one addition, not two.
    double change = 0.0;
    for (; to < std::min(count_, i + half + 1); ++to) change += static_cast<double>(out[to]);
    for (; from < i - half; ++from) change -= static_cast<double>(out[from]);
    window += change;
    if (to - from != width) {  // at either end only: a division per value is dear
      width = to - from;
      share = 1.0 / width;
    }
    held[i] = std::max(0.0f, out[i] - static_cast<float>(window * share));
    mean += static_cast<double>(held[i]);
  }
  for (int i = 0; i < count_; ++i) out[i] = held[i] - static_cast<float>(mean / count_);
  return true;
}

// Stage 1: the tempo whose multiples explain most.
double TempoTracker::family_bpm(const float* correlation) const noexcept {
  const Correlation r{correlation, count_};
  const auto score = [&](std::size_t j) {
    float sum = 0.0f;
    const float lag = shared_->grid[j].lag;
    const int teeth = std::min(kTeeth, static_cast<int>(static_cast<float>(count_ - 2) / lag));
    for (int k = 1; k <= teeth; ++k) sum += r.inside(lag * static_cast<float>(k));
    return std::max(0.0f, sum) * shared_->grid[j].prior;
  };
  std::size_t top = 0;
  float best = -1.0f;
  for (std::size_t j = 0; j < shared_->grid.size(); ++j) {
    const float value = score(j);
    if (value > best) {
      best = value;
      top = j;
    }
  }
  double shift = 0.0;
  if (top > 0 && top + 1 < shared_->grid.size()) {
    const float before = score(top - 1);
    const float after = score(top + 1);
    const float curve = 2.0f * best - before - after;
    if (curve > 0.0f) shift = static_cast<double>(std::clamp(0.5f * (after - before) / curve, -1.0f, 1.0f));
  }
  return 60.0 * frame_rate_ / static_cast<double>(shared_->grid[top].lag) * std::exp2(shift / kStepsPerOctave);
}

// Stage 2: that tempo, or its octave or so.
double TempoTracker::octave_bpm(const float* correlation, double family) const noexcept {
  const Correlation r{correlation, count_};
  const double base = 60.0 * frame_rate_ / family;
  const bool weak = r.likeness(base) < kWeak;
  double winner = family;
  double fastest_metronome = 0.0;
  float best = 0.0f;
  for (const double ratio : {1.0, 0.5, 2.0, 1.0 / 3.0, 0.25}) {
    if (ratio < 0.4 && !weak) continue;
    const double bpm = family * ratio;
    if (bpm < 0.98 * min_bpm_ || bpm > 1.02 * max_bpm_) continue;
    const double lag = 60.0 * frame_rate_ / bpm;
    if (r.likeness(lag) < kWeak && r.likeness(2.0 * lag) > kStrong && 0.5 * bpm >= 0.98 * min_bpm_) continue;
    const float beats = r.peak(lag) + r.peak(2.0 * lag) + r.peak(4.0 * lag) - kOffbeatWeight * r.peak(1.5 * lag);
    const float value = std::max(1.0e-6f, beats) * prior(bpm, prior_bpm_, prior_octaves_);
    if (ratio >= 1.0 && r.likeness(lag) > kMetronome) fastest_metronome = std::max(fastest_metronome, bpm);
    if (value > best) {
      best = value;
      winner = bpm;
    }
  }
  return std::max(winner, fastest_metronome);
}

float TempoTracker::confidence_of(const float* correlation, double bpm) const noexcept {
  const Correlation r{correlation, count_};
  float total = 0.0f;
  int terms = 0;
  for (const double beats : {1.0, 2.0, 4.0}) {
    const double lag = beats * 60.0 * frame_rate_ / bpm;
    if (lag >= 0.75 * count_) break;
    total += r.likeness(lag);
    ++terms;
  }
  return terms > 0 ? std::clamp(total / static_cast<float>(terms), 0.0f, 1.0f) : 0.0f;
}

void TempoTracker::estimate_now(float* scratch, TempoEstimate& estimate) noexcept {
  const AnalysisKernels& kernels = analysis_kernels();
  const int n = plan_->n();
  float* buffer = scratch;
  float* power = buffer + n;
  float* work = power + rfft_output_size(n);
  estimate.bpm = 0.0f;
  estimate.confidence = 0.0f;
  const double before = last_bpm_;
  const bool was_given = given_;
  last_bpm_ = 0.0;
  given_ = false;
  if (!envelope(work + shared_->smoothing.size(), buffer)) return;
  std::fill(buffer + count_, buffer + n, 0.0f);
  kernels.rfft_power(plan_->tables(), buffer, nullptr, power, work);
  power[n / 2] = 0.0f;
  float* correlation = buffer;
  kernels.cosine_transform(plan_->half_tables(), plan_->tables(), power, correlation, work);
  if (!(correlation[0] > 0.0f)) return;
  const float scale = 1.0f / correlation[0];
  for (int lag = 0; lag < count_; ++lag) correlation[lag] *= scale;

  const double bpm = octave_bpm(correlation, family_bpm(correlation));
  last_bpm_ = bpm;
  const float confidence = confidence_of(correlation, bpm);
  const float enough = static_cast<float>(min_confidence_) + kChance / std::sqrt(static_cast<float>(count_));
  given_ = was_given ? confidence >= kKeep * enough : confidence >= enough && before > 0.0 && agree(bpm, before);
  if (!given_) return;
  estimate.bpm = static_cast<float>(std::clamp(bpm, min_bpm_, max_bpm_));
  estimate.confidence = confidence;
}

}  // namespace fastring
