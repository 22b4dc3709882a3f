// The energy gate on hostile audio: however it is cut, and after any reset, the same frames and the same audio beside
// them, and nothing but numbers.
#include "energy_gate.hpp"

#include <cmath>

#include "fuzz_input.hpp"

namespace {

using fastring::EnergyGate;
using fastring::GateFrame;

struct Handed {
  std::vector<GateFrame> frames;
  std::vector<float> audio;  // the frames, without what is handed out before the first of a push
  std::int64_t non_finite = 0;
};

void push(EnergyGate& gate, const float* samples, std::size_t count, Handed& handed) {
  const std::size_t completed = gate.completed_by(count);
  std::vector<GateFrame> frames(completed);
  std::vector<float> audio(completed > 0 ? gate.audio_floats(completed) : 0);
  const bool any_held = gate.push(samples, count, frames.data(), audio.data());
  FUZZ_CHECK(any_held ==
             std::any_of(frames.begin(), frames.end(), [](const GateFrame& frame) { return frame.is_held; }));
  handed.frames.insert(handed.frames.end(), frames.begin(), frames.end());
  if (completed == 0) return;
  const auto* begin = audio.data();
  constexpr std::size_t kContext = EnergyGate::kContextSamples;
  for (std::size_t i = 0; i < std::min(kContext, handed.audio.size()); ++i) {  // the context is what came before
    FUZZ_CHECK(begin[kContext - 1 - i] == handed.audio[handed.audio.size() - 1 - i]);
  }
  handed.audio.insert(handed.audio.end(), begin + kContext, begin + audio.size());
}

void check_frames(const Handed& handed) {
  for (const GateFrame& frame : handed.frames) {
    FUZZ_CHECK(std::isfinite(frame.level_db) && std::isfinite(frame.floor_db));
    FUZZ_CHECK(frame.level_db >= fastring::kGateLeast_db && frame.floor_db <= frame.level_db);
    FUZZ_CHECK(frame.zero_crossing_rate >= 0.0f && frame.zero_crossing_rate <= 1.0f);
    FUZZ_CHECK(frame.is_held || !frame.is_open);
  }
  for (const float sample : handed.audio) FUZZ_CHECK(std::fabs(sample) <= 1e6f);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fastring::fuzz::FuzzInput input(data, size);
  const double sample_rate = 8000.0 + static_cast<double>(input.below(40001));
  const auto hold_frames = static_cast<int>(input.below(20));
  std::uint32_t cuts = input.take<std::uint32_t>();
  const auto audio = fastring::fuzz::take_audio(input, 48000);
  EnergyGate gate(sample_rate, 0, hold_frames);

  Handed whole;
  push(gate, audio.data(), audio.size(), whole);
  whole.non_finite = gate.non_finite_samples();
  FUZZ_CHECK(whole.frames.size() == audio.size() / static_cast<std::size_t>(gate.frame_samples()));
  check_frames(whole);

  gate.reset();
  Handed pieces;
  for (std::size_t at = 0; at < audio.size();) {
    cuts = cuts * 1664525u + 1013904223u;
    const std::size_t count = std::min<std::size_t>((cuts >> 8) % ((cuts & 7) == 0 ? 3 : 900), audio.size() - at);
    push(gate, audio.data() + at, count, pieces);
    at += count;
  }
  FUZZ_CHECK(whole.non_finite == gate.non_finite_samples());
  FUZZ_CHECK(whole.audio == pieces.audio && whole.frames.size() == pieces.frames.size());
  for (std::size_t i = 0; i < whole.frames.size(); ++i) {
    const GateFrame& a = whole.frames[i];
    const GateFrame& b = pieces.frames[i];
    FUZZ_CHECK(a.level_db == b.level_db && a.floor_db == b.floor_db && a.zero_crossing_rate == b.zero_crossing_rate);
    FUZZ_CHECK(a.is_open == b.is_open && a.is_held == b.is_held);
  }
  return 0;
}
