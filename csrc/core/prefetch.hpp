// Memory that is about to be read, asked for ahead of time.
#pragma once

#include <cstddef>

namespace fastring {

// Into the second-level cache; the first is too small to hold a stream beside the one at work.
inline void prefetch(const void* memory, std::size_t bytes) noexcept {
  constexpr std::size_t kLine = 64;
  const auto* at = static_cast<const char*>(memory);
  for (std::size_t i = 0; i < bytes; i += kLine) __builtin_prefetch(at + i, 1, 2);
}

}  // namespace fastring
