// Which instruction set the hot loops run on: chosen once, when first asked.
#pragma once

namespace fastring {

enum class Isa { kBaseline, kAvx2 };

// The best set this machine runs. FASTRING_ISA=baseline in the environment forces the portable one (tests, bug
// reports).
[[nodiscard]] Isa active_isa() noexcept;
[[nodiscard]] const char* isa_name(Isa isa) noexcept;

}  // namespace fastring
