// Picks the analyzer's kernels for this machine.
#include "analysis_kernels.hpp"
#include "cpu.hpp"

namespace fastring {

namespace baseline {
extern const AnalysisKernels kAnalysisKernels;
}
#if defined(FASTRING_X86)
namespace avx2 {
extern const AnalysisKernels kAnalysisKernels;
}
#endif

const AnalysisKernels& analysis_kernels() noexcept {
#if defined(FASTRING_X86)
  if (active_isa() == Isa::kAvx2) return avx2::kAnalysisKernels;
#endif
  return baseline::kAnalysisKernels;
}

}  // namespace fastring
