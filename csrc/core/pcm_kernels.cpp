// Plain loops that the compiler turns into vector code, except where x86 has an instruction it does not find:
// saturating packs. Compiled once per instruction set.
#include "pcm_kernels.hpp"

#include <bit>
#include <cstring>
#include <limits>

#if defined(__AVX2__) || defined(__SSE2__) || defined(_M_X64)
#include <immintrin.h>
#define FASTRING_SSE2 1
#endif

namespace fastring::FASTRING_ISA {
namespace {

// Callers may hand in audio at any byte address, so every access goes through these; they become plain vector moves.
template <class T>
T load(const T* array, std::size_t i) noexcept {
  T value;
  std::memcpy(&value, reinterpret_cast<const unsigned char*>(array) + i * sizeof(T), sizeof(T));
  return value;
}

template <class T>
void store(T* array, std::size_t i, T value) noexcept {
  std::memcpy(reinterpret_cast<unsigned char*>(array) + i * sizeof(T), &value, sizeof(T));
}

constexpr float kFullScale = 32768.0F;

// Adding 1.5 * 2^23 leaves a float in -2^22..2^22 rounded to nearest even in the low bits of its pattern.
constexpr float kRoundingBias = 12582912.0F;

std::int32_t round_to_int(float value) noexcept {
  return std::bit_cast<std::int32_t>(value + kRoundingBias) - std::bit_cast<std::int32_t>(kRoundingBias);
}

std::int16_t to_pcm16(float value) noexcept {
  float scaled = value == value ? value * kFullScale : 0.0F;
  scaled = scaled < 32767.0F ? scaled : 32767.0F;
  scaled = scaled > -32768.0F ? scaled : -32768.0F;
  return static_cast<std::int16_t>(round_to_int(scaled));
}

void pcm16_to_float32(const std::int16_t* in, float* out, std::size_t samples) noexcept {
  for (std::size_t i = 0; i < samples; ++i) store(out, i, static_cast<float>(load(in, i)) * (1.0F / kFullScale));
}

// cvtps2dq rounds to nearest even and gives INT_MIN for what is too large either way, so only the upper end needs a
// limit; packssdw saturates the lower. The mask makes NaN 0.
#if defined(__AVX2__)
__m256i rounded(const float* in) noexcept {
  const __m256 value = _mm256_loadu_ps(in);
  const __m256 ordered = _mm256_and_ps(value, _mm256_cmp_ps(value, value, _CMP_ORD_Q));
  const __m256 scaled = _mm256_mul_ps(ordered, _mm256_set1_ps(kFullScale));
  return _mm256_cvtps_epi32(_mm256_min_ps(scaled, _mm256_set1_ps(32767.0F)));
}

std::size_t vector_float32_to_pcm16(const float* in, std::int16_t* out, std::size_t samples) noexcept {
  std::size_t i = 0;
  for (; i + 16 <= samples; i += 16) {
    const __m256i packed = _mm256_packs_epi32(rounded(in + i), rounded(in + i + 8));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + i), _mm256_permute4x64_epi64(packed, 0xD8));
  }
  return i;
}
#elif defined(FASTRING_SSE2)
__m128i rounded(const float* in) noexcept {
  const __m128 value = _mm_loadu_ps(in);
  const __m128 ordered = _mm_and_ps(value, _mm_cmpord_ps(value, value));
  const __m128 scaled = _mm_mul_ps(ordered, _mm_set1_ps(kFullScale));
  return _mm_cvtps_epi32(_mm_min_ps(scaled, _mm_set1_ps(32767.0F)));
}

std::size_t vector_float32_to_pcm16(const float* in, std::int16_t* out, std::size_t samples) noexcept {
  std::size_t i = 0;
  for (; i + 8 <= samples; i += 8) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out + i), _mm_packs_epi32(rounded(in + i), rounded(in + i + 4)));
  }
  return i;
}
#else
std::size_t vector_float32_to_pcm16(const float*, std::int16_t*, std::size_t) noexcept {
  return 0;
}
#endif

void float32_to_pcm16(const float* in, std::int16_t* out, std::size_t samples) noexcept {
  for (std::size_t i = vector_float32_to_pcm16(in, out, samples); i < samples; ++i)
    store(out, i, to_pcm16(load(in, i)));
}

