// Working memory that every analyzer of a thread shares, so that a stream's own state stays small.
#pragma once

#include <cstddef>

namespace fastring {

// At least `floats` floats, 64-byte aligned, owned by the calling thread and overwritten by the next user of it.
// Grows (and then allocates) only when a thread first needs that much.
[[nodiscard]] float* thread_scratch(std::size_t floats);

}  // namespace fastring
