// A ring of audio frames: one writer, any number of independent readers (ring_reader.hpp), on any threads.
//
// Every frame has an absolute index that only grows. Writing appends at write_index(); a full ring overwrites its
// oldest frames (or refuses, if asked to), and readers find out from the indices what they lost. Memory is taken once,
// in the constructor; write() and the reads allocate nothing, take no lock, never wait and never throw.
//
// Memory model
// ------------
// Two counters of the writer say everything. Frames below `written_` have been copied in. Frames below
// `reserved_ - capacity` are gone, or are being overwritten at this moment. So a frame may be read if
//
//     reserved_ - capacity <= index < written_
//
// The writer, for a write that ends at index `end`:             A reader, for frames [begin, begin + n):
//     W1  reserved_ = end            release                        R1  w = written_          acquire; begin + n <= w
//     W2  fence                      release                        R2  copy out              relaxed accesses
//     W3  copy in                    relaxed accesses               R3  fence                 acquire
//     W4  written_ = end             release                        R4  r = reserved_         acquire
//                                                                   R5  frames below r - capacity are lost, the rest
//                                                                   are good
//
// 1. What is read was written. R1 reads from some W4, which synchronises with it, so the copies W3 of all frames
//    below w happen before R2. R2 reads those values or later ones.
// 2. What was overwritten is noticed. Suppose R2 reads a value that a later write stored in W3. That store follows the
//    release fence W2, and the load precedes the acquire fence R3, so the fences synchronise, W1 happens before R4, and
//    R4 sees that `end` or a later one. The frame read lay in the slot of a frame below `end`, a whole capacity earlier
//    at least: its index is below r - capacity, and R5 throws it away. What R5 keeps is therefore whole, and from one
//    write.
//    (W1 and R4 need no order of their own for this. They are release and acquire so that who sees room made also sees
//    the floor that an earlier reset() set, and does not count as lost what was thrown away.)
// 3. There is no data race. All shared state is atomic, and the samples are only touched by the copies of
//    ring_copy.hpp, which are relaxed atomic words (or their equal in assembly: see there).
// 4. Nobody waits. The writer never looks at how far a copy of a reader has come. It loads the readers' cursors once
//    per write for its statistics, and for the reject policy; it never stores to them. A reader that was overtaken
//    keeps what is left of its range and returns; it does not try again.
// 5. Writing in place. reserve() is W1 and W2, the caller's stores are W3, publish() is W4, so 1. and 4. hold as they
//    stand. `reserved_` never goes back: what a reservation made room over may have been overwritten, and stays lost
//    even if less is published. The caller's stores are plain, and where a reader meets them ISO C++ speaks of a race,
//    as it does for peek() on a drop-oldest ring. On a reject ring a RingReader only reads what is written and not yet
//    passed, which no reservation covers: it meets the ragged words at either end of the view alone, and keeps nothing
//    of what it loads there. On a drop-oldest ring (and by read_at) a slot may be copied while it is filled; those
//    frames are thrown away by 2., since W2 keeps the stores behind W1 for the compiler and for the machine. Who wants
//    the letter of ISO C++ as well fills the view with relaxed atomic stores, or calls write().
//
// csrc/tests/test_ring_exhaustive.cpp runs this very code through every execution of each pair of operations, on a
// model of memory that shows each load every value the standard allows, and finds the loss of each of these orderings;
// test_ring_interleavings.cpp draws longer ones at random.
//
// On x86 all of this is plain loads and stores. The samples of one write may be read before all of W3 is done only by a
// reader that ignores R1, and there is none. The reject policy needs no R5 (nothing unread is overwritten), which is
// why a view from RingReader::peek() is safe there with threads; on a drop-oldest ring commit() says if the view was
// overwritten.
//
// One writer means one thread at a time in write(), reserve(), publish(), reset() and close(); one reader means one
// thread at a time per RingReader. Handing either over from thread to thread needs the usual synchronisation (a mutex,
// the GIL). Everything const may be called from any thread at any time.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>

