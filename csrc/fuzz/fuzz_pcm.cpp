// Conversions against plain arithmetic, one sample at a time, for any length and alignment.
#include <cmath>

#include "fuzz_input.hpp"
#include "pcm.hpp"
#include "tight_array.hpp"

namespace {

using fastring::fuzz::TightArray;

constexpr std::size_t kMostSamples = 512;

std::int16_t narrowed(double value) {
  if (std::isnan(value)) return 0;
  return static_cast<std::int16_t>(std::clamp(std::nearbyint(value), -32768.0, 32767.0));
}

// ITU-T G.711, tables 2a and 1a, scaled to 16 bits.
std::int16_t mulaw(std::uint8_t code) {
  const int inverted = ~code & 0xFF;
  const int magnitude = (((inverted & 0x0F) << 3) + 0x84) << ((inverted & 0x70) >> 4);
  return static_cast<std::int16_t>((inverted & 0x80) != 0 ? 0x84 - magnitude : magnitude - 0x84);
}
std::int16_t alaw(std::uint8_t code) {
  const int even = code ^ 0x55;
  const int segment = (even & 0x70) >> 4;
  int magnitude = ((even & 0x0F) << 4) + 8;
  if (segment > 0) magnitude = (magnitude + 0x100) << (segment - 1);
  return static_cast<std::int16_t>((even & 0x80) != 0 ? magnitude : -magnitude);
}

// Samples at a chosen misalignment, with a guard on both sides of what is written.
template <class Sample>
class Misaligned {
 public:
  Misaligned(std::size_t samples, std::size_t offset)
      : samples_(samples), bytes_((samples + 4) * sizeof(Sample) + offset) {
    std::fill(bytes_.begin(), bytes_.end(), kGuard);
    data_ = reinterpret_cast<Sample*>(bytes_.data() + 2 * sizeof(Sample) + offset);
  }
  Sample* data() { return data_; }
  [[nodiscard]] Sample at(std::size_t i) const {
    Sample value;
    std::memcpy(&value, data_ + i, sizeof(Sample));
    return value;
  }
  [[nodiscard]] bool guards_are_whole() const {
    const auto* begin = reinterpret_cast<const std::uint8_t*>(data_);
    const auto* end = reinterpret_cast<const std::uint8_t*>(data_ + samples_);
    return std::count(bytes_.begin(), begin, kGuard) == begin - bytes_.begin() &&
           std::count(end, bytes_.end(), kGuard) == bytes_.end() - end;
  }

 private:
  static constexpr std::uint8_t kGuard = 0xA5;
  std::size_t samples_;
  TightArray<std::uint8_t, (kMostSamples + 4) * sizeof(Sample) + 64> bytes_;
  Sample* data_;
};

void check_linear(const std::uint8_t* data, std::size_t size, std::size_t offset) {
  Misaligned<std::int16_t> narrow(size / 2, offset * 2);
  std::memcpy(narrow.data(), data, size / 2 * 2);
  Misaligned<float> wide(size / 2, offset * 4);
  fastring::pcm16_to_float32(narrow.data(), wide.data(), size / 2);
  for (std::size_t i = 0; i < size / 2; ++i) FUZZ_CHECK(wide.at(i) == static_cast<float>(narrow.at(i)) / 32768.0f);
  Misaligned<std::int16_t> back(size / 2, offset * 2);
  fastring::float32_to_pcm16(wide.data(), back.data(), size / 2);
  for (std::size_t i = 0; i < size / 2; ++i) FUZZ_CHECK(back.at(i) == narrow.at(i));
  FUZZ_CHECK(wide.guards_are_whole() && back.guards_are_whole());

  Misaligned<float> any(size / 4, offset * 4);
  std::memcpy(any.data(), data, size / 4 * 4);
  Misaligned<std::int16_t> out(size / 4, offset * 2);
  fastring::float32_to_pcm16(any.data(), out.data(), size / 4);
  for (std::size_t i = 0; i < size / 4; ++i) FUZZ_CHECK(out.at(i) == narrowed(double{any.at(i)} * 32768.0));
  FUZZ_CHECK(out.guards_are_whole());
}

void check_g711(const std::uint8_t* data, std::size_t size, std::size_t offset) {
  Misaligned<std::int16_t> mu(size, offset * 2);
  Misaligned<std::int16_t> a(size, offset * 2);
  Misaligned<float> mu_wide(size, offset * 4);
  Misaligned<float> a_wide(size, offset * 4);
  fastring::mulaw_to_pcm16(data, mu.data(), size);
  fastring::alaw_to_pcm16(data, a.data(), size);
  fastring::mulaw_to_float32(data, mu_wide.data(), size);
  fastring::alaw_to_float32(data, a_wide.data(), size);
  for (std::size_t i = 0; i < size; ++i) {
    FUZZ_CHECK(mu.at(i) == mulaw(data[i]) && a.at(i) == alaw(data[i]));
    FUZZ_CHECK(mu_wide.at(i) == static_cast<float>(mulaw(data[i])) / 32768.0f);
    FUZZ_CHECK(a_wide.at(i) == static_cast<float>(alaw(data[i])) / 32768.0f);
  }
  FUZZ_CHECK(mu.guards_are_whole() && a.guards_are_whole());
  FUZZ_CHECK(mu_wide.guards_are_whole() && a_wide.guards_are_whole());
}

void check_channels(const std::uint8_t* data, std::size_t size, std::size_t channels) {
  const std::size_t frames = size / 2 / channels;
  TightArray<std::int16_t, kMostSamples> in(frames * channels);
  if (frames == 0) return;
  std::memcpy(in.data(), data, in.size() * 2);
  TightArray<float, kMostSamples> in_wide(in.size());
  fastring::pcm16_to_float32(in.data(), in_wide.data(), in.size());
  Misaligned<std::int16_t> mixed(frames, 0);
  Misaligned<float> mixed_wide(frames, 0);
  Misaligned<std::int16_t> apart(in.size(), 0);
  fastring::mixdown(in.data(), mixed.data(), frames, channels);
  fastring::mixdown(in_wide.data(), mixed_wide.data(), frames, channels);
  fastring::deinterleave(in.data(), apart.data(), frames, channels);
  for (std::size_t f = 0; f < frames; ++f) {
    double sum = 0.0;
    for (std::size_t c = 0; c < channels; ++c) {
      sum += in[f * channels + c];
      FUZZ_CHECK(apart.at(c * frames + f) == in[f * channels + c]);
    }
    const double mean = sum / static_cast<double>(channels);
    FUZZ_CHECK(mixed.at(f) == narrowed(mean));
    FUZZ_CHECK(std::fabs(double{mixed_wide.at(f)} - mean / 32768.0) < 2e-6);
  }
  FUZZ_CHECK(mixed.guards_are_whole() && mixed_wide.guards_are_whole() && apart.guards_are_whole());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const std::size_t offset = data[0] % 8;
  const std::size_t channels = 1 + data[1] % 33;
  data += 2;
  size = std::min(size - 2, kMostSamples);
  check_linear(data, size, offset);
  check_g711(data, size, offset);
  check_channels(data, size, channels);
  return 0;
}
