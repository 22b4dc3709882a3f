#include "pcm.hpp"

#include <cstring>

#include "pcm_kernels.hpp"

namespace fastring {

const PcmKernels& pcm_kernels(Isa isa) noexcept {
#if defined(FASTRING_X86)
  if (isa == Isa::kAvx2) return avx2::kPcmKernels;
#endif
  (void)isa;
  return baseline::kPcmKernels;
}

namespace {

const PcmKernels& kernels() noexcept {
  static const PcmKernels& chosen = pcm_kernels(active_isa());
  return chosen;
}

}  // namespace

void pcm16_to_float32(const std::int16_t* in, float* out, std::size_t samples) noexcept {
  kernels().pcm16_to_float32(in, out, samples);
}
void float32_to_pcm16(const float* in, std::int16_t* out, std::size_t samples) noexcept {
  kernels().float32_to_pcm16(in, out, samples);
}
void mulaw_to_pcm16(const std::uint8_t* in, std::int16_t* out, std::size_t samples) noexcept {
  kernels().mulaw_to_pcm16(in, out, samples);
}
void alaw_to_pcm16(const std::uint8_t* in, std::int16_t* out, std::size_t samples) noexcept {
  kernels().alaw_to_pcm16(in, out, samples);
}
void mulaw_to_float32(const std::uint8_t* in, float* out, std::size_t samples) noexcept {
  kernels().mulaw_to_float32(in, out, samples);
}
void alaw_to_float32(const std::uint8_t* in, float* out, std::size_t samples) noexcept {
  kernels().alaw_to_float32(in, out, samples);
}
void mixdown(const std::int16_t* in, std::int16_t* out, std::size_t frames, std::size_t channels) noexcept {
  kernels().mixdown_int16(in, out, frames, channels);
}
void mixdown(const float* in, float* out, std::size_t frames, std::size_t channels) noexcept {
  kernels().mixdown_float32(in, out, frames, channels);
}
void deinterleave(const std::int16_t* in, std::int16_t* out, std::size_t frames, std::size_t channels) noexcept {
  kernels().deinterleave_int16(in, out, frames, channels);
}
void deinterleave(const float* in, float* out, std::size_t frames, std::size_t channels) noexcept {
  kernels().deinterleave_float32(in, out, frames, channels);
}

void convert_samples(const void* in, SampleType from, void* out, SampleType to, std::size_t samples) noexcept {
  if (from == to) {
    std::memcpy(out, in, samples * static_cast<std::size_t>(sample_bytes(from)));
  } else if (from == SampleType::kInt16) {
    pcm16_to_float32(static_cast<const std::int16_t*>(in), static_cast<float*>(out), samples);
  } else {
    float32_to_pcm16(static_cast<const float*>(in), static_cast<std::int16_t*>(out), samples);
  }
}

}  // namespace fastring
