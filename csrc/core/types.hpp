// The words the whole core shares.
#pragma once

#include <cstdint>

namespace fastring {

// Absolute position of a frame of samples in a stream: counts from the first one, only grows, never wraps.
using SampleIndex = std::int64_t;

}  // namespace fastring