// G.711 mu-law: the code is complemented; sign, 3 bits of exponent, 4 of mantissa, bias 33 in 14 bits (132 in 16).
std::int32_t from_mulaw(std::uint8_t code) noexcept {
  const std::int32_t bits = ~code & 0xFF;
  const std::int32_t magnitude = ((((bits & 0x0F) << 3) + 132) << ((bits >> 4) & 7)) - 132;
  return (bits & 0x80) != 0 ? -magnitude : magnitude;
}

// G.711 A-law: even bits inverted; the sign bit set means positive; the first two segments have the same step.
std::int32_t from_alaw(std::uint8_t code) noexcept {
  const std::int32_t bits = code ^ 0x55;
  const std::int32_t exponent = (bits >> 4) & 7;
  const std::int32_t mantissa = ((bits & 0x0F) << 4) + 8;
  const std::int32_t magnitude = exponent == 0 ? mantissa : (mantissa + 256) << (exponent - 1);
  return (bits & 0x80) != 0 ? magnitude : -magnitude;
}

template <std::int32_t (*Decode)(std::uint8_t) noexcept>
void companded_to_pcm16(const std::uint8_t* in, std::int16_t* out, std::size_t samples) noexcept {
  for (std::size_t i = 0; i < samples; ++i) store(out, i, static_cast<std::int16_t>(Decode(in[i])));
}

template <std::int32_t (*Decode)(std::uint8_t) noexcept>
void companded_to_float32(const std::uint8_t* in, float* out, std::size_t samples) noexcept {
  for (std::size_t i = 0; i < samples; ++i) store(out, i, static_cast<float>(Decode(in[i])) * (1.0F / kFullScale));
}

// At most 32 channels of 16 bits: the sum is exact in float, so is the tie.
void mixdown_int16(const std::int16_t* in, std::int16_t* out, std::size_t frames, std::size_t channels) noexcept {
  if (channels == 2) {
    for (std::size_t f = 0; f < frames; ++f) {
      const std::int32_t sum = load(in, 2 * f) + load(in, 2 * f + 1);
      store(out, f, static_cast<std::int16_t>((sum + ((sum >> 1) & 1)) >> 1));  // half to even
    }
    return;
  }
  const auto divisor = static_cast<float>(channels);
  for (std::size_t f = 0; f < frames; ++f) {
    std::int32_t sum = 0;
    for (std::size_t c = 0; c < channels; ++c) sum += load(in, f * channels + c);
    store(out, f, static_cast<std::int16_t>(round_to_int(static_cast<float>(sum) / divisor)));
  }
}

void mixdown_float32(const float* in, float* out, std::size_t frames, std::size_t channels) noexcept {
  if (channels == 2) {
    for (std::size_t f = 0; f < frames; ++f) store(out, f, (load(in, 2 * f) + load(in, 2 * f + 1)) * 0.5F);
    return;
  }
  const auto divisor = static_cast<float>(channels);
  for (std::size_t f = 0; f < frames; ++f) {
    float sum = 0.0F;
    for (std::size_t c = 0; c < channels; ++c) sum += load(in, f * channels + c);
    store(out, f, sum / divisor);
  }
}

template <class T>
void deinterleave(const T* in, T* out, std::size_t frames, std::size_t channels) noexcept {
  if (channels == 2) {
    for (std::size_t f = 0; f < frames; ++f) {
      store(out, f, load(in, 2 * f));
      store(out, frames + f, load(in, 2 * f + 1));
    }
    return;
  }
  for (std::size_t c = 0; c < channels; ++c) {
    for (std::size_t f = 0; f < frames; ++f) store(out, c * frames + f, load(in, f * channels + c));
  }
}

}  // namespace

extern const PcmKernels kPcmKernels;  // NOLINT(readability-redundant-declaration): const alone has no linkage
const PcmKernels kPcmKernels = {
    pcm16_to_float32,
    float32_to_pcm16,
    companded_to_pcm16<from_mulaw>,
    companded_to_pcm16<from_alaw>,
    companded_to_float32<from_mulaw>,
    companded_to_float32<from_alaw>,
    mixdown_int16,
    mixdown_float32,
    deinterleave<std::int16_t>,
    deinterleave<float>,
};

}  // namespace fastring::FASTRING_ISA
