// The memory of a ring: frames by index, wrapped, copied in and out by the accesses of ring_copy.hpp. It knows of no
// writer and no reader: what may be touched when is ring_buffer.hpp's to say.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <stdexcept>
#include <string>

#include "pcm.hpp"
#include "ring_copy.hpp"
#include "ring_memory.hpp"
#include "types.hpp"

namespace fastring {

class RingStorage {
 public:
  static constexpr int kMaxChannels = 32;

  // Throws std::invalid_argument for a setting out of range and std::bad_alloc. `touched`: see ring_memory.
  RingStorage(std::int64_t capacity_frames, int channels, SampleType sample_type, bool touched = true);

  [[nodiscard]] std::int64_t capacity_frames() const noexcept { return capacity_; }
  [[nodiscard]] int channels() const noexcept { return channels_; }
  [[nodiscard]] SampleType sample_type() const noexcept { return sample_type_; }
  [[nodiscard]] std::int64_t frame_bytes() const noexcept { return frame_bytes_; }

  // Where the frame of that index lies, and how many lie together from there on.
  [[nodiscard]] unsigned char* frame(SampleIndex index) const noexcept {
    return reinterpret_cast<unsigned char*>(words_.get()) + position(index) * static_cast<std::uint64_t>(frame_bytes_);
  }
  [[nodiscard]] std::int64_t frames_before_wrap(SampleIndex index) const noexcept {
    return capacity_ - static_cast<std::int64_t>(position(index));
  }

  void copy_in(SampleIndex start, const unsigned char* audio, std::int64_t frames) noexcept;
  void copy_out(SampleIndex start, void* out, std::int64_t frames) const noexcept;
  // As samples of the other type. Needs the library (pcm.cpp); all else of the ring is header-only.
  void convert_out(SampleIndex start, void* out, std::int64_t frames) const noexcept;

 private:
  [[nodiscard]] std::uint64_t position(SampleIndex index) const noexcept {
    const auto unsigned_index = static_cast<std::uint64_t>(index);
    return mask_ != 0 ? unsigned_index & mask_ : unsigned_index % static_cast<std::uint64_t>(capacity_);
  }
  // Calls segment(position, done, count) for the part of [start, start + frames) before the wrap and the part behind
  // it.
  template <class Segment>
  void for_segments(SampleIndex start, std::int64_t frames, Segment segment) const noexcept {
    const std::uint64_t at = position(start);
    const std::int64_t before_wrap = std::min(frames, capacity_ - static_cast<std::int64_t>(at));
    segment(at, std::int64_t{0}, before_wrap);
    if (before_wrap < frames) segment(std::uint64_t{0}, before_wrap, frames - before_wrap);
  }

  std::int64_t capacity_;
  std::uint64_t mask_;  // capacity - 1 if that is a power of two above 1, else 0
  std::int64_t frame_bytes_;
  int channels_;
  SampleType sample_type_;
  detail::RingMemory words_;
};

inline RingStorage::RingStorage(std::int64_t capacity_frames, int channels, SampleType sample_type, bool touched)
    : capacity_(capacity_frames),
      mask_((capacity_ & (capacity_ - 1)) == 0 ? static_cast<std::uint64_t>(capacity_ - 1) : 0),
      frame_bytes_(channels * sample_bytes(sample_type)),
      channels_(channels),
      sample_type_(sample_type) {
  if (channels_ < 1 || channels_ > kMaxChannels) {
    throw std::invalid_argument("channels must be 1 to " + std::to_string(kMaxChannels) + ", not " +
                                std::to_string(channels_));
  }
  const std::int64_t most = std::numeric_limits<std::int64_t>::max() / 2 / frame_bytes_;
  if (capacity_ < 1 || capacity_ > most) {
    throw std::invalid_argument("capacity must be 1 to " + std::to_string(most) + " frames, not " +
                                std::to_string(capacity_));
  }
  const auto words = static_cast<std::size_t>(capacity_ * frame_bytes_ + 63) / 64 * (64 / detail::kWordBytes);
  words_ = detail::ring_memory(words, touched);
}

inline void RingStorage::copy_in(SampleIndex start, const unsigned char* audio, std::int64_t frames) noexcept {
  const auto frame_bytes = static_cast<std::size_t>(frame_bytes_);
  for_segments(start, frames, [&](std::uint64_t at, std::int64_t done, std::int64_t count) {
    detail::copy_in(words_.get(), at * frame_bytes, audio + done * frame_bytes_,
                    static_cast<std::size_t>(count) * frame_bytes);
  });
}

inline void RingStorage::copy_out(SampleIndex start, void* out, std::int64_t frames) const noexcept {
  const auto frame_bytes = static_cast<std::size_t>(frame_bytes_);
  for_segments(start, frames, [&](std::uint64_t at, std::int64_t done, std::int64_t count) {
    detail::copy_out(static_cast<unsigned char*>(out) + done * frame_bytes_, words_.get(), at * frame_bytes,
                     static_cast<std::size_t>(count) * frame_bytes);
  });
}

// Through a block that stays in the first-level cache, so that the conversions may be ordinary vector code.
inline void RingStorage::convert_out(SampleIndex start, void* out, std::int64_t frames) const noexcept {
  constexpr std::size_t kBlockSamples = 512;
  alignas(64) unsigned char block[kBlockSamples * sizeof(float)];
  const SampleType to = other(sample_type_);
  const auto from_bytes = static_cast<std::size_t>(sample_bytes(sample_type_));
  const auto to_bytes = static_cast<std::size_t>(sample_bytes(to));
  auto* target = static_cast<unsigned char*>(out);
  for_segments(start, frames, [&](std::uint64_t at, std::int64_t, std::int64_t count) {
    auto offset = static_cast<std::size_t>(at) * static_cast<std::size_t>(frame_bytes_);
    for (auto left = static_cast<std::size_t>(count * channels_); left > 0;) {
      const std::size_t part = std::min(kBlockSamples, left);
      detail::copy_out(block, words_.get(), offset, part * from_bytes);
      convert_samples(block, sample_type_, target, to, part);
      offset += part * from_bytes;
      target += part * to_bytes;
      left -= part;
    }
  });
}

}  // namespace fastring
