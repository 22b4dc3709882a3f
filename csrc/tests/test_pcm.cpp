#include "pcm.hpp"

#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "check.hpp"
#include "pcm_kernels.hpp"

namespace {

std::vector<fastring::Isa> runnable() {
  std::vector<fastring::Isa> sets{fastring::Isa::kBaseline};
  if (fastring::active_isa() == fastring::Isa::kAvx2) sets.push_back(fastring::Isa::kAvx2);
  return sets;
}

// The definition, one sample at a time, in double.
std::int16_t reference_pcm16(float value) {
  if (std::isnan(value)) return 0;
  const double scaled = static_cast<double>(value) * 32768.0;
  return static_cast<std::int16_t>(std::nearbyint(std::fmax(-32768.0, std::fmin(32767.0, scaled))));
}

}  // namespace

TEST("every int16 survives the way to float32 and back") {
  std::vector<std::int16_t> in(65536);
  for (std::size_t i = 0; i < in.size(); ++i) in[i] = static_cast<std::int16_t>(static_cast<int>(i) - 32768);
  for (const auto isa : runnable()) {
    const auto& kernels = fastring::pcm_kernels(isa);
    std::vector<float> middle(in.size());
    std::vector<std::int16_t> out(in.size());
    kernels.pcm16_to_float32(in.data(), middle.data(), in.size());
    kernels.float32_to_pcm16(middle.data(), out.data(), in.size());
    CHECK(middle[0] == -1.0F);
    CHECK(middle[65535] == 32767.0F / 32768.0F);
    CHECK(out == in);
  }
}

TEST("float32 to int16 rounds ties to even, saturates, and makes NaN 0") {
  constexpr float kInf = std::numeric_limits<float>::infinity();
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  std::vector<float> in{0.5F / 32768,
                        1.5F / 32768,
                        2.5F / 32768,
                        -0.5F / 32768,
                        -1.5F / 32768,
                        1.0F,
                        -1.0F,
                        1e9F,
                        -1e9F,
                        kInf,
                        -kInf,
                        kNan,
                        -kNan,
                        1e-40F,
                        32766.5F / 32768,
                        -32767.5F / 32768,
                        3e38F,
                        -3e38F,
                        0.99999F,
                        -0.0F,
                        1.00001F};
  for (int i = 0; i < 2000; ++i) in.push_back(static_cast<float>(std::sin(i * 0.7) * 1.3));
  for (const auto isa : runnable()) {
    // Every length and offset, so that the vector part and the rest see each value.
    for (std::size_t skip = 0; skip < 21; ++skip) {
      std::vector<std::int16_t> out(in.size() - skip, 99);
      fastring::pcm_kernels(isa).float32_to_pcm16(in.data() + skip, out.data(), out.size());
      for (std::size_t i = 0; i < out.size(); ++i) CHECK(out[i] == reference_pcm16(in[skip + i]));
    }
  }
}

TEST("conversions take any length and any address") {
  std::vector<unsigned char> bytes(4 * 70 + 1, 0);
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<unsigned char>(i * 37);
  for (const auto isa : runnable()) {
    for (std::size_t samples = 0; samples < 70; ++samples) {
      std::vector<float> out(samples + 1, 7.0F);
      const auto* odd = reinterpret_cast<const std::int16_t*>(bytes.data() + 1);
      fastring::pcm_kernels(isa).pcm16_to_float32(odd, out.data(), samples);
      for (std::size_t i = 0; i < samples; ++i) {
        std::int16_t value;
        std::memcpy(&value, bytes.data() + 1 + 2 * i, 2);
        CHECK(out[i] == static_cast<float>(value) / 32768.0F);
      }
      CHECK(out[samples] == 7.0F);
    }
  }
}

