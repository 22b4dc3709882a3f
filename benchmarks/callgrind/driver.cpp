// Does one operation of the core a number of times, for callgrind to count its instructions: driver OPERATION REPEATS.
// Without arguments it prints what identifies the build and the operations. measure.py runs it.
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>
#if defined(__GLIBC__)
#include <gnu/libc-version.h>
#endif

#include "analyzer.hpp"
#include "analyzer_recorder.hpp"
#include "cpu.hpp"
#include "energy_gate.hpp"
#include "fft.hpp"
#include "pcm.hpp"
#include "ring_buffer.hpp"
#include "ring_reader.hpp"

namespace {

constexpr int kChunk = 1024;
constexpr double kSampleRate = 44100.0;

// A tone with a little noise and a click every half second: something for every detector.
std::vector<float> tone_with_clicks(int samples) {
  std::vector<float> audio(static_cast<std::size_t>(samples));
  std::uint32_t state = 1;
  for (int i = 0; i < samples; ++i) {
    state = state * 1664525u + 1013904223u;
    const float noise = static_cast<float>(state >> 8) / 8388608.0f - 1.0f;
    const float click = i % 22050 < 200 ? 0.6f : 0.0f;
    audio[static_cast<std::size_t>(i)] = 0.3f * std::sin(0.0627f * static_cast<float>(i)) + 0.003f * noise + click;
  }
  return audio;
}

double ring_write_read(int repeats) {
  fastring::RingBuffer ring({8 * kChunk, 1, fastring::SampleType::kInt16, fastring::OverflowPolicy::kDropOldest, 0});
  fastring::RingReader reader(ring);
  std::vector<std::int16_t> audio(kChunk, 7);
  std::vector<std::int16_t> out(kChunk);
  std::int64_t frames = 0;
  for (int i = 0; i < repeats; ++i) {
    if (ring.write(audio.data(), kChunk) != fastring::WriteStatus::kOk) return -1.0;
    frames += reader.read(out.data(), kChunk).frames;
  }
  return frames == std::int64_t{kChunk} * repeats && out.back() == 7 ? 1.0 : -1.0;
}

double pcm16_to_float32(int repeats) {
  std::vector<std::int16_t> audio(kChunk, 16384);
  std::vector<float> out(kChunk);
  for (int i = 0; i < repeats; ++i) fastring::pcm16_to_float32(audio.data(), out.data(), kChunk);
  return out.back() == 0.5f ? 1.0 : -1.0;
}

double rfft(int repeats) {
  constexpr int kSize = 2048;
  const auto audio = tone_with_clicks(kSize);
  const auto& plan = fastring::real_fft_plan(kSize);
  std::vector<float> re(fastring::rfft_output_size(kSize));
  std::vector<float> im(re.size());
  std::vector<float> work(fastring::rfft_work_size(kSize));
  for (int i = 0; i < repeats; ++i) {
    fastring::rfft(plan, audio.data(), nullptr, re.data(), im.data(), work.data());
  }
  return std::isfinite(re[1]) ? 1.0 : -1.0;
}

// With FASTRING_SLOW_DOWN set, a second analyzer takes every fifth chunk as well: the work of one that is 20 % slower,
// for the test that such a one does not pass.
double analysis(int repeats) {
  const auto audio = tone_with_clicks(64 * kChunk);
  const bool slow_down = std::getenv("FASTRING_SLOW_DOWN") != nullptr;
  fastring::Analyzer analyzer(kSampleRate, 1, fastring::AnalyzerSettings{});
  fastring::Analyzer second(kSampleRate, 1, fastring::AnalyzerSettings{});
  fastring::AnalyzerRecorder recorder;
  for (int i = 0; i < repeats; ++i) {
    const float* chunk = audio.data() + (i % 64) * kChunk;
    recorder.clear();
    if (slow_down && i % 5 == 0) second.push(chunk, kChunk, recorder);
    recorder.clear();
    analyzer.push(chunk, kChunk, recorder);
  }
  return std::fabs(analyzer.pitch().f0_hz - 440.0f) < 5.0f ? 1.0 : -1.0;
}

// The chunk of a voice client: 20 ms at 16 kHz.
double voice_analysis(int repeats) {
  constexpr int kVoiceChunk = 320;
  const auto audio = tone_with_clicks(64 * kVoiceChunk);
  fastring::Analyzer analyzer(16000.0, 1, fastring::AnalyzerSettings{});
  fastring::AnalyzerRecorder recorder;
  for (int i = 0; i < repeats; ++i) {
    recorder.clear();
    analyzer.push(audio.data() + (i % 64) * kVoiceChunk, kVoiceChunk, recorder);
  }
  return std::fabs(analyzer.pitch().f0_hz - 159.7f) < 2.0f ? 1.0 : -1.0;
}

// What a gated voice client costs the core: 100 ms at 16 kHz behind the high pass, as the server asks for it.
double energy_gate(int repeats) {
  constexpr std::size_t kMessage = 1600;
  std::vector<std::int16_t> audio(64 * kMessage);
  std::uint32_t state = 1;
  for (auto& sample : audio) {
    state = state * 1664525u + 1013904223u;
    sample = static_cast<std::int16_t>(200 + static_cast<int>(state >> 25));  // a quiet room, off zero
  }
  fastring::EnergyGate gate(16000.0, 0, 10, 5.0);
  std::vector<fastring::GateFrame> frames(gate.completed_by(kMessage) + 1);
  std::vector<float> heard(gate.audio_floats(frames.size()));
  int held = 0;
  for (int i = 0; i < repeats; ++i) {
    held += gate.push(audio.data() + static_cast<std::size_t>(i % 64) * kMessage, kMessage, frames.data(), heard.data())
                ? 1
                : 0;
  }
  return held == 0 && std::fabs(gate.rest() - 264.0f / 32768.0f) < 1e-3f ? 1.0 : -1.0;
}

struct Operation {
  const char* name;
  double (*run)(int repeats);
};
constexpr Operation kOperations[] = {
    {"ring write + read 1024 int16", ring_write_read},
    {"int16 to float32 1024", pcm16_to_float32},
    {"rfft 2048", rfft},
    {"full analysis 1024 @ 44.1 kHz", analysis},
    {"full analysis 320 @ 16 kHz", voice_analysis},
    {"energy gate 1600 @ 16 kHz", energy_gate},
};

void describe() {
#if defined(__clang__)
  std::printf("clang %d.%d.%d", __clang_major__, __clang_minor__, __clang_patchlevel__);
#elif defined(__GNUC__)
  std::printf("gcc %d.%d.%d", __GNUC__, __GNUC_MINOR__, __GNUC_PATCHLEVEL__);
#endif
#if defined(__GLIBC__)
  std::printf(", glibc %s", gnu_get_libc_version());
#endif
  std::printf("\n%s\n", fastring::isa_name(fastring::active_isa()));
  for (const Operation& operation : kOperations) std::printf("%s\n", operation.name);
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 3) {
    describe();
    return 0;
  }
  for (const Operation& operation : kOperations) {
    if (std::strcmp(operation.name, arguments[1]) != 0) continue;
    if (operation.run(std::atoi(arguments[2])) > 0.0) return 0;
    std::fprintf(stderr, "%s: wrong answer\n", operation.name);
    return 1;
  }
  std::fprintf(stderr, "no operation called %s\n", arguments[1]);
  return 2;
}