#include "ring_copy.hpp"
#include "ring_storage.hpp"
#include "types.hpp"

namespace fastring {

class RingReader;

enum class OverflowPolicy {
  kDropOldest,  // the oldest frames make room, the writer always succeeds
  kReject,      // a write that would overwrite unread frames of any reader is refused whole
};

enum class WriteStatus {
  kOk,
  kClosed,          // after close()
  kFull,            // reject policy: nothing was written
  kIndexExhausted,  // the index would pass 2^63 - 1: nothing was written
  kReserved,        // frames are reserved: publish() comes first
  kNotReserved,     // more frames published than are reserved: nothing was published
};

// The ring's next frames in place, for the writer to fill: `frames` frames from index `start`.
struct RingWriteView {
  void* audio;
  SampleIndex start;
  std::int64_t frames;
  WriteStatus status;  // unless it is kOk, audio is null and nothing is reserved
};

struct RingConfig {
  std::int64_t capacity_frames;  // at least 1, any number
  int channels;                  // 1..kMaxChannels, interleaved
  SampleType sample_type;
  OverflowPolicy overflow;
  SampleIndex start_index;  // index of the first frame that will be written, at least 0
  bool touched = true;      // every page is there from the start; false: a page is when it is first written
};

// A snapshot; the counters count since construction or the last reset().
struct RingStats {
  std::int64_t capacity_frames;
  std::int64_t held_frames;           // can be read with read_at
  std::int64_t used_frames;           // not read yet by the slowest reader
  std::int64_t total_written_frames;  // accepted
  std::int64_t total_read_frames;     // delivered, summed over readers
  std::int64_t overflows;             // writes that overwrote unread frames, or were refused for lack of room
  std::int64_t dropped_frames;        // lost to overwriting, summed over readers
  std::int64_t high_water_frames;     // the largest used_frames after any write
};

class RingBuffer {
 public:
  static constexpr int kMaxChannels = RingStorage::kMaxChannels;

  // Throws std::invalid_argument for a setting out of range and std::bad_alloc. Unless told otherwise it touches
  // every page, so that writing does not have to.
  explicit RingBuffer(const RingConfig& config);
  RingBuffer(const RingBuffer&) = delete;
  RingBuffer& operator=(const RingBuffer&) = delete;
  ~RingBuffer() = default;  // every RingReader must be gone

  // Appends `frames` frames of interleaved samples of sample_type(), any alignment. Of more than the capacity the last
  // `capacity` frames are kept; the others count as written and are lost to every reader. Writer only.
  [[nodiscard]] WriteStatus write(const void* audio, std::int64_t frames) noexcept;

  // Up to `frames` next frames in place, as many as lie together: fewer where the ring wraps. They may hold old audio.
  // Room is made for them now, as write() makes it: on a full drop-oldest ring the oldest frames are lost here, and
  // are even if less is published; a reject ring without room for all of the view gives none. Until publish(), write()
  // and reserve() answer kReserved. Writer only.
  [[nodiscard]] RingWriteView reserve(std::int64_t frames) noexcept;
  // Appends the first `frames` frames of the view, 0 to all of them, and ends the reservation. The view is the readers'
  // from here on. Writer only.
  [[nodiscard]] WriteStatus publish(std::int64_t frames) noexcept;
  [[nodiscard]] std::int64_t reserved_frames() const noexcept { return reservation_; }  // writer only

  // Refuses further writes; what is held stays readable. Frames reserved can no longer be published.
  void close() noexcept { closed_.store(true, std::memory_order_release); }
  [[nodiscard]] bool closed() const noexcept { return closed_.load(std::memory_order_acquire); }

  // Forgets what is held and starts the statistics again. Indices go on; a reader's next frame is the next one written,
  // and what it had not read is not counted as dropped. Frames reserved are given back. Writer only.
  void reset() noexcept;

