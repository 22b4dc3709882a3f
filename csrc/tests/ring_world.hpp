// A small ring on a model of memory (model_memory.hpp), its reader, and what both must never do: the operations that
// the tests of interleavings set against each other.
#pragma once

#define FASTRING_ATOMIC_HEADER "../tests/model_memory.hpp"  // as ring_copy.hpp sees it

#include <algorithm>

#include "ring_buffer.hpp"
#include "ring_reader.hpp"

namespace fastring::testing {

inline constexpr SampleIndex kStart = (SampleIndex{1} << 32) - 3;
inline constexpr std::int64_t kMostFrames = 8;

inline std::int16_t sample_at(SampleIndex index) {
  return static_cast<std::int16_t>(index - kStart + 100);
}

// The samples of a view, by the ring's own kind of access.
inline void fill(void* view, const std::int16_t* from, std::int64_t frames) {
  const auto address = reinterpret_cast<std::uintptr_t>(view);
  const std::size_t skip = address % detail::kWordBytes;
  detail::copy_in(reinterpret_cast<std::uint64_t*>(address - skip), skip, from, static_cast<std::size_t>(frames) * 2);
}
inline void look(const void* view, std::int16_t* to, std::int64_t frames) {
  const auto address = reinterpret_cast<std::uintptr_t>(view);
  const std::size_t skip = address % detail::kWordBytes;
  detail::copy_out(to, reinterpret_cast<const std::uint64_t*>(address - skip), skip,
                   static_cast<std::size_t>(frames) * 2);
}

// One execution: a ring of 5 frames that holds 4, its reader, and what went wrong.
struct World {
  explicit World(OverflowPolicy overflow) : ring({5, 1, SampleType::kInt16, overflow, kStart}), reader(ring) {
    write(4);
  }

  bool write(std::int64_t frames) {
    std::int16_t audio[kMostFrames];
    for (std::int64_t i = 0; i < frames; ++i) audio[i] = sample_at(written + i);
    if (ring.write(audio, frames) != WriteStatus::kOk) return false;
    written += frames;
    return true;
  }
  void write_in_place(std::int64_t frames, std::int64_t keep) {
    const auto view = ring.reserve(frames);
    if (view.status != WriteStatus::kOk) return;
    std::int16_t audio[kMostFrames];
    for (std::int64_t i = 0; i < view.frames; ++i) audio[i] = i < keep ? sample_at(view.start + i) : std::int16_t{-1};
    fill(view.audio, audio, view.frames);
    keep = std::min(keep, view.frames);
    expect(ring.publish(keep) == WriteStatus::kOk);
    written += keep;
  }
  void reset() {
    ring.reset();
    was_reset = true;
  }

  void expect(bool good) { wrong += good ? 0 : 1; }
  void expect_samples(SampleIndex start, const std::int16_t* audio, std::int64_t frames) {
    for (std::int64_t i = 0; i < frames; ++i) expect(audio[i] == sample_at(start + i));
  }
  void read(std::int64_t frames) {
    std::int16_t out[kMostFrames];
    const auto result = reader.read(out, frames);
    expect(result.start >= at && result.frames <= frames);
    expect_samples(result.start, out, result.frames);
    at = result.start + result.frames;
    delivered += result.frames;
  }
  void peek(std::int64_t frames) {
    std::int16_t out[kMostFrames];
    const auto view = reader.peek(frames);
    look(view.audio, out, view.frames);
    const std::int64_t lost = reader.commit(view.frames);
    expect(view.start >= at && lost <= view.frames);
    expect_samples(view.start + lost, out + lost, view.frames - lost);
    at = view.start + view.frames;
    delivered += view.frames - lost;
  }
  void read_at(SampleIndex start, std::int64_t frames) {
    std::int16_t out[kMostFrames];
    if (ring.read_at(start, out, frames)) expect_samples(start, out, frames);
  }
  void read_if_closed() {
    if (!ring.closed()) return;
    read(kMostFrames);
    expect(at == written || reader.dropped_frames() > 0);
    expect(reader.available() == 0);
  }
  // After close() was seen, all that was written before it is there.
  void read_to_the_end() {
    for (int turn = 0; turn < 12; ++turn) {
      const bool last = ring.closed();
      read(3);
      if (last && reader.available() == 0) {
        expect(at == written);
        return;
      }
    }
  }
  void ask() {
    const auto stats = ring.stats();
    expect(stats.used_frames >= 0 && stats.used_frames <= 5 && stats.held_frames >= 0 && stats.held_frames <= 5);
    expect(stats.dropped_frames >= 0 || was_reset);
  }
  // All threads are joined: the rest is read, and the account must come out even.
  void settle() {
    read(8);
    read(8);
    expect(at == written || was_reset);
    if (!was_reset) expect(delivered + reader.dropped_frames() == written - kStart);
    if (ring.overflow() == OverflowPolicy::kReject) expect(reader.dropped_frames() == 0);
  }

  RingBuffer ring;
  RingReader reader;
  SampleIndex written = kStart;
  SampleIndex at = kStart;
  std::int64_t delivered = 0;
  bool was_reset = false;
  int wrong = 0;
};

}  // namespace fastring::testing
