#include "analyzer.hpp"

#include <atomic>
#include <cmath>
#include <cstdint>
#include <limits>
#include <numbers>
#include <stdexcept>
#include <thread>
#include <vector>

#include "check.hpp"
#include "error.hpp"

namespace {

struct Recorder final : fastring::AnalyzerSink {
  std::vector<fastring::OnsetEvent> onsets;
  std::vector<float> values;
  void on_onset(const fastring::OnsetEvent& onset) override {
    onsets.push_back(onset);
    values.push_back(onset.strength);
  }
  void on_spectrum(const fastring::SpectrumFrame& f) override {
    values.insert(values.end(), {f.centroid_hz, f.rolloff_hz, f.flux, f.flatness, f.rms, f.peak});
  }
  void on_pitch(const fastring::PitchFrame& f) override { values.insert(values.end(), {f.f0_hz, f.confidence}); }
  void on_tempo(const fastring::TempoEstimate& t) override { values.insert(values.end(), {t.bpm, t.confidence}); }
};

// A click every half second over a quiet tone.
std::vector<float> clicks(double sample_rate, double seconds) {
  std::vector<float> x(static_cast<std::size_t>(sample_rate * seconds));
  const auto period = static_cast<std::size_t>(sample_rate / 2);
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double t = static_cast<double>(i) / sample_rate;
    const double since = static_cast<double>(i % period) / sample_rate;
    x[i] = static_cast<float>(0.1 * std::sin(2 * std::numbers::pi * 220 * t) +
                              0.7 * std::exp(-since * 60) * std::sin(2 * std::numbers::pi * 1800 * t));
  }
  return x;
}

}  // namespace

TEST("any cut of the stream gives the same bits, at every rate") {
  for (const double rate : {8000.0, 16000.0, 22050.0, 44100.0, 48000.0, 96000.0, 192000.0}) {
    const auto x = clicks(rate, 3.0);
    fastring::Analyzer whole(rate, 1, {});
    Recorder expected;
    whole.push(x.data(), x.size(), expected);
    for (const std::size_t chunk : {std::size_t{1}, std::size_t{441}, std::size_t{4096}}) {
      if (chunk == 1 && rate > 50000.0) continue;
      fastring::Analyzer analyzer(rate, 1, {});
      Recorder found;
      for (std::size_t i = 0; i < x.size(); i += chunk)
        analyzer.push(x.data() + i, std::min(chunk, x.size() - i), found);
      CHECK(found.values == expected.values);
    }
    CHECK(expected.onsets.size() >= 5 && expected.onsets.size() <= 7);
  }
}

TEST("hostile samples give finite results") {
  fastring::Analyzer analyzer(44100, 2, {});
  Recorder found;
  std::vector<float> x(2 * 44100);
  const float bad[] = {std::numeric_limits<float>::quiet_NaN(),
                       std::numeric_limits<float>::infinity(),
                       3e38f,
                       -3e38f,
                       1e-40f,
                       -0.0f,
                       1.0f};
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = bad[(i * 7 + i / 13) % 7];
  const auto level = analyzer.push(x.data(), x.size() / 2, found);
  CHECK(std::isfinite(level.rms) && std::isfinite(level.energy) && std::isfinite(level.peak));
  CHECK(level.non_finite > 0);
  for (const float value : found.values) CHECK(std::isfinite(value));
}

TEST("silence is nothing at all") {
  fastring::Analyzer analyzer(16000, 1, {});
  Recorder found;
  const std::vector<float> x(16000 * 4);
  const auto level = analyzer.push(x.data(), x.size(), found);
  CHECK(level.rms == 0.0f && level.zero_crossing_rate == 0.0f);
  CHECK(found.onsets.empty());
  CHECK(analyzer.pitch().f0_hz == 0.0f && analyzer.tempo().bpm == 0.0f && analyzer.spectrum().centroid_hz == 0.0f);
}

TEST("bad arguments name the limit") {
  CHECK_THROWS(fastring::Analyzer(7999, 1, {}), std::invalid_argument);
  CHECK_THROWS(fastring::Analyzer(192001, 1, {}), std::invalid_argument);
  CHECK_THROWS(fastring::Analyzer(44100, 0, {}), std::invalid_argument);
  CHECK_THROWS(fastring::Analyzer(44100, 33, {}), std::invalid_argument);
  fastring::AnalyzerSettings settings;
  settings.hop_ms = std::numeric_limits<double>::quiet_NaN();
  CHECK_THROWS(fastring::Analyzer(44100, 1, settings), std::invalid_argument);
}

TEST("analyzers of several threads do not meet") {
  const auto x = clicks(16000, 2.0);
  fastring::Analyzer alone(16000, 1, {});
  Recorder expected;
  alone.push(x.data(), x.size(), expected);
  std::vector<std::thread> threads;
  std::atomic<int> wrong{0};
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      fastring::Analyzer analyzer(16000, 1, {});
      Recorder found;
      analyzer.push(x.data(), x.size(), found);
      if (found.values != expected.values) ++wrong;
    });
  }
  for (auto& thread : threads) thread.join();
  CHECK(wrong == 0);
}

TEST("a second thread inside push is told so") {
  struct Blocking final : fastring::AnalyzerSink {
    std::atomic<bool> inside{false};
    std::atomic<bool> go_on{false};
    void on_onset(const fastring::OnsetEvent&) override {}
    void on_spectrum(const fastring::SpectrumFrame&) override {
      inside = true;
      while (!go_on) std::this_thread::yield();
    }
    void on_pitch(const fastring::PitchFrame&) override {}
    void on_tempo(const fastring::TempoEstimate&) override {}
  };
  const auto x = clicks(16000, 0.1);
  fastring::Analyzer analyzer(16000, 1, {});
  Blocking blocking;
  std::thread owner([&] { analyzer.push(x.data(), x.size(), blocking); });
  while (!blocking.inside) std::this_thread::yield();
  Recorder other;
  CHECK_THROWS(analyzer.push(x.data(), x.size(), other), fastring::Error);
  CHECK_THROWS(analyzer.reset(), fastring::Error);
  blocking.go_on = true;
  owner.join();
  analyzer.push(x.data(), x.size(), other);
}
