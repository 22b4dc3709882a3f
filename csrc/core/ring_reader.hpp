// One reader of a RingBuffer: a cursor of its own, and an exact account of what it lost.
//
// One thread at a time uses a RingReader; what is const may be asked from any thread. Any number of readers share a
// ring, on any threads, beside the writer. Nothing here allocates after construction, locks, waits or throws, unless it
// says so. The ring must outlive its readers.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <cstring>
#include <string>

#include "error.hpp"
#include "ring_buffer.hpp"

namespace fastring {

// Frames [start, start + frames) that a reader lost because the writer overwrote them first.
struct LostRange {
  SampleIndex start;
  std::int64_t frames;
};

// What a read delivered: `frames` frames that begin at index `start`. If `start` is not where the last read ended, the
// difference is in RingReader::take_lost().
struct ReadResult {
  SampleIndex start;
  std::int64_t frames;
};

// Frames in place, in the ring's own sample type.
struct RingView {
  const void* audio;
  SampleIndex start;
  std::int64_t frames;
};

class RingReader {
 public:
  // How many lost ranges wait to be collected; of more, the oldest are forgotten (dropped_frames() still counts them).
  static constexpr std::size_t kMaxLostRanges = 32;

  // Starts at the oldest frame held. Allocates and locks, as the other constructor does. A reader that joins a
  // reject-policy ring in the middle of a write may still lose what that write overwrites; from then on it loses
  // nothing.
  explicit RingReader(RingBuffer& ring) : RingReader(ring, ring.oldest_index(), 0) {}

  // Starts at `start`. Throws Error(kRangeLost) unless oldest_index() <= start <= write_index().
  RingReader(RingBuffer& ring, SampleIndex start) : RingReader(ring, checked(ring, start), 0) {}

  RingReader(const RingReader&) = delete;
  RingReader& operator=(const RingReader&) = delete;
  ~RingReader() {
    if (cursor_->registered.load(std::memory_order_relaxed)) catch_up();  // its last losses count too
    ring_.give_back(cursor_);
  }

  // Frames that read() would deliver now.
  [[nodiscard]] std::int64_t available() const noexcept {
    return std::max<std::int64_t>(0, ring_.write_index() - position());
  }

  // Index of the next frame that read() would deliver.
  [[nodiscard]] SampleIndex position() const noexcept { return std::max(next(), ring_.oldest_index()); }

  // Copies up to `frames` frames to `out` and moves on. Fewer than asked means that there are no more, or that the
  // writer overtook this very read.
  [[nodiscard]] ReadResult read(void* out, std::int64_t frames) noexcept {
    return read_by(&RingStorage::copy_out, out, frames, ring_.sample_type());
  }
  // The same, as samples of the other type. Needs the library (pcm.cpp).
  [[nodiscard]] ReadResult read_converted(void* out, std::int64_t frames) noexcept {
    return read_by(&RingStorage::convert_out, out, frames, other(ring_.sample_type()));
  }

  // Up to `frames` frames in place: as many as lie together, so fewer than available() where the ring wraps. The view
  // stays until commit(); on a drop-oldest ring the writer may overwrite it meanwhile, and commit() tells.
  [[nodiscard]] RingView peek(std::int64_t frames) noexcept;

  // Moves on by `frames` frames, at most what is available; returns how many of them had been overwritten by now, which
  // are counted as dropped (unless reset() threw them away). So 0 means that a view of them was good throughout.
  std::int64_t commit(std::int64_t frames) noexcept;

  // A reader that is not registered holds up no writer and counts for no statistics. Registering again begins at the
  // oldest frame held.
  void set_registered(bool registered) noexcept;

  // Frames before position() that were overwritten since the last call.
  [[nodiscard]] std::int64_t unnoticed_loss() const noexcept { return position() - next(); }

  // Lost to overwriting so far, whether noticed by a read yet or not.
  [[nodiscard]] std::int64_t dropped_frames() const noexcept {
    return dropped_.load(std::memory_order_relaxed) + ring_.pending_loss(*cursor_);
  }
  [[nodiscard]] std::int64_t total_read_frames() const noexcept { return read_.load(std::memory_order_relaxed); }

  // The oldest lost range not yet collected; false if there is none.
  [[nodiscard]] bool take_lost(LostRange& range) noexcept;

 private:
  RingReader(RingBuffer& ring, SampleIndex start, int) : ring_(ring), cursor_(ring.take_cursor(start)) {}

  static SampleIndex checked(const RingBuffer& ring, SampleIndex start) {
    const SampleIndex oldest = ring.oldest_index();
    const SampleIndex end = ring.write_index();
    if (start < oldest || start > end) {
      throw Error(ErrorCode::kRangeLost, "index " + std::to_string(start) + " is not held: the ring holds " +
                                             std::to_string(oldest) + " to " + std::to_string(end));
    }
    return start;
  }