  // Copies [start, start + frames) to `out`. False, with `out` undefined, if any of it is not held.
  [[nodiscard]] bool read_at(SampleIndex start, void* out, std::int64_t frames) const noexcept {
    return read_at_by(&RingStorage::copy_out, start, out, frames);
  }
  // The same, as samples of the other type. Needs the library (pcm.cpp); all else here is header-only.
  [[nodiscard]] bool read_converted_at(SampleIndex start, void* out, std::int64_t frames) const noexcept {
    return read_at_by(&RingStorage::convert_out, start, out, frames);
  }

  [[nodiscard]] SampleIndex write_index() const noexcept { return written_.load(std::memory_order_acquire); }
  [[nodiscard]] SampleIndex oldest_index() const noexcept {
    const SampleIndex made_room = reserved_.load(std::memory_order_acquire);  // before the floor: see 2.
    return std::max(made_room - capacity_, floor_.load(std::memory_order_relaxed));
  }

  [[nodiscard]] std::int64_t capacity_frames() const noexcept { return capacity_; }
  [[nodiscard]] int channels() const noexcept { return storage_.channels(); }
  [[nodiscard]] SampleType sample_type() const noexcept { return storage_.sample_type(); }
  [[nodiscard]] OverflowPolicy overflow() const noexcept { return overflow_; }
  [[nodiscard]] std::int64_t frame_bytes() const noexcept { return storage_.frame_bytes(); }
  [[nodiscard]] RingStats stats() const noexcept;

 private:
  friend class RingReader;

  // Where one reader is. Only its RingReader stores to it; the writer and stats() load. Never freed before the ring, so
  // the list can be walked without a lock; taken again by the next RingReader when it is free.
  struct alignas(64) Cursor {
    detail::Atomic<SampleIndex> next{0};
    detail::Atomic<bool> registered{false};  // counts for `used`, the reject policy and `dropped`
    detail::Atomic<std::int64_t> read{0};
    detail::Atomic<std::int64_t> dropped{0};
    bool taken = false;  // under cursors_mutex_
    std::unique_ptr<Cursor> sibling;
  };

  [[nodiscard]] WriteStatus make_room(std::int64_t frames, SampleIndex& lowest) noexcept;
  void note_high_water(SampleIndex end, SampleIndex lowest) noexcept;
  [[nodiscard]] SampleIndex slowest(SampleIndex if_none) const noexcept;
  [[nodiscard]] std::int64_t pending_loss(const Cursor& cursor) const noexcept;
  template <class Copy>
  bool read_at_by(Copy copy, SampleIndex start, void* out, std::int64_t frames) const noexcept;
  Cursor* take_cursor(SampleIndex start);
  void give_back(Cursor* cursor) noexcept;

  // Fixed after construction.
  RingStorage storage_;
  std::int64_t capacity_;  // storage_'s, at hand
  OverflowPolicy overflow_;
  SampleIndex start_index_;

  // The writer's line.
  alignas(64) detail::Atomic<SampleIndex> reserved_;
  detail::Atomic<SampleIndex> written_;
  detail::Atomic<SampleIndex> floor_;  // frames below were reset away
  std::int64_t reservation_ = 0;       // frames reserved and not published; the writer's alone
  detail::Atomic<std::int64_t> overflows_{0};
  detail::Atomic<std::int64_t> high_water_{0};
  detail::Atomic<bool> closed_{false};
  detail::Atomic<Cursor*> cursors_{nullptr};  // newest first; a node once linked stays

