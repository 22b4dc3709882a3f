// One writer and several readers on threads of their own. Every sample is a function of its index, so a torn, repeated
// or misplaced read shows; under ThreadSanitizer the accesses themselves are checked.
#include <atomic>
#include <thread>
#include <vector>

#include "check.hpp"
#include "ring_buffer.hpp"
#include "ring_reader.hpp"

using fastring::LostRange;
using fastring::OverflowPolicy;
using fastring::RingBuffer;
using fastring::RingReader;
using fastring::SampleIndex;
using fastring::SampleType;
using fastring::WriteStatus;

namespace {

#if defined(__SANITIZE_THREAD__)
constexpr std::int64_t kFrames = 3'000'000;
#else
constexpr std::int64_t kFrames = 20'000'000;
#endif

constexpr SampleIndex kStart = (SampleIndex{1} << 32) - 1000;

std::int16_t sample_at(SampleIndex index) {
  return static_cast<std::int16_t>((static_cast<std::uint64_t>(index) * 0x9E3779B97F4A7C15ULL) >> 48);
}

struct Account {
  std::int64_t delivered = 0;
  std::int64_t wrong = 0;
  std::int64_t out_of_order = 0;
  std::int64_t lost = 0;
  std::int64_t dropped = 0;
};

// Reads to the end of the stream in reads of changing length; checks values, order, and that gaps are the lost ranges.
void read_all(RingBuffer& ring, RingReader& reader, unsigned seed, Account& account) {
  std::vector<std::int16_t> out(700);
  SampleIndex expected = kStart;
  for (unsigned step = seed;; step = step * 1664525U + 1013904223U) {
    const bool last = ring.closed();
    const auto result = reader.read(out.data(), 1 + (step >> 16) % 700);
    if (result.start < expected) ++account.out_of_order;
    LostRange range{};
    for (SampleIndex at = expected; reader.take_lost(range); at = range.start + range.frames) {
      if (range.start < at) ++account.out_of_order;
      account.lost += range.frames;
    }
    for (std::int64_t i = 0; i < result.frames; ++i) {
      if (out[static_cast<std::size_t>(i)] != sample_at(result.start + i)) ++account.wrong;
    }
    account.delivered += result.frames;
    expected = result.start + result.frames;
    if (result.frames == 0) {
      if (last && reader.available() == 0) break;
      std::this_thread::yield();
    }
  }
  account.dropped = reader.dropped_frames();
}

// A reader of a drop-oldest ring may copy what is being filled, and any reader the ragged words at the ends of a view:
// the letter of ISO C++ wants atomic stores there. Inside a view of a reject ring ThreadSanitizer proves that plain
// stores meet nobody.
void fill_sample(std::int16_t* sample, std::int16_t value, bool atomic) {
  if (atomic) {
    std::atomic_ref<std::int16_t>(*sample).store(value, std::memory_order_relaxed);
  } else {
    *sample = value;
  }
}

// One write in place of up to `frames` frames; returns how many were appended. Every fourth publishes less than it
// reserved, after scribbling over all of it.
std::int64_t write_in_place(RingBuffer& ring, std::int64_t frames, unsigned step) {
  const auto view = ring.reserve(frames);
  if (view.status != WriteStatus::kOk) return 0;
  constexpr std::int64_t kWordSamples = 4;
  const bool shared = ring.overflow() == OverflowPolicy::kDropOldest;
  auto* samples = static_cast<std::int16_t*>(view.audio);
  const std::int64_t keep = (step >> 8) % 4 == 0 ? view.frames / 2 : view.frames;
  for (std::int64_t i = view.frames; i-- > 0;) {
    const bool ragged = i < kWordSamples || i >= view.frames - kWordSamples;
    fill_sample(samples + i, i < keep ? sample_at(view.start + i) : std::int16_t{-1}, shared || ragged);
  }
  return ring.publish(keep) == WriteStatus::kOk ? keep : 0;
}

// Writes kFrames in writes of changing length, some longer than the ring, every second one in place.
void write_all(RingBuffer& ring, std::int64_t longest) {
  std::vector<std::int16_t> audio(static_cast<std::size_t>(longest));
  unsigned step = 1;
  for (SampleIndex at = ring.write_index(), end = at + kFrames; at < end;) {
    step = step * 1664525U + 1013904223U;
    const std::int64_t frames = std::min<std::int64_t>(1 + (step >> 16) % static_cast<unsigned>(longest), end - at);
    std::int64_t appended = 0;
    if ((step >> 12) % 2 == 0) {
      appended = write_in_place(ring, frames, step);
    } else {
      for (std::int64_t i = 0; i < frames; ++i) audio[static_cast<std::size_t>(i)] = sample_at(at + i);
      if (ring.write(audio.data(), frames) == WriteStatus::kOk) appended = frames;
    }
    if (appended == 0) std::this_thread::yield();
    at += appended;
  }
  ring.close();
}

void run(OverflowPolicy overflow, std::int64_t capacity, std::int64_t longest) {
  RingBuffer ring({capacity, 1, SampleType::kInt16, overflow, kStart});
  Account accounts[3];
  RingReader readers[3] = {RingReader(ring), RingReader(ring), RingReader(ring)};
  std::vector<std::thread> threads;
  for (unsigned i = 0; i < 3; ++i) {
    threads.emplace_back([&, i] { read_all(ring, readers[i], i, accounts[i]); });
  }
  std::atomic<bool> stop{false};
  std::thread watcher([&] {
    while (!stop.load()) {
      const auto stats = ring.stats();
      if (stats.used_frames > capacity || stats.used_frames < 0) fastring::testing::fail(__FILE__, __LINE__, "used");
      std::this_thread::yield();
    }
  });
  write_all(ring, longest);
  for (auto& thread : threads) thread.join();
  stop.store(true);
  watcher.join();
  std::int64_t dropped = 0;
  for (const Account& account : accounts) {
    CHECK(account.wrong == 0);
    CHECK(account.out_of_order == 0);
    CHECK(account.lost == account.dropped);
    CHECK(account.delivered + account.dropped == kFrames);
    if (overflow == OverflowPolicy::kReject) CHECK(account.dropped == 0);
    dropped += account.dropped;
  }
  CHECK(ring.stats().dropped_frames == dropped);
}

}  // namespace

