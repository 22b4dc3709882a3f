#include "energy_gate.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <deque>
#include <limits>
#include <numbers>
#include <random>
#include <thread>
#include <vector>

#include "check.hpp"

namespace {

using fastring::EnergyGate;
using fastring::GateFrame;

constexpr double kRate = 16000.0;
constexpr int kFrame = 512;
constexpr std::size_t kContext = EnergyGate::kContextSamples;

struct Run {
  std::vector<GateFrame> frames;
  std::vector<float> audio;  // of the frames, without what came before
};

// Pushes pieces of the given lengths in turn, checks what stands before the frames of each, and gathers the frames.
template <class Sample>
Run run(EnergyGate& gate, const std::vector<Sample>& samples, const std::vector<std::size_t>& lengths) {
  Run all;
  std::vector<float> before(kContext, 0.0f);
  for (std::size_t at = 0, i = 0; at < samples.size(); ++i) {
    const std::size_t length = std::min(lengths[i % lengths.size()], samples.size() - at);
    const std::size_t count = gate.completed_by(length);
    std::vector<GateFrame> frames(count);
    std::vector<float> audio(gate.audio_floats(count));
    const bool any = gate.push(samples.data() + at, length, frames.data(), audio.data());
    CHECK(any == std::any_of(frames.begin(), frames.end(), [](const GateFrame& f) { return f.is_held; }));
    if (count > 0) {
      CHECK(std::equal(before.begin(), before.end(), audio.begin()));
      before.assign(audio.end() - kContext, audio.end());
      all.frames.insert(all.frames.end(), frames.begin(), frames.end());
      all.audio.insert(all.audio.end(), audio.begin() + kContext, audio.end());
    }
    at += length;
  }
  return all;
}

bool same(const GateFrame& a, const GateFrame& b) {
  return a.level_db == b.level_db && a.floor_db == b.floor_db && a.zero_crossing_rate == b.zero_crossing_rate &&
         a.is_open == b.is_open && a.is_held == b.is_held;
}

// Noise whose level wanders between silence and full scale.
std::vector<std::int16_t> wandering(std::size_t samples, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<double> noise;
  std::uniform_real_distribution<double> level_db(-95.0, -5.0);
  std::vector<std::int16_t> out(samples);
  double gain = 0.0;
  for (std::size_t i = 0; i < samples; ++i) {
    if (i % 3000 == 0) gain = 32768.0 * std::pow(10.0, level_db(random) / 20.0);
    out[i] = static_cast<std::int16_t>(std::clamp(noise(random) * gain, -32768.0, 32767.0));
  }
  return out;
}

// The definitions, in double and by exhaustive search.
std::vector<GateFrame> reference(const std::vector<std::int16_t>& samples, int hold) {
  std::vector<GateFrame> out;
  std::deque<double> levels;
  int since = hold + 1;
  for (std::size_t at = 0; at + kFrame <= samples.size(); at += kFrame) {
    double power = 0.0;
    int crossings = 0;
    for (std::size_t i = at; i < at + kFrame; ++i) {
      power += samples[i] / 32768.0 * samples[i] / 32768.0 / kFrame;
      crossings += (samples[i] < 0) != (samples[i > 0 ? i - 1 : 0] < 0) ? 1 : 0;
    }
    const double level = 10.0 * std::log10(std::max(power, 1e-12));
    levels.push_back(level);
    if (levels.size() > 94) levels.pop_front();
    GateFrame frame;
    frame.level_db = static_cast<float>(level);
    frame.floor_db = static_cast<float>(*std::min_element(levels.begin(), levels.end()));
    frame.zero_crossing_rate = static_cast<float>(crossings) / kFrame;
    const double wanted = crossings > kFrame / 4 ? 2.0 : 4.0;
    frame.is_open = level > -65.0 && (level > -20.0 || level > static_cast<double>(frame.floor_db) + wanted);
    since = frame.is_open ? 0 : since + 1;
    frame.is_held = since <= hold;
    out.push_back(frame);
  }
  return out;
}

}  // namespace

TEST("every frame is what the definitions say") {
  for (unsigned seed = 1; seed <= 5; ++seed) {
    const auto samples = wandering(400 * kFrame, seed);
    EnergyGate gate(kRate, kFrame, 7);
    const Run got = run(gate, samples, {320});
    const auto expected = reference(samples, 7);
    CHECK(got.frames.size() == expected.size());
    int differ = 0;
    for (std::size_t i = 0; i < expected.size(); ++i) {
      const GateFrame& a = got.frames[i];
      const GateFrame& b = expected[i];
      differ += std::fabs(a.level_db - b.level_db) > 1e-4f || std::fabs(a.floor_db - b.floor_db) > 1e-4f ||
                a.zero_crossing_rate != b.zero_crossing_rate || a.is_open != b.is_open || a.is_held != b.is_held;
    }
    CHECK(differ == 0);
  }
}

