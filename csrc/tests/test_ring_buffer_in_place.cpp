// Writing and reading in place: reserve and publish, peek and commit.
#include "ring_buffer.hpp"

#include <algorithm>
#include <random>

#include "check.hpp"
#include "numbered_ring.hpp"
#include "ring_reader.hpp"

using fastring::OverflowPolicy;
using fastring::ReadResult;
using fastring::RingBuffer;
using fastring::RingReader;
using fastring::SampleIndex;
using fastring::WriteStatus;
using fastring::testing::mono;
using fastring::testing::read_checked;
using fastring::testing::sample_at;
using fastring::testing::samples_at;
using fastring::testing::write_next;

TEST("reserve and publish in any sizes do what write does") {
  std::mt19937 random(11);
  for (const std::int64_t capacity : {1, 2, 3, 7, 16, 100}) {
    RingBuffer plain(mono(capacity, 1000));
    RingBuffer in_place(mono(capacity, 1000));
    RingReader plain_reader(plain);
    RingReader reader(in_place);
    for (int step = 0; step < 400; ++step) {
      auto view = in_place.reserve(random() % 40);
      CHECK(view.status == WriteStatus::kOk && view.start == in_place.write_index());
      CHECK((view.start + view.frames) % capacity == 0 || view.frames < 40);
      const auto audio = samples_at(view.start, view.frames);
      std::copy(audio.begin(), audio.end(), static_cast<std::int16_t*>(view.audio));
      CHECK(in_place.publish(view.frames) == WriteStatus::kOk);
      CHECK(plain.write(audio.data(), view.frames) == WriteStatus::kOk);
      if (random() % 2 == 0) {
        const std::int64_t frames = random() % 50;
        const ReadResult expected = read_checked(plain_reader, frames);
        const ReadResult got = read_checked(reader, frames);
        CHECK(got.start == expected.start && got.frames == expected.frames);
      }
      const auto a = plain.stats();
      const auto b = in_place.stats();
      CHECK(a.held_frames == b.held_frames && a.used_frames == b.used_frames && a.overflows == b.overflows);
      CHECK(a.dropped_frames == b.dropped_frames && a.high_water_frames == b.high_water_frames);
      CHECK(a.total_written_frames == b.total_written_frames && plain.oldest_index() == in_place.oldest_index());
    }
  }
}

TEST("what a reservation made room over is lost, even if less is published") {
  RingBuffer ring(mono(10));
  RingReader reader(ring);
  write_next(ring, 10);
  auto view = ring.reserve(6);
  CHECK(view.frames == 6 && view.start == 10);
  std::fill_n(static_cast<std::int16_t*>(view.audio), 6, std::int16_t{-1});
  CHECK(reader.dropped_frames() == 6 && reader.available() == 4);
  const auto audio = samples_at(10, 2);
  std::copy(audio.begin(), audio.end(), static_cast<std::int16_t*>(view.audio));
  CHECK(ring.publish(2) == WriteStatus::kOk);
  CHECK(ring.oldest_index() == 6 && ring.write_index() == 12);
  CHECK(ring.stats().held_frames == 6 && ring.stats().used_frames == 6 && ring.stats().overflows == 1);
  write_next(ring, 3);  // into room that is made already
  CHECK(ring.oldest_index() == 6 && ring.stats().overflows == 1 && ring.stats().high_water_frames == 10);
  const ReadResult result = read_checked(reader, 99);
  CHECK(result.start == 6 && result.frames == 9 && reader.dropped_frames() == 6);
}

TEST("a reservation keeps writes out until it is published, closed or reset away") {
  RingBuffer ring(mono(10));
  const auto audio = samples_at(0, 10);
  CHECK(ring.publish(0) == WriteStatus::kOk);
  CHECK(ring.publish(1) == WriteStatus::kNotReserved);
  CHECK(ring.reserve(0).status == WriteStatus::kOk && ring.reserved_frames() == 0);
  CHECK(ring.reserve(-5).frames == 0);
  CHECK(ring.reserve(4).frames == 4);
  CHECK(ring.write(audio.data(), 1) == WriteStatus::kReserved);
  CHECK(ring.reserve(1).status == WriteStatus::kReserved);
  CHECK(ring.publish(5) == WriteStatus::kNotReserved && ring.publish(-1) == WriteStatus::kNotReserved);
  CHECK(ring.reserved_frames() == 4 && ring.publish(0) == WriteStatus::kOk && ring.write_index() == 0);
  CHECK(ring.reserve(99).frames == 10);
  ring.reset();
  CHECK(ring.publish(1) == WriteStatus::kNotReserved);
  write_next(ring, 4);
  CHECK(ring.reserve(99).frames == 6);
  ring.close();
  CHECK(ring.publish(3) == WriteStatus::kClosed && ring.write_index() == 4);
  CHECK(ring.reserve(3).status == WriteStatus::kClosed);
  RingBuffer late(mono(100, std::numeric_limits<SampleIndex>::max() - 5));
  CHECK(late.reserve(6).status == WriteStatus::kIndexExhausted);
  CHECK(late.reserve(5).frames == 5 && late.publish(5) == WriteStatus::kOk);
}

TEST("reject: a view is given whole or not at all, and covers nothing unread") {
  RingBuffer ring(mono(10, 0, OverflowPolicy::kReject));
  RingReader reader(ring);
  write_next(ring, 7);
  CHECK(read_checked(reader, 2).frames == 2);
  CHECK(ring.reserve(10).frames == 3);  // up to the wrap
  CHECK(ring.publish(0) == WriteStatus::kOk);
  write_next(ring, 3);
  CHECK(ring.reserve(3).status == WriteStatus::kFull && ring.reserved_frames() == 0);
  CHECK(ring.stats().overflows == 1);
  auto view = ring.reserve(2);
  CHECK(view.frames == 2 && reader.available() == 8);
  std::fill_n(static_cast<std::int16_t*>(view.audio), 2, std::int16_t{-1});
  CHECK(read_checked(reader, 99).frames == 8 && reader.dropped_frames() == 0);
  CHECK(ring.publish(0) == WriteStatus::kOk && ring.write_index() == 10);
}

TEST("peek shows the ring itself, commit tells what was overwritten") {
  RingBuffer ring(mono(10));
  RingReader reader(ring);
  write_next(ring, 8);
  auto view = reader.peek(100);
  CHECK(view.frames == 8 && view.start == 0);
  CHECK(static_cast<const std::int16_t*>(view.audio)[7] == sample_at(7));
  CHECK(reader.commit(6) == 0);
  write_next(ring, 6);  // 8..13 held in slots 8, 9, 0..3
  view = reader.peek(100);
  CHECK(view.frames == 4 && view.start == 6);  // up to the wrap
  write_next(ring, 4);                         // overwrites 6 and 7
  CHECK(reader.commit(4) == 2);
  CHECK(reader.dropped_frames() == 2);
  view = reader.peek(3);
  CHECK(view.frames == 3 && view.start == 10);
  CHECK(reader.commit(100) == 0);  // never past what was written
  CHECK(reader.available() == 0 && reader.position() == 18);
}

TEST("commit tells of overwriting behind a reset too, which counts nothing as dropped") {
  RingBuffer ring(mono(5));
  RingReader reader(ring);
  write_next(ring, 4);
  CHECK(reader.peek(4).frames == 4);
  write_next(ring, 1);
  ring.reset();
  write_next(ring, 3);  // overwrites 0, 1 and 2 of the view
  CHECK(reader.commit(4) == 3);
  CHECK(reader.dropped_frames() == 0 && reader.available() == 3 && reader.position() == 5);
}
