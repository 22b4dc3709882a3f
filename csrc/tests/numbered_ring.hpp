// A ring of numbered samples: the sample at an index is a function of the index, so whoever reads can tell whether it
// is the right one.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "check.hpp"
#include "ring_buffer.hpp"
#include "ring_reader.hpp"

namespace fastring::testing {

inline RingConfig mono(std::int64_t capacity, SampleIndex start = 0,
                       OverflowPolicy overflow = OverflowPolicy::kDropOldest) {
  return {capacity, 1, SampleType::kInt16, overflow, start};
}

inline std::int16_t sample_at(SampleIndex index) {
  return static_cast<std::int16_t>((static_cast<std::uint64_t>(index) * 40503U) >> 3);
}

inline std::vector<std::int16_t> samples_at(SampleIndex start, std::int64_t frames) {
  std::vector<std::int16_t> audio(static_cast<std::size_t>(frames));
  for (std::int64_t i = 0; i < frames; ++i) audio[static_cast<std::size_t>(i)] = sample_at(start + i);
  return audio;
}

inline void write_next(RingBuffer& ring, std::int64_t frames) {
  const auto audio = samples_at(ring.write_index(), frames);
  CHECK(ring.write(audio.data(), frames) == WriteStatus::kOk);
}

// Reads and checks every sample against its index; returns the result.
inline ReadResult read_checked(RingReader& reader, std::int64_t frames) {
  std::vector<std::int16_t> out(static_cast<std::size_t>(frames) + 1, 12345);
  const ReadResult result = reader.read(out.data(), frames);
  const auto expected = samples_at(result.start, result.frames);
  CHECK(std::equal(expected.begin(), expected.end(), out.begin()));
  CHECK(out.back() == 12345);
  return result;
}

}  // namespace fastring::testing