TEST("the floor forgets a level after exactly 3 s, also while levels rise") {
  EnergyGate gate(kRate);
  std::vector<std::int16_t> rising;
  for (int frame = 0; frame < 300; ++frame) rising.insert(rising.end(), kFrame, static_cast<std::int16_t>(10 + frame));
  const Run got = run(gate, rising, {rising.size()});
  for (std::size_t i = 0; i < got.frames.size(); ++i)
    CHECK(got.frames[i].floor_db == got.frames[i < 93 ? 0 : i - 93].level_db);
}

TEST("how samples are cut and in which format they come does not matter") {
  const auto samples = wandering(60 * kFrame + 100, 11);
  std::vector<float> as_float(samples.size());
  for (std::size_t i = 0; i < samples.size(); ++i) as_float[i] = static_cast<float>(samples[i]) / 32768.0f;
  EnergyGate whole(kRate, kFrame, 3);
  const Run expected = run(whole, samples, {samples.size()});
  CHECK(std::equal(expected.audio.begin(), expected.audio.end(), as_float.begin()));
  const std::vector<std::vector<std::size_t>> cuts = {{1}, {320}, {511, 513}, {512}, {1600, 7}, {5000}};
  for (const auto& lengths : cuts) {
    EnergyGate a(kRate, 0, 3);
    EnergyGate b(kRate, 0, 3);
    const Run of_int16 = run(a, samples, lengths);
    const Run of_float32 = run(b, as_float, lengths);
    CHECK(std::equal(of_int16.frames.begin(), of_int16.frames.end(), expected.frames.begin(), expected.frames.end(),
                     same));
    CHECK(std::equal(of_float32.frames.begin(), of_float32.frames.end(), expected.frames.begin(), expected.frames.end(),
                     same));
    CHECK(of_int16.audio == expected.audio);
    CHECK(of_float32.audio == expected.audio);
    CHECK(a.missing() == kFrame - 100);
  }
}

TEST("any frame length, and input at any address") {
  const auto samples = wandering(20000, 3);
  std::vector<unsigned char> bytes(2 * samples.size() + 1);
  std::memcpy(bytes.data() + 1, samples.data(), 2 * samples.size());
  for (const int length : {320, 480, 777, 4096}) {
    EnergyGate gate(kRate, length);
    EnergyGate odd(kRate, length);
    const Run got = run(gate, samples, {1000});
    CHECK(got.frames.size() == samples.size() / static_cast<std::size_t>(length));
    std::vector<GateFrame> frames(odd.completed_by(samples.size()));
    std::vector<float> audio(odd.audio_floats(frames.size()));
    odd.push(reinterpret_cast<const std::int16_t*>(bytes.data() + 1), samples.size(), frames.data(), audio.data());
    CHECK(std::equal(frames.begin(), frames.end(), got.frames.begin(), got.frames.end(), same));
  }
}

TEST("NaN, infinity and huge samples are bounded, and leave nothing behind") {
  constexpr float kInf = std::numeric_limits<float>::infinity();
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  EnergyGate gate(kRate);
  std::vector<float> bad(4 * kFrame, kNan);
  bad[kFrame] = kInf;
  bad[2 * kFrame] = -kInf;
  bad[3 * kFrame] = 3e38f;
  const Run got = run(gate, bad, {300});
  for (const float sample : got.audio) CHECK(std::fabs(sample) <= 1e6f);
  CHECK(got.frames[0].level_db == -120.0f);
  CHECK(got.frames[3].level_db > 90.0f && got.frames[3].level_db < 130.0f);
  CHECK(gate.non_finite_samples() == 4 * kFrame - 1);
  const Run after = run(gate, std::vector<float>(kFrame, 0.25f), {kFrame});
  CHECK_NEAR(after.frames[0].level_db, 20.0 * std::log10(0.25), 1e-4);
  gate.reset();
  CHECK(gate.non_finite_samples() == 0);
}

TEST("subnormal samples are silence") {
  EnergyGate gate(kRate);
  const Run got = run(gate, std::vector<float>(3 * kFrame, 1e-40f), {777});
  for (const GateFrame& frame : got.frames) CHECK(frame.level_db == -120.0f && !frame.is_open);
}

