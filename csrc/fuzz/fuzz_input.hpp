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

// Up to `most` samples of what audio can hold and should not: a list of segments, each of one kind.
inline std::vector<float> take_audio(FuzzInput& input, std::size_t most) {
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  std::vector<float> audio;
  std::uint32_t noise = input.take<std::uint16_t>();
  while (!input.done() && audio.size() < most) {
    const auto kind = input.take<std::uint8_t>();
    const std::size_t length =
        std::min<std::size_t>(1 + static_cast<std::size_t>(input.below(3000)), most - audio.size());
    const float level = std::ldexp(1.0f, -static_cast<int>(kind >> 4));
    const float step = 0.003f * static_cast<float>(1 + input.take<std::uint8_t>());
    for (std::size_t i = 0; i < length; ++i) {
      noise = noise * 1664525u + 1013904223u;
      const float random = static_cast<float>(noise >> 8) / 8388608.0f - 1.0f;
      switch (kind % 12) {
        case 0:
          audio.push_back(0.0f);
          break;
        case 1:
          audio.push_back(level * random);
          break;
        case 2:
          audio.push_back(level * std::sin(step * static_cast<float>(i)));
          break;
        case 3:
          audio.push_back(level);
          break;
        case 4:
          audio.push_back(i % 500 < 20 ? level : 0.0f);
          break;
        case 5:
          audio.push_back(kNan);
          break;
        case 6:
          audio.push_back(i % 2 == 0 ? kInfinity : -kInfinity);
          break;
        case 7:
          audio.push_back(1e-40f * random);
          break;
        case 8:
          audio.push_back(-0.0f);
          break;
        case 9:
          audio.push_back(random > 0.9f ? kNan : level * random);
          break;
        case 10:
          audio.push_back(std::numeric_limits<float>::max() * random);
          break;
        default:
          audio.push_back(input.take<float>());
          break;
      }
    }
  }
  return audio;
}

}  // namespace fastring::fuzz