TEST("drop-oldest, a small ring: readers are overtaken in mid-copy and notice") {
  run(OverflowPolicy::kDropOldest, 500, 300);
}
TEST("drop-oldest, writes longer than the ring") {
  run(OverflowPolicy::kDropOldest, 333, 800);
}
TEST("drop-oldest, a large ring") {
  run(OverflowPolicy::kDropOldest, 65536, 1024);
}
TEST("reject: nothing is lost") {
  run(OverflowPolicy::kReject, 1000, 300);
}

TEST("readers come and go while the writer writes") {
  RingBuffer ring({1000, 2, SampleType::kFloat32, OverflowPolicy::kDropOldest, 0});
  std::thread writer([&] {
    std::vector<float> audio(2 * 64);
    for (SampleIndex at = 0; at < kFrames / 10; at += 64) {
      for (std::size_t i = 0; i < 128; ++i)
        audio[i] = static_cast<float>((at + static_cast<SampleIndex>(i / 2)) % 65536);
      CHECK(ring.write(audio.data(), 64) == WriteStatus::kOk);
    }
    ring.close();
  });
  std::int64_t wrong = 0;
  while (!ring.closed()) {
    RingReader reader(ring);
    std::vector<float> out(2 * 100);
    for (int i = 0; i < 10; ++i) {
      const auto result = reader.read(out.data(), 100);
      for (std::int64_t f = 0; f < result.frames; ++f) {
        const auto expected = static_cast<float>((result.start + f) % 65536);
        if (out[static_cast<std::size_t>(2 * f)] != expected || out[static_cast<std::size_t>(2 * f + 1)] != expected)
          ++wrong;
      }
    }
  }
  writer.join();
  CHECK(wrong == 0);
}
