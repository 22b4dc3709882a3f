// The analyzer on hostile audio: however it is cut, and after any reset, it reports the same, and nothing but numbers.
#include <bit>
#include <cmath>
#include <memory>

#include "analyzer.hpp"
#include "analyzer_recorder.hpp"
#include "fuzz_input.hpp"

namespace {

using fastring::Analyzer;
using fastring::AnalyzerRecorder;
using fastring::AnalyzerSettings;
using fastring::ChunkLevel;
using fastring::fuzz::FuzzInput;

constexpr double kRates_hz[] = {8000, 16000, 22050, 44100, 48000, 96000, 192000, 11025};
constexpr std::size_t kMostSamples = 24000;

template <class... Values>
bool finite(Values... values) {
  return (std::isfinite(values) && ...);
}

void check_level(const ChunkLevel& level, std::size_t samples) {
  FUZZ_CHECK(finite(level.rms, level.energy, level.peak, level.dc_offset, level.zero_crossing_rate));
  FUZZ_CHECK(level.rms >= 0.0f && level.energy >= 0.0f && level.peak >= 0.0f);
  FUZZ_CHECK(level.zero_crossing_rate >= 0.0f && level.zero_crossing_rate <= 1.0f);
  FUZZ_CHECK(level.non_finite >= 0 && level.non_finite <= static_cast<std::int64_t>(samples));
}

void check_reports(const AnalyzerRecorder& reports, double sample_rate) {
  for (const auto& onset : reports.onsets) {
    FUZZ_CHECK(finite(onset.strength) && onset.strength > 0.0f && onset.sample_index <= onset.report_index);
  }
  for (const auto& frame : reports.spectra) {
    FUZZ_CHECK(finite(frame.centroid_hz, frame.rolloff_hz, frame.flux, frame.flatness, frame.rms, frame.peak));
    FUZZ_CHECK(finite(frame.zero_crossing_rate) && frame.flatness >= 0.0f && frame.flatness <= 1.001f);
  }
  for (const auto& frame : reports.pitches) {
    FUZZ_CHECK(finite(frame.f0_hz, frame.candidate_hz, frame.confidence));
    FUZZ_CHECK(frame.f0_hz == 0.0f || (frame.f0_hz >= 50.0f && frame.f0_hz <= 2000.0f));
    FUZZ_CHECK(frame.candidate_hz >= 0.0f && frame.candidate_hz <= sample_rate / 2);
    FUZZ_CHECK(frame.confidence >= 0.0f && frame.confidence <= 1.0f);
  }
  for (const auto& estimate : reports.tempos) {
    FUZZ_CHECK(finite(estimate.bpm, estimate.confidence));
    FUZZ_CHECK(estimate.bpm == 0.0f || (estimate.bpm >= 39.0f && estimate.bpm <= 241.0f));
  }
  for (const float novelty : reports.novelty) FUZZ_CHECK(finite(novelty));
}

template <class Item, class... Members>
void check_same(const std::vector<Item>& a, const std::vector<Item>& b, Members... members) {
  FUZZ_CHECK(a.size() == b.size());
  for (std::size_t i = 0; i < a.size(); ++i) FUZZ_CHECK(((a[i].*members == b[i].*members) && ...));
}

void check_same_reports(const AnalyzerRecorder& a, const AnalyzerRecorder& b) {
  using namespace fastring;
  check_same(a.onsets, b.onsets, &OnsetEvent::sample_index, &OnsetEvent::report_index, &OnsetEvent::strength);
  check_same(a.spectra, b.spectra, &SpectrumFrame::end_index, &SpectrumFrame::centroid_hz, &SpectrumFrame::rolloff_hz,
             &SpectrumFrame::flux, &SpectrumFrame::flatness);
  check_same(a.pitches, b.pitches, &PitchFrame::centre_index, &PitchFrame::f0_hz, &PitchFrame::confidence);
  check_same(a.tempos, b.tempos, &TempoEstimate::sample_index, &TempoEstimate::bpm, &TempoEstimate::confidence);
  FUZZ_CHECK(a.novelty == b.novelty && a.novelty_end_index == b.novelty_end_index);
}

// One analyzer that is reset for every input, per rate and channels.
Analyzer& used_analyzer(std::size_t rate, int channels) {
  static std::unique_ptr<Analyzer> analyzers[std::size(kRates_hz)][3];
  auto& analyzer = analyzers[rate][channels - 1];
  if (!analyzer) analyzer = std::make_unique<Analyzer>(kRates_hz[rate], channels, AnalyzerSettings{});
  analyzer->reset();
  return *analyzer;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  FuzzInput input(data, size);
  const auto rate = static_cast<std::size_t>(input.below(std::size(kRates_hz)));
  const auto channels = static_cast<int>(1 + input.below(3));
  std::uint32_t cuts = input.take<std::uint32_t>();
  const auto audio = fastring::fuzz::take_audio(input, kMostSamples);
  const std::size_t frames = audio.size() / static_cast<std::size_t>(channels);

  AnalyzerRecorder whole;
  Analyzer fresh(kRates_hz[rate], channels, AnalyzerSettings{});
  check_level(fresh.push(audio.data(), frames, whole), audio.size());
  check_reports(whole, kRates_hz[rate]);

  AnalyzerRecorder pieces;
  Analyzer& used = used_analyzer(rate, channels);
  for (std::size_t at = 0; at < frames;) {
    cuts = cuts * 1664525u + 1013904223u;
    const std::size_t most = (cuts & 7) == 0 ? 3 : (cuts & 8) != 0 ? 700 : 5000;
    const std::size_t count = std::min<std::size_t>((cuts >> 8) % most, frames - at);
    check_level(used.push(audio.data() + at * static_cast<std::size_t>(channels), count, pieces),
                count * static_cast<std::size_t>(channels));
    at += count;
  }
  check_same_reports(whole, pieces);
  FUZZ_CHECK(fresh.samples_pushed() == used.samples_pushed());
  FUZZ_CHECK(fresh.non_finite_samples() == used.non_finite_samples());
  return 0;
}
