#include "ring_buffer.hpp"

#include <algorithm>
#include <cstdlib>
#include <deque>
#include <new>
#include <random>
#include <vector>

#include "check.hpp"
#include "numbered_ring.hpp"
#include "ring_reader.hpp"

using fastring::LostRange;
using fastring::OverflowPolicy;
using fastring::ReadResult;
using fastring::RingBuffer;
using fastring::RingConfig;
using fastring::RingReader;
using fastring::SampleIndex;
using fastring::SampleType;
using fastring::WriteStatus;
using fastring::testing::mono;
using fastring::testing::read_checked;
using fastring::testing::samples_at;
using fastring::testing::write_next;

TEST("memory is zero and aligned, touched or not, small or large") {
  for (const std::size_t words : {std::size_t{8}, fastring::detail::kMappedBytes / 8 - 8, std::size_t{200'000}}) {
    for (const bool touched : {true, false}) {
      const auto memory = fastring::detail::ring_memory(words, touched);
      CHECK(reinterpret_cast<std::uintptr_t>(memory.get()) % 64 == 0);
      CHECK(std::all_of(memory.get(), memory.get() + words, [](std::uint64_t word) { return word == 0; }));
    }
  }
}

TEST("an untouched ring reads what was written, round after round") {
  RingConfig config = mono(100'000);
  config.touched = false;
  RingBuffer ring(config);
  RingReader reader(ring);
  for (int i = 0; i < 25; ++i) {
    write_next(ring, 9'999);
    CHECK(read_checked(reader, 9'999).frames == 9'999);
  }
}

TEST("settings out of range are refused") {
  const auto make = [](std::int64_t capacity, int channels, SampleIndex start) {
    RingBuffer ring({capacity, channels, SampleType::kInt16, OverflowPolicy::kDropOldest, start});
    return 0;
  };
  CHECK_THROWS(make(0, 1, 0), std::invalid_argument);
  CHECK_THROWS(make(-5, 1, 0), std::invalid_argument);
  CHECK_THROWS(make(1, 0, 0), std::invalid_argument);
  CHECK_THROWS(make(1, 33, 0), std::invalid_argument);
  CHECK_THROWS(make(1, 1, -1), std::invalid_argument);
  CHECK_THROWS(make(std::numeric_limits<std::int64_t>::max(), 32, 0), std::invalid_argument);
  CHECK(make(1, 32, 0) == 0);
}

TEST("any write and read sizes deliver every sample once, in order, from any start index") {
  const std::int64_t two31 = std::int64_t{1} << 31;
  const std::int64_t last = std::numeric_limits<SampleIndex>::max();
  std::mt19937 random(7);
  for (const SampleIndex start : {SampleIndex{0}, two31 - 50, 2 * two31 - 50, last - 20000}) {
    for (const std::int64_t capacity : {1, 2, 3, 7, 16, 100, 1000}) {
      RingBuffer ring(mono(capacity, start));
      RingReader reader(ring);
      SampleIndex expected = start;
      for (int step = 0; step < 200; ++step) {
        const std::int64_t room = capacity - reader.available();
        if (room > 0) write_next(ring, static_cast<std::int64_t>(random() % static_cast<unsigned>(room + 1)) % 60);
        const ReadResult result = read_checked(reader, random() % 70);
        CHECK(result.start == expected);
        expected += result.frames;
      }
      CHECK(reader.dropped_frames() == 0);
      CHECK(ring.stats().overflows == 0);
    }
  }
}

TEST("drop-oldest: the reader learns exactly what it lost") {
  RingBuffer ring(mono(10, 100));
  RingReader reader(ring);
  write_next(ring, 8);
  CHECK(read_checked(reader, 3).frames == 3);
  write_next(ring, 9);  // holds 107..117, the reader stood at 103
  CHECK(reader.dropped_frames() == 4);
  CHECK(reader.available() == 10);
  CHECK(reader.position() == 107);
  const ReadResult result = read_checked(reader, 4);
  CHECK(result.start == 107 && result.frames == 4);
  LostRange lost{};
  CHECK(reader.take_lost(lost) && lost.start == 103 && lost.frames == 4);
  CHECK(!reader.take_lost(lost));
  const auto stats = ring.stats();
  CHECK(stats.dropped_frames == 4 && stats.overflows == 1 && stats.total_written_frames == 17);
  CHECK(stats.total_read_frames == 7 && stats.used_frames == 6 && stats.high_water_frames == 10);
  CHECK(stats.held_frames == 10 && stats.capacity_frames == 10);
}

TEST("a write longer than the capacity keeps its end") {
  RingBuffer ring(mono(10));
  RingReader reader(ring);
  write_next(ring, 35);
  CHECK(ring.oldest_index() == 25 && ring.write_index() == 35);
  const ReadResult result = read_checked(reader, 100);
  CHECK(result.start == 25 && result.frames == 10);
  CHECK(reader.dropped_frames() == 25);
}

TEST("of many lost ranges the newest are kept, the count stays exact") {
  RingBuffer ring(mono(4));
  RingReader reader(ring);
  for (int i = 0; i < 50; ++i) {
    write_next(ring, 7);  // loses 3 and holds 4
    CHECK(read_checked(reader, 4).frames == 4);
  }
  CHECK(reader.dropped_frames() == 150);
  LostRange lost{};
  int ranges = 0;
  while (reader.take_lost(lost)) {
    CHECK(lost.frames == 3 && lost.start % 7 == 0);
    ++ranges;
  }
  CHECK(ranges == static_cast<int>(RingReader::kMaxLostRanges));
}

TEST("readers are independent") {
  RingBuffer ring(mono(10));
  RingReader fast(ring);
  RingReader slow(ring);
  write_next(ring, 6);
  CHECK(read_checked(fast, 6).frames == 6);
  write_next(ring, 6);
  CHECK(fast.dropped_frames() == 0 && slow.dropped_frames() == 2);
  CHECK(read_checked(fast, 99).start == 6);
  RingReader late(ring);
  CHECK(late.position() == 2 && late.available() == 10);
  RingReader from(ring, 12);
  CHECK(from.available() == 0);
  CHECK_THROWS(RingReader(ring, 1), fastring::Error);
  CHECK_THROWS(RingReader(ring, 13), fastring::Error);
}

TEST("the drops of a reader that is gone stay counted, its place is used again") {
  RingBuffer ring(mono(10));
  for (int i = 0; i < 100; ++i) {
    RingReader reader(ring);
    write_next(ring, 12);
  }
  // The first began at an empty ring: 2 lost. Every later one began with 10 frames held: 12 lost.
  CHECK(ring.stats().dropped_frames == 2 + 99 * 12);
  CHECK(ring.stats().used_frames == 0);
}

TEST("reject: a write without room is refused whole") {
  RingBuffer ring(mono(10, 0, OverflowPolicy::kReject));
  const auto audio = samples_at(0, 20);
  CHECK(ring.write(audio.data(), 20) == WriteStatus::kOk);  // nobody reads: nothing is lost to anybody
  RingReader reader(ring);
  CHECK(ring.write(audio.data(), 1) == WriteStatus::kFull);
  CHECK(read_checked(reader, 3).start == 10);
  CHECK(ring.write(audio.data(), 4) == WriteStatus::kFull);
  CHECK(ring.write_index() == 20);
  write_next(ring, 3);
  CHECK(ring.write(audio.data(), 11) == WriteStatus::kFull);
  CHECK(read_checked(reader, 100).frames == 10);
  CHECK(reader.dropped_frames() == 0);
  CHECK(ring.stats().overflows == 3);
  {
    RingReader stuck(ring);
    CHECK(ring.write(audio.data(), 8) == WriteStatus::kFull);  // it began with all 10 frames unread
    stuck.set_registered(false);
    write_next(ring, 8);
  }
}

TEST("read_at gives any range that is held and nothing else") {
  RingBuffer ring(mono(10, 1000));
  write_next(ring, 25);
  std::vector<std::int16_t> out(10);
  for (SampleIndex start = 990; start <= 1030; ++start) {
    for (std::int64_t frames = 0; frames <= 10; ++frames) {
      const bool held = start >= 1015 && start + frames <= 1025;
      CHECK(ring.read_at(start, out.data(), frames) == held);
      if (!held) continue;
      const auto expected = samples_at(start, frames);
      CHECK(std::equal(expected.begin(), expected.end(), out.begin()));
    }
  }
  CHECK(!ring.read_at(1020, out.data(), std::numeric_limits<std::int64_t>::max()));
  CHECK(!ring.read_at(1020, out.data(), -1));
}

TEST("an int16 ring is read as float32 and back, across wrap and blocks, for any channels") {
  for (const int channels : {1, 2, 5, 32}) {
    RingBuffer narrow({700, channels, SampleType::kInt16, OverflowPolicy::kDropOldest, 3});
    RingBuffer wide({700, channels, SampleType::kFloat32, OverflowPolicy::kDropOldest, 3});
    RingReader reader(narrow);
    RingReader wide_reader(wide);
    const auto per_frame = static_cast<std::size_t>(channels);
    for (int round = 0; round < 5; ++round) {
      const auto audio = samples_at(round * 1000, 600 * channels);
      CHECK(narrow.write(audio.data(), 600) == WriteStatus::kOk);
      std::vector<float> out(600 * per_frame + 1, 9.0F);
      CHECK(reader.read_converted(out.data(), 600).frames == 600);
      CHECK(out.back() == 9.0F);
      for (std::size_t i = 0; i < 600 * per_frame; ++i) CHECK(out[i] == static_cast<float>(audio[i]) / 32768.0F);
      CHECK(wide.write(out.data(), 600) == WriteStatus::kOk);
      std::vector<std::int16_t> back(600 * per_frame);
      CHECK(wide_reader.read_converted(back.data(), 600).frames == 600);
      CHECK(back == audio);
    }
  }
}

TEST("close refuses writes and keeps what is held") {
  RingBuffer ring(mono(10));
  RingReader reader(ring);
  write_next(ring, 5);
  ring.close();
  const std::int16_t one = 1;
  CHECK(ring.closed());
  CHECK(ring.write(&one, 1) == WriteStatus::kClosed);
  CHECK(read_checked(reader, 99).frames == 5);
}

TEST("reset forgets the audio and the statistics, indices go on") {
  RingBuffer ring(mono(10));
  RingReader reader(ring);
  write_next(ring, 25);
  ring.reset();
  auto stats = ring.stats();
  CHECK(stats.held_frames == 0 && stats.used_frames == 0 && stats.total_written_frames == 0);
  CHECK(stats.dropped_frames == 0 && stats.overflows == 0 && stats.high_water_frames == 0);
  CHECK(reader.available() == 0 && reader.position() == 25);
  write_next(ring, 4);
  const ReadResult result = read_checked(reader, 99);
  CHECK(result.start == 25 && result.frames == 4);
  LostRange lost{};
  CHECK(!reader.take_lost(lost));
  stats = ring.stats();
  CHECK(stats.total_written_frames == 4 && stats.total_read_frames == 4 && stats.dropped_frames == 0);
  std::int16_t out = 0;
  CHECK(!ring.read_at(24, &out, 1));
}

TEST("an index never passes 2^63 - 1") {
  RingBuffer ring(mono(10, std::numeric_limits<SampleIndex>::max() - 5));
  RingReader reader(ring);
  const std::int16_t audio[6] = {1, 2, 3, 4, 5, 6};
  CHECK(ring.write(audio, 6) == WriteStatus::kIndexExhausted);
  CHECK(ring.write(audio, 5) == WriteStatus::kOk);
  CHECK(ring.write(audio, 1) == WriteStatus::kIndexExhausted);
  CHECK(reader.available() == 5);
}

// Not inlined: GCC would see malloc meet operator delete and warn.
#if defined(__GNUC__)
#define NOT_INLINED __attribute__((noinline))
#else
#define NOT_INLINED
#endif
static std::size_t allocations = 0;
NOT_INLINED void* operator new(std::size_t size) {
  ++allocations;
  if (void* memory = std::malloc(size)) return memory;
  throw std::bad_alloc();
}
NOT_INLINED void operator delete(void* memory) noexcept {
  std::free(memory);
}
NOT_INLINED void operator delete(void* memory, std::size_t) noexcept {
  std::free(memory);
}

TEST("writing and reading allocate nothing") {
  RingBuffer ring(mono(100));
  RingReader reader(ring);
  std::int16_t audio[64] = {};
  const std::size_t before = allocations;
  for (int i = 0; i < 1000; ++i) {
    CHECK(ring.write(audio, 64) == WriteStatus::kOk);
    (void)reader.read(audio, 1 + i % 64);
  }
  CHECK(allocations == before);
  CHECK(reader.dropped_frames() > 0);
}