TEST("G.711 codes decode to the values of its tables") {
  // Corner values of the standard, 14-bit mu-law times 4 and 13-bit A-law times 8.
  const std::vector<std::pair<int, int>> mulaw{{0x00, -32124}, {0x80, 32124}, {0x7F, 0},      {0xFF, 0},
                                               {0xFE, 8},      {0x7E, -8},    {0x0F, -16764}, {0x8F, 16764},
                                               {0xEF, 132},    {0x10, -15996}};
  const std::vector<std::pair<int, int>> alaw{{0xD5, 8},    {0x55, -8},    {0xAA, 32256}, {0x2A, -32256},
                                              {0x80, 5504}, {0x00, -5504}, {0xC5, 264},   {0x45, -264}};
  for (const auto isa : runnable()) {
    const auto& kernels = fastring::pcm_kernels(isa);
    std::uint8_t codes[256];
    for (int i = 0; i < 256; ++i) codes[i] = static_cast<std::uint8_t>(i);
    std::int16_t out[256];
    float wide[256];
    kernels.mulaw_to_pcm16(codes, out, 256);
    kernels.mulaw_to_float32(codes, wide, 256);
    for (const auto& [code, value] : mulaw) CHECK(out[code] == value);
    for (int i = 0; i < 128; ++i) CHECK(out[i] == -out[i + 128]);
    for (int i = 0; i < 256; ++i) CHECK(wide[i] * 32768.0F == static_cast<float>(out[i]));
    kernels.alaw_to_pcm16(codes, out, 256);
    kernels.alaw_to_float32(codes, wide, 256);
    for (const auto& [code, value] : alaw) CHECK(out[code] == value);
    for (int i = 0; i < 128; ++i) CHECK(out[i] == -out[i + 128]);
    for (int i = 0; i < 256; ++i) CHECK(wide[i] * 32768.0F == static_cast<float>(out[i]));
  }
}

TEST("mixdown is the mean, deinterleave a transpose, for any number of channels") {
  for (const auto isa : runnable()) {
    const auto& kernels = fastring::pcm_kernels(isa);
    for (std::size_t channels = 1; channels <= 32; ++channels) {
      const std::size_t frames = 37;
      std::vector<std::int16_t> in(frames * channels);
      std::vector<float> wide(in.size());
      for (std::size_t i = 0; i < in.size(); ++i) {
        in[i] = static_cast<std::int16_t>((i * 7919) % 65536 - 32768);
        wide[i] = static_cast<float>(in[i]) / 32768.0F;
      }
      std::vector<std::int16_t> mono(frames), planes(in.size());
      std::vector<float> mono_wide(frames), planes_wide(in.size());
      kernels.mixdown_int16(in.data(), mono.data(), frames, channels);
      kernels.mixdown_float32(wide.data(), mono_wide.data(), frames, channels);
      kernels.deinterleave_int16(in.data(), planes.data(), frames, channels);
      kernels.deinterleave_float32(wide.data(), planes_wide.data(), frames, channels);
      for (std::size_t f = 0; f < frames; ++f) {
        double sum = 0;
        for (std::size_t c = 0; c < channels; ++c) {
          sum += in[f * channels + c];
          CHECK(planes[c * frames + f] == in[f * channels + c]);
          CHECK(planes_wide[c * frames + f] == wide[f * channels + c]);
        }
        CHECK_NEAR(mono[f], std::nearbyint(sum / static_cast<double>(channels)), 0);
        CHECK_NEAR(mono_wide[f], sum / static_cast<double>(channels) / 32768.0, 1e-6);
      }
    }
  }
}

TEST("convert_samples copies or converts") {
  const std::int16_t in[3] = {-32768, 0, 16384};
  float wide[3];
  std::int16_t back[3];
  using fastring::SampleType;
  fastring::convert_samples(in, SampleType::kInt16, wide, SampleType::kFloat32, 3);
  CHECK(wide[0] == -1.0F && wide[1] == 0.0F && wide[2] == 0.5F);
  fastring::convert_samples(wide, SampleType::kFloat32, back, SampleType::kInt16, 3);
  CHECK(std::memcmp(in, back, sizeof in) == 0);
  fastring::convert_samples(in, SampleType::kInt16, back, SampleType::kInt16, 3);
  CHECK(std::memcmp(in, back, sizeof in) == 0);
}