  // Cold: what reset() has to take off the totals, and the list's owner.
  alignas(64) detail::Atomic<SampleIndex> base_written_;
  detail::Atomic<std::int64_t> base_read_{0};
  detail::Atomic<std::int64_t> base_dropped_{0};
  std::mutex cursors_mutex_;
  std::unique_ptr<Cursor> first_cursor_;
};

inline RingBuffer::RingBuffer(const RingConfig& config)
    : storage_(config.capacity_frames, config.channels, config.sample_type, config.touched),
      capacity_(config.capacity_frames),
      overflow_(config.overflow),
      start_index_(config.start_index),
      reserved_(config.start_index),
      written_(config.start_index),
      floor_(config.start_index),
      base_written_(config.start_index) {
  if (start_index_ < 0) {
    throw std::invalid_argument("start_index must be at least 0, not " + std::to_string(start_index_));
  }
}

inline WriteStatus RingBuffer::write(const void* audio, std::int64_t frames) noexcept {
  SampleIndex lowest = 0;
  const WriteStatus status = make_room(frames, lowest);
  if (status != WriteStatus::kOk || frames <= 0) return status;
  const SampleIndex end = written_.load(std::memory_order_relaxed) + frames;
  const std::int64_t kept = std::min(frames, capacity_);
  storage_.copy_in(end - kept, static_cast<const unsigned char*>(audio) + (frames - kept) * frame_bytes(), kept);
  note_high_water(end, lowest);
  written_.store(end, std::memory_order_release);
  return WriteStatus::kOk;
}

inline RingWriteView RingBuffer::reserve(std::int64_t frames) noexcept {
  const SampleIndex begin = written_.load(std::memory_order_relaxed);
  const std::int64_t together = std::clamp<std::int64_t>(frames, 0, storage_.frames_before_wrap(begin));
  SampleIndex lowest = 0;
  const WriteStatus status = make_room(together, lowest);
  if (status != WriteStatus::kOk) return {nullptr, begin, together, status};
  reservation_ = together;
  return {storage_.frame(begin), begin, together, WriteStatus::kOk};
}

inline WriteStatus RingBuffer::publish(std::int64_t frames) noexcept {
  if (frames < 0 || frames > reservation_) return WriteStatus::kNotReserved;
  reservation_ = 0;
  if (closed_.load(std::memory_order_relaxed)) return WriteStatus::kClosed;
  if (frames == 0) return WriteStatus::kOk;
  const SampleIndex end = written_.load(std::memory_order_relaxed) + frames;
  note_high_water(end, slowest(end));
  written_.store(end, std::memory_order_release);
  return WriteStatus::kOk;
}

// W1 and W2 for the next `frames` frames, or why not. `lowest` is then the lowest index still to be read.
inline WriteStatus RingBuffer::make_room(std::int64_t frames, SampleIndex& lowest) noexcept {
  if (closed_.load(std::memory_order_relaxed)) return WriteStatus::kClosed;
  if (reservation_ > 0) return WriteStatus::kReserved;
  if (frames <= 0) return WriteStatus::kOk;
  const SampleIndex begin = written_.load(std::memory_order_relaxed);
  if (frames > std::numeric_limits<SampleIndex>::max() - begin) return WriteStatus::kIndexExhausted;
  const SampleIndex end = begin + frames;
  const SampleIndex before = reserved_.load(std::memory_order_relaxed);
  lowest = slowest(end);
  if (end > before) {  // else an earlier reservation made the room
    if (end - lowest > capacity_) {
      overflows_.store(overflows_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
      if (overflow_ == OverflowPolicy::kReject) return WriteStatus::kFull;
    }
    reserved_.store(end, std::memory_order_release);
  }
  detail::release_fence();
  return WriteStatus::kOk;
}

inline void RingBuffer::note_high_water(SampleIndex end, SampleIndex lowest) noexcept {
  const std::int64_t used = end - std::max(lowest, reserved_.load(std::memory_order_relaxed) - capacity_);
  if (used > high_water_.load(std::memory_order_relaxed)) high_water_.store(used, std::memory_order_relaxed);
}

// The lowest index that some registered reader has still to read.
inline SampleIndex RingBuffer::slowest(SampleIndex if_none) const noexcept {
  SampleIndex lowest = if_none;
  for (const Cursor* cursor = cursors_.load(std::memory_order_acquire); cursor != nullptr;
       cursor = cursor->sibling.get()) {
    if (cursor->registered.load(std::memory_order_relaxed)) {
      // Acquire: the reader's copies of what lies below are done, so the reject policy may overwrite it.
      lowest = std::min(lowest, cursor->next.load(std::memory_order_acquire));
    }
  }
  return std::max(lowest, std::min(if_none, floor_.load(std::memory_order_relaxed)));
}

template <class Copy>
bool RingBuffer::read_at_by(Copy copy, SampleIndex start, void* out, std::int64_t frames) const noexcept {
  const SampleIndex end = written_.load(std::memory_order_acquire);
  if (frames < 0 || start < oldest_index() || start > end || frames > end - start) return false;
  (storage_.*copy)(start, out, frames);
  detail::acquire_fence();
  return start >= oldest_index();
}

inline std::int64_t RingBuffer::pending_loss(const Cursor& cursor) const noexcept {
  if (!cursor.registered.load(std::memory_order_relaxed)) return 0;
  const SampleIndex made_room = reserved_.load(std::memory_order_acquire);
  const SampleIndex from =
      std::max(cursor.next.load(std::memory_order_relaxed), floor_.load(std::memory_order_relaxed));
  return std::max<std::int64_t>(0, made_room - capacity_ - from);
}

inline void RingBuffer::reset() noexcept {
  std::int64_t read = 0;
  std::int64_t dropped = 0;
  for (const Cursor* cursor = cursors_.load(std::memory_order_acquire); cursor != nullptr;
       cursor = cursor->sibling.get()) {
    read += cursor->read.load(std::memory_order_relaxed);
    dropped += cursor->dropped.load(std::memory_order_relaxed);
  }
  reservation_ = 0;
  const SampleIndex end = written_.load(std::memory_order_relaxed);
  floor_.store(end, std::memory_order_relaxed);
  base_written_.store(end, std::memory_order_relaxed);
  base_read_.store(read, std::memory_order_relaxed);
  base_dropped_.store(dropped, std::memory_order_relaxed);
  overflows_.store(0, std::memory_order_relaxed);
  high_water_.store(0, std::memory_order_relaxed);
}

inline RingStats RingBuffer::stats() const noexcept {
  RingStats stats{};
  const SampleIndex end = written_.load(std::memory_order_acquire);
  stats.capacity_frames = capacity_;
  stats.held_frames = std::max<std::int64_t>(0, end - oldest_index());
  stats.used_frames = std::max<std::int64_t>(0, end - std::max(slowest(end), oldest_index()));
  stats.total_written_frames = end - base_written_.load(std::memory_order_relaxed);
  stats.overflows = overflows_.load(std::memory_order_relaxed);
  stats.high_water_frames = high_water_.load(std::memory_order_relaxed);
  stats.total_read_frames = -base_read_.load(std::memory_order_relaxed);
  stats.dropped_frames = -base_dropped_.load(std::memory_order_relaxed);
  for (const Cursor* cursor = cursors_.load(std::memory_order_acquire); cursor != nullptr;
       cursor = cursor->sibling.get()) {
    stats.total_read_frames += cursor->read.load(std::memory_order_relaxed);
    stats.dropped_frames += cursor->dropped.load(std::memory_order_relaxed) + pending_loss(*cursor);
  }
  return stats;
}

// A free cursor, or a new one at the head of the list. Its totals go on from its last owner's: they are sums.
inline RingBuffer::Cursor* RingBuffer::take_cursor(SampleIndex start) {
  const std::lock_guard lock(cursors_mutex_);
  Cursor* cursor = first_cursor_.get();
  while (cursor != nullptr && cursor->taken) cursor = cursor->sibling.get();
  const bool is_new = cursor == nullptr;
  std::unique_ptr<Cursor> made = is_new ? std::make_unique<Cursor>() : nullptr;
  if (is_new) cursor = made.get();
  cursor->taken = true;
  cursor->next.store(start, std::memory_order_relaxed);
  cursor->registered.store(true, std::memory_order_release);
  if (is_new) {
    made->sibling = std::move(first_cursor_);
    first_cursor_ = std::move(made);
    cursors_.store(cursor, std::memory_order_release);
  }
  return cursor;
}

inline void RingBuffer::give_back(Cursor* cursor) noexcept {
  const std::lock_guard lock(cursors_mutex_);
  cursor->registered.store(false, std::memory_order_relaxed);
  cursor->taken = false;
}

}  // namespace fastring
