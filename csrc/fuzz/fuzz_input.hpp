// Bytes of a fuzzer as numbers and as audio. What is missing at the end reads as 0, so every input means something.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <vector>

// Ends the run with the line that is wrong; the fuzzer keeps the input.
#define FUZZ_CHECK(condition)                                                      \
  do {                                                                             \
    if (!(condition)) {                                                            \
      std::fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition); \
      std::abort();                                                                \
    }                                                                              \
  } while (false)

namespace fastring::fuzz {

class FuzzInput {
 public:
  FuzzInput(const std::uint8_t* data, std::size_t size) : at_(data), end_(data + size) {}

  [[nodiscard]] bool done() const { return at_ == end_; }
  template <class Value>
  Value take() {
    Value value{};
    const std::size_t bytes = std::min(sizeof(Value), static_cast<std::size_t>(end_ - at_));
    std::memcpy(&value, at_, bytes);
    at_ += bytes;
    return value;
  }
  // 0 to limit - 1, from two bytes.
  std::int64_t below(std::int64_t limit) { return take<std::uint16_t>() % limit; }

 private:
  const std::uint8_t* at_;
  const std::uint8_t* end_;
};

// One segment of audio of some kind: what audio can hold, and what it should not.
inline void fill_segment(FuzzInput& input, unsigned kind, float level, float step, std::uint32_t& noise, float* audio,
                         std::size_t samples) {
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  const auto fill = [&](auto sample) {
    for (std::size_t i = 0; i < samples; ++i) {
      noise = noise * 1664525u + 1013904223u;
      audio[i] = sample(i, static_cast<float>(noise >> 8) / 8388608.0f - 1.0f);
    }
  };
  switch (kind) {
    case 0:
      return fill([](std::size_t, float) { return 0.0f; });
    case 1:
      return fill([=](std::size_t, float random) { return level * random; });
    case 2:
      return fill([=](std::size_t i, float) { return level * std::sin(step * static_cast<float>(i)); });
    case 3:
      return fill([=](std::size_t, float) { return level; });
    case 4:
      return fill([=](std::size_t i, float) { return i % 500 < 20 ? level : 0.0f; });
    case 5:
      return fill([](std::size_t, float) { return kNan; });
    case 6:
      return fill([](std::size_t i, float) { return i % 2 == 0 ? kInfinity : -kInfinity; });
    case 7:
      return fill([](std::size_t, float random) { return 1e-40f * random; });
    case 8:
      return fill([](std::size_t, float) { return -0.0f; });
    case 9:
      return fill([=](std::size_t, float random) { return random > 0.9f ? kNan : level * random; });
    case 10:
      return fill([](std::size_t, float random) { return std::numeric_limits<float>::max() * random; });
    default:
      return fill([&](std::size_t, float) { return input.take<float>(); });
  }
}

// Up to `most` samples: a list of segments, short ones more often than long ones.
inline std::vector<float> take_audio(FuzzInput& input, std::size_t most) {
  constexpr std::size_t kShort = 200;
  constexpr std::size_t kLong = 3000;
  std::vector<float> audio;
  std::uint32_t noise = input.take<std::uint16_t>();
  while (!input.done() && audio.size() < most) {
    const auto kind = input.take<std::uint8_t>();
    const std::size_t length = input.take<std::uint16_t>();
    const float step = 0.003f * static_cast<float>(1 + input.take<std::uint8_t>());
    const std::size_t begin = audio.size();
    const std::size_t samples = std::min(1 + length % (length < kLong ? kLong : kShort), most - begin);
    audio.resize(begin + samples);
    fill_segment(input, kind % 12, std::ldexp(1.0f, -static_cast<int>(kind >> 4)), step, noise, audio.data() + begin,
                 samples);
  }
  return audio;
}

}  // namespace fastring::fuzz
