#include "energy_gate.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <stdexcept>
#include <vector>

#include "check.hpp"

namespace {

std::vector<float> noise(std::size_t n, float level) {
  std::vector<float> out(n);
  std::uint32_t state = 99;
  for (float& x : out) {
    state = state * 1664525u + 1013904223u;
    x = level * (static_cast<float>(state >> 8) / 8388608.0f - 1.0f);
  }
  return out;
}

}  // namespace

TEST("the floor is the minimum of the last 94 frames, as a search through all of them finds it") {
  fastring::EnergyGate gate(16000);
  std::vector<fastring::GateFrame> frames;
  for (int i = 0; i < 400; ++i) {
    const auto x = noise(512, 0.001f * static_cast<float>(1 + (i * 7919) % 97));
    gate.push(x.data(), x.size(), frames);
  }
  for (int i = 0; i < 400; ++i) {
    float least = 0.0f;
    for (int j = i > 93 ? i - 93 : 0; j <= i; ++j) {
      least = std::fmin(least, frames[static_cast<std::size_t>(j)].level_db);
    }
    CHECK(frames[static_cast<std::size_t>(i)].floor_db == least);
  }
}

TEST("any cut gives the same frames") {
  const auto x = noise(30000, 0.3f);
  fastring::EnergyGate whole(16000);
  std::vector<fastring::GateFrame> expected;
  whole.push(x.data(), x.size(), expected);
  CHECK(expected.size() == 58);
  for (const std::size_t chunk : {std::size_t{1}, std::size_t{333}, std::size_t{1024}}) {
    fastring::EnergyGate gate(16000);
    std::vector<fastring::GateFrame> frames;
    for (std::size_t i = 0; i < x.size(); i += chunk) gate.push(x.data() + i, std::min(chunk, x.size() - i), frames);
    CHECK(frames.size() == expected.size());
    for (std::size_t i = 0; i < frames.size() && i < expected.size(); ++i) {
      CHECK(frames[i].level_db == expected[i].level_db && frames[i].is_open == expected[i].is_open);
      CHECK(frames[i].zero_crossing_rate == expected[i].zero_crossing_rate);
    }
  }
}

TEST("silence stays closed, steady noise closes, and bad samples do no harm") {
  fastring::EnergyGate gate(8000);
  CHECK(gate.frame_samples() == 256);
  std::vector<fastring::GateFrame> frames;
  std::vector<float> x(256 * 20);
  gate.push(x.data(), x.size(), frames);
  for (const auto& frame : frames) CHECK(!frame.is_open && frame.level_db == -120.0f);
  frames.clear();
  x.assign(x.size(), std::numeric_limits<float>::quiet_NaN());
  gate.push(x.data(), x.size(), frames);
  for (const auto& frame : frames) CHECK(!frame.is_open && std::isfinite(frame.level_db));
  frames.clear();
  gate.reset();
  const auto steady = noise(256 * 200, 0.02f);
  gate.push(steady.data(), steady.size(), frames);
  for (std::size_t i = 20; i < frames.size(); ++i) CHECK(!frames[i].is_open);
  CHECK_THROWS(fastring::EnergyGate(100), std::invalid_argument);
}
