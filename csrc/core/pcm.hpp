// Sample formats and the conversions between them: linear 16-bit, float32, mu-law and A-law (ITU-T G.711).
//
// Full scale is 32768: int16 / 32768 is exact in float32 and -32768 is exactly -1.0, so int16 -> float32 -> int16 gives
// back every value. All functions: any length, any alignment, no overlap of input and output, no allocation, any
// thread.
#pragma once

#include <cstddef>
#include <cstdint>

namespace fastring {

enum class SampleType { kInt16, kFloat32 };

[[nodiscard]] constexpr std::int64_t sample_bytes(SampleType type) noexcept {
  return type == SampleType::kInt16 ? std::int64_t{2} : std::int64_t{4};
}

[[nodiscard]] constexpr SampleType other(SampleType type) noexcept {
  return type == SampleType::kInt16 ? SampleType::kFloat32 : SampleType::kInt16;
}

// out[i] = in[i] / 32768.
void pcm16_to_float32(const std::int16_t* in, float* out, std::size_t samples) noexcept;

// out[i] = in[i] * 32768, rounded to nearest even, saturated to -32768..32767; NaN gives 0.
void float32_to_pcm16(const float* in, std::int16_t* out, std::size_t samples) noexcept;

// The decoders of G.711, to the 16-bit values of its tables 1a and 2a scaled to full scale (8-bit codes in).
void mulaw_to_pcm16(const std::uint8_t* in, std::int16_t* out, std::size_t samples) noexcept;
void alaw_to_pcm16(const std::uint8_t* in, std::int16_t* out, std::size_t samples) noexcept;
void mulaw_to_float32(const std::uint8_t* in, float* out, std::size_t samples) noexcept;
void alaw_to_float32(const std::uint8_t* in, float* out, std::size_t samples) noexcept;

// Mean over the channels of interleaved frames. int16 is rounded to nearest even. channels is at least 1.
void mixdown(const std::int16_t* in, std::int16_t* out, std::size_t frames, std::size_t channels) noexcept;
void mixdown(const float* in, float* out, std::size_t frames, std::size_t channels) noexcept;

// out[c * frames + f] = in[f * channels + c]. channels is at least 1.
void deinterleave(const std::int16_t* in, std::int16_t* out, std::size_t frames, std::size_t channels) noexcept;
void deinterleave(const float* in, float* out, std::size_t frames, std::size_t channels) noexcept;

// Any of the two types to the other, or a copy.
void convert_samples(const void* in, SampleType from, void* out, SampleType to, std::size_t samples) noexcept;

}  // namespace fastring