  [[nodiscard]] SampleIndex next() const noexcept { return cursor_->next.load(std::memory_order_relaxed); }
  // Release: our copies of what lies below are done (see RingBuffer::slowest).
  void move_to(SampleIndex next) noexcept { cursor_->next.store(next, std::memory_order_release); }
  static void add(detail::Atomic<std::int64_t>& count, std::int64_t frames) noexcept {
    count.store(count.load(std::memory_order_relaxed) + frames, std::memory_order_relaxed);  // one thread adds
  }
  void catch_up() noexcept;
  template <class Copy>
  ReadResult read_by(Copy copy, void* out, std::int64_t frames, SampleType as) noexcept;
  void lose(SampleIndex from, SampleIndex to) noexcept;
  void count_read(std::int64_t frames) noexcept {
    add(read_, frames);
    add(cursor_->read, frames);
  }

  RingBuffer& ring_;
  RingBuffer::Cursor* cursor_;
  detail::Atomic<std::int64_t> read_{0};
  detail::Atomic<std::int64_t> dropped_{0};
  std::size_t lost_begin_ = 0;
  std::size_t lost_count_ = 0;
  std::array<LostRange, kMaxLostRanges> lost_{};
};

// Counts [from, to) as lost, less what reset() threw away.
inline void RingReader::lose(SampleIndex from, SampleIndex to) noexcept {
  from = std::max(from, ring_.floor_.load(std::memory_order_relaxed));
  if (from >= to) return;
  const std::int64_t frames = to - from;
  add(dropped_, frames);
  add(cursor_->dropped, frames);
  if (lost_count_ > 0) {
    LostRange& last = lost_[(lost_begin_ + lost_count_ - 1) % kMaxLostRanges];
    if (last.start + last.frames == from) {
      last.frames += frames;
      return;
    }
  }
  if (lost_count_ == kMaxLostRanges) {
    lost_begin_ = (lost_begin_ + 1) % kMaxLostRanges;
    --lost_count_;
  }
  lost_[(lost_begin_ + lost_count_++) % kMaxLostRanges] = {from, frames};
}

inline void RingReader::catch_up() noexcept {
  const SampleIndex oldest = ring_.oldest_index();
  const SampleIndex from = next();
  if (from >= oldest) return;
  lose(from, oldest);
  move_to(oldest);
}

template <class Copy>
ReadResult RingReader::read_by(Copy copy, void* out, std::int64_t frames, SampleType as) noexcept {
  const SampleIndex end = ring_.write_index();
  catch_up();
  const SampleIndex begin = next();
  const std::int64_t count = std::min(frames, end - begin);
  if (count <= 0) return {begin, 0};
  (ring_.storage_.*copy)(begin, out, count);
  detail::acquire_fence();
  const SampleIndex oldest = ring_.reserved_.load(std::memory_order_acquire) - ring_.capacity_;
  SampleIndex good = begin;
  if (oldest > begin) {  // the writer overtook this copy: keep what is whole
    good = std::min(oldest, begin + count);
    lose(begin, good);
    const std::int64_t frame_bytes = ring_.channels() * sample_bytes(as);
    auto* bytes = static_cast<unsigned char*>(out);
    std::memmove(bytes, bytes + (good - begin) * frame_bytes,
                 static_cast<std::size_t>((begin + count - good) * frame_bytes));
  }
  move_to(begin + count);
  count_read(begin + count - good);
  return {good, begin + count - good};
}

inline RingView RingReader::peek(std::int64_t frames) noexcept {
  const SampleIndex end = ring_.write_index();
  catch_up();
  const SampleIndex begin = next();
  const std::int64_t together = std::min(end - begin, ring_.storage_.frames_before_wrap(begin));
  return {ring_.storage_.frame(begin), begin, std::max<std::int64_t>(0, std::min(frames, together))};
}

inline std::int64_t RingReader::commit(std::int64_t frames) noexcept {
  detail::acquire_fence();  // after the caller's look at the view
  const SampleIndex begin = next();
  const SampleIndex oldest = ring_.reserved_.load(std::memory_order_acquire) - ring_.capacity_;
  const SampleIndex end =
      begin + std::clamp<std::int64_t>(frames, 0, std::max<std::int64_t>(0, ring_.write_index() - begin));
  const std::int64_t lost = std::max<std::int64_t>(0, std::min(oldest, end) - begin);
  lose(begin, begin + lost);
  move_to(end);
  count_read(end - begin - lost);
  return lost;
}

inline void RingReader::set_registered(bool registered) noexcept {
  if (registered && !cursor_->registered.load(std::memory_order_relaxed)) move_to(position());
  cursor_->registered.store(registered, std::memory_order_release);
}

inline bool RingReader::take_lost(LostRange& range) noexcept {
  catch_up();
  if (lost_count_ == 0) return false;
  range = lost_[lost_begin_];
  lost_begin_ = (lost_begin_ + 1) % kMaxLostRanges;
  --lost_count_;
  return true;
}

}  // namespace fastring
