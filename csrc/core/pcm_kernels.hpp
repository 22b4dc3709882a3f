// The loops behind pcm.hpp, compiled once per instruction set (see FASTRING_KERNELS in CMakeLists.txt).
#pragma once

#include <cstddef>
#include <cstdint>

#include "cpu.hpp"

namespace fastring {

struct PcmKernels {
  void (*pcm16_to_float32)(const std::int16_t*, float*, std::size_t) noexcept;
  void (*float32_to_pcm16)(const float*, std::int16_t*, std::size_t) noexcept;
  void (*mulaw_to_pcm16)(const std::uint8_t*, std::int16_t*, std::size_t) noexcept;
  void (*alaw_to_pcm16)(const std::uint8_t*, std::int16_t*, std::size_t) noexcept;
  void (*mulaw_to_float32)(const std::uint8_t*, float*, std::size_t) noexcept;
  void (*alaw_to_float32)(const std::uint8_t*, float*, std::size_t) noexcept;
  void (*mixdown_int16)(const std::int16_t*, std::int16_t*, std::size_t, std::size_t) noexcept;
  void (*mixdown_float32)(const float*, float*, std::size_t, std::size_t) noexcept;
  void (*deinterleave_int16)(const std::int16_t*, std::int16_t*, std::size_t, std::size_t) noexcept;
  void (*deinterleave_float32)(const float*, float*, std::size_t, std::size_t) noexcept;
};

// The kernels of one instruction set; tests compare them. Never ask for a set that this machine does not run.
[[nodiscard]] const PcmKernels& pcm_kernels(Isa isa) noexcept;

namespace baseline {
extern const PcmKernels kPcmKernels;
}
namespace avx2 {
extern const PcmKernels kPcmKernels;
}

}  // namespace fastring