TEST("behind the high pass an offset changes nothing but the offset") {
  const auto samples = wandering(60 * kFrame + 100, 31);
  std::vector<float> plain(samples.size());
  std::vector<float> offset(samples.size());
  for (std::size_t i = 0; i < samples.size(); ++i) {
    plain[i] = static_cast<float>(samples[i]) / 65536.0f;
    offset[i] = plain[i] + 0.25f;
  }
  for (const int length : {kFrame, 777}) {
    EnergyGate a(kRate, length, 3, 20.0);
    EnergyGate b(kRate, length, 3, 20.0);
    EnergyGate c(kRate, length, 3, 20.0);
    const Run expected = run(a, plain, {plain.size()});
    const Run got = run(b, offset, {333});
    const Run again = run(c, offset, {5000, 1});
    CHECK(got.audio == again.audio);
    float worst = 0.0f;
    for (std::size_t i = 0; i < got.audio.size(); ++i) {
      worst = std::max(worst, std::fabs(got.audio[i] - expected.audio[i]));
    }
    CHECK(worst < 1e-5f);
    CHECK_NEAR(b.rest() - a.rest(), 0.25, 1e-5);
  }
}

// The definition, y[n] = x[n] - x[n - 1] + a y[n - 1] from the mean of the first frame on, in double.
TEST("behind the high pass is what the definition says, for any frame length and corner") {
  const auto samples = wandering(30 * 1000, 41);
  for (const int length : {320, 333, 512, 777, 4096}) {
    for (const double corner_hz : {1.0, 5.0, 200.0}) {
      EnergyGate gate(kRate, length, 0, corner_hz);
      const Run got = run(gate, samples, {1600});
      const double a = std::exp(-2.0 * std::numbers::pi * corner_hz / kRate);
      double before = 0.0;
      for (int i = 0; i < length; ++i) before += samples[static_cast<std::size_t>(i)] / 32768.0 / length;
      double y = 0.0;
      double worst = 0.0;
      for (std::size_t i = 0; i < got.audio.size(); ++i) {
        const double x = samples[i] / 32768.0;
        y = x - before + a * y;
        before = x;
        worst = std::max(worst, std::fabs(y - static_cast<double>(got.audio[i])));
      }
      CHECK(worst < 2e-6);
    }
  }
}

TEST("NaN, infinity and huge samples come no further than the high pass") {
  EnergyGate gate(kRate, 333, 0, 200.0);
  std::vector<float> bad(23 * 333, 0.25f);
  bad[1] = std::numeric_limits<float>::quiet_NaN();
  bad[400] = -std::numeric_limits<float>::infinity();
  bad[665] = std::numeric_limits<float>::infinity();  // behind the last whole eight of a frame
  bad[700] = 3e38f;
  bad[701] = -3e38f;
  const Run got = run(gate, bad, {100});
  CHECK(gate.non_finite_samples() == 3);
  for (const float sample : got.audio) CHECK(std::fabs(sample) <= 1e6f);
  CHECK(got.frames[2].level_db > 90.0f);
  CHECK(got.frames.back().level_db < -100.0f);
}

TEST("a gate that was reset is a new gate") {
  const auto first = wandering(50 * kFrame + 17, 21);
  const auto second = wandering(50 * kFrame, 22);
  EnergyGate used(kRate, 0, 5);
  EnergyGate fresh(kRate, 0, 5);
  run(used, first, {640});
  used.reset();
  const Run a = run(used, second, {640});
  const Run b = run(fresh, second, {640});
  CHECK(std::equal(a.frames.begin(), a.frames.end(), b.frames.begin(), b.frames.end(), same));
  CHECK(a.audio == b.audio);
}

TEST("the state is at most 1 KiB and one frame, whatever the rate and the frame length") {
  for (const double rate : {8000.0, 16000.0, 44100.0, 192000.0}) {
    for (const double frame_s : {0.020, 0.032, 0.256}) {
      const EnergyGate gate(rate, static_cast<int>(std::lround(frame_s * rate)));
      CHECK(gate.state_bytes() <= 1024 + static_cast<std::size_t>(gate.frame_samples()) * sizeof(float));
    }
  }
}

TEST("frames are of 32 ms unless said otherwise; arguments out of range are refused") {
  CHECK(EnergyGate(8000).frame_samples() == 256);
  CHECK(EnergyGate(kRate).frame_samples() == kFrame);
  CHECK(EnergyGate(44100).frame_samples() == 1411);
  CHECK_THROWS(EnergyGate(4000), std::invalid_argument);
  CHECK_THROWS(EnergyGate(kRate, 319), std::invalid_argument);
  CHECK_THROWS(EnergyGate(kRate, 4097), std::invalid_argument);
  CHECK_THROWS(EnergyGate(kRate, kFrame, -1), std::invalid_argument);
  CHECK_THROWS(EnergyGate(kRate, kFrame, 1001), std::invalid_argument);
}

TEST("a second claim is an error until the first ends, from any thread") {
  EnergyGate gate(kRate);
  {
    const auto claim = gate.claim();
    CHECK_THROWS(gate.claim(), fastring::Error);
    bool refused = false;
    std::thread([&] {
      try {
        const auto second = gate.claim();
      } catch (const fastring::Error& error) {
        refused = error.code() == fastring::ErrorCode::kBusy;
      }
    }).join();
    CHECK(refused);
  }
  const auto again = gate.claim();
}
