// Every operation of the writer against every operation of a reader, on a model of C++ memory (model_memory.hpp) that
// shows each load any value the standard allows: what is delivered is right, whole and accounted for, whatever the
// schedule. To show that the model has teeth, each ordering that the argument in ring_buffer.hpp leans on is then taken
// away, and must be missed.
#define FASTRING_ATOMIC_HEADER "../tests/model_memory.hpp"  // as ring_copy.hpp sees it

#include <vector>

#include "check.hpp"
#include "ring_buffer.hpp"
#include "ring_reader.hpp"

using fastring::OverflowPolicy;
using fastring::RingBuffer;
using fastring::RingReader;
using fastring::SampleIndex;
using fastring::SampleType;
using fastring::WriteStatus;
using fastring::testing::ModelMemory;
using Weakened = ModelMemory::Weakened;

namespace {

constexpr SampleIndex kStart = (SampleIndex{1} << 32) - 3;
constexpr int kExecutions = 2500;

std::int16_t sample_at(SampleIndex index) {
  return static_cast<std::int16_t>(index - kStart + 100);
}

// The samples of a view, by the ring's own kind of access.
void fill(void* view, const std::int16_t* from, std::int64_t frames) {
  const auto address = reinterpret_cast<std::uintptr_t>(view);
  const std::size_t skip = address % fastring::detail::kWordBytes;
  fastring::detail::copy_in(reinterpret_cast<std::uint64_t*>(address - skip), skip, from,
                            static_cast<std::size_t>(frames) * 2);
}
void look(const void* view, std::int16_t* to, std::int64_t frames) {
  const auto address = reinterpret_cast<std::uintptr_t>(view);
  const std::size_t skip = address % fastring::detail::kWordBytes;
  fastring::detail::copy_out(to, reinterpret_cast<const std::uint64_t*>(address - skip), skip,
                             static_cast<std::size_t>(frames) * 2);
}

// One execution: a ring of 5 frames that holds 4, its reader, and what went wrong.
struct World {
  explicit World(OverflowPolicy overflow) : ring({5, 1, SampleType::kInt16, overflow, kStart}), reader(ring) {
    write(4);
  }

  bool write(std::int64_t frames) {
    std::vector<std::int16_t> audio;
    for (std::int64_t i = 0; i < frames; ++i) audio.push_back(sample_at(written + i));
    if (ring.write(audio.data(), frames) != WriteStatus::kOk) return false;
    written += frames;
    return true;
  }
  void write_in_place(std::int64_t frames, std::int64_t keep) {
    const auto view = ring.reserve(frames);
    if (view.status != WriteStatus::kOk) return;
    std::vector<std::int16_t> audio;
    for (std::int64_t i = 0; i < view.frames; ++i) audio.push_back(i < keep ? sample_at(view.start + i) : -1);
    fill(view.audio, audio.data(), view.frames);
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
    std::int16_t out[8];
    const auto result = reader.read(out, frames);
    expect(result.start >= at && result.frames <= frames);
    expect_samples(result.start, out, result.frames);
    at = result.start + result.frames;
    delivered += result.frames;
  }
  void peek(std::int64_t frames) {
    std::int16_t out[8];
    const auto view = reader.peek(frames);
    look(view.audio, out, view.frames);
    const std::int64_t lost = reader.commit(view.frames);
    expect(view.start >= at && lost <= view.frames);
    expect_samples(view.start + lost, out + lost, view.frames - lost);
    at = view.start + view.frames;
    delivered += view.frames - lost;
  }
  void read_at(SampleIndex start, std::int64_t frames) {
    std::int16_t out[8];
    if (ring.read_at(start, out, frames)) expect_samples(start, out, frames);
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

using Act = void (*)(World&);

int executions_gone_wrong(OverflowPolicy overflow, Act writer, Act reader, Weakened weakened = Weakened::kNothing,
                          int executions = kExecutions) {
  auto& memory = ModelMemory::get();
  int wrong = 0;
  for (int i = 0; i < executions; ++i) {
    memory.begin(static_cast<std::uint32_t>(i) * 7919U + 1U, weakened);
    World world(overflow);
    memory.run({[&] { writer(world); }, [&] { reader(world); }});
    world.settle();
    wrong += world.wrong > 0 ? 1 : 0;
  }
  return wrong;
}

// --- what writers and readers do ---------------------------------------------------------------------------------

struct Named {
  const char* name;
  Act act;
};

constexpr Named kWriters[] = {
    {"write", [](World& world) { world.write(3), world.write(2); }},
    {"write more than the ring", [](World& world) { world.write(7); }},
    {"reserve and publish", [](World& world) { world.write_in_place(3, 3), world.write_in_place(2, 2); }},
    {"publish less", [](World& world) { world.write_in_place(4, 1), world.write(2); }},
    {"reset", [](World& world) { world.write(2), world.reset(), world.write(3); }},
    {"close", [](World& world) { world.write(3), world.ring.close(); }},
};
constexpr Named kReaders[] = {
    {"read", [](World& world) { world.read(3), world.read(4); }},
    {"read_at", [](World& world) { world.read_at(kStart, 3), world.read_at(kStart + 2, 4); }},
    {"peek and commit", [](World& world) { world.peek(4), world.peek(4); }},
    {"read to the end", [](World& world) { world.read_to_the_end(); }},
    {"stats", [](World& world) { world.ask(), world.read(1), world.ask(); }},
};

}  // namespace

TEST("each operation of the writer against each of a reader, under both policies") {
  for (const auto overflow : {OverflowPolicy::kDropOldest, OverflowPolicy::kReject}) {
    for (const Named& writer : kWriters) {
      for (const Named& reader : kReaders) {
        const int wrong = executions_gone_wrong(overflow, writer.act, reader.act);
        if (wrong > 0) {
          std::printf("%s against %s: %d of %d executions went wrong\n", writer.name, reader.name, wrong, kExecutions);
        }
        CHECK(wrong == 0);
      }
    }
  }
}

TEST("every ordering the argument leans on is missed when it is taken away") {
  const auto missed = [](const Named& writer, const Named& reader, Weakened weakened) {
    return executions_gone_wrong(OverflowPolicy::kDropOldest, writer.act, reader.act, weakened) > 0;
  };
  const Named& write = kWriters[0];
  const Named& in_place = kWriters[2];
  const Named& read = kReaders[0];
  for (const Named* writer : {&write, &in_place}) {
    CHECK(missed(*writer, read, Weakened::kReleaseFence));  // W2
    CHECK(missed(*writer, read, Weakened::kReleaseStore));  // W4
    CHECK(missed(*writer, read, Weakened::kAcquireLoad));   // R1
    CHECK(missed(*writer, read, Weakened::kAcquireFence));  // R3
    CHECK(missed(*writer, kReaders[1], Weakened::kAcquireFence));
    CHECK(missed(*writer, kReaders[2], Weakened::kAcquireFence));
  }
  CHECK(missed(kWriters[5], kReaders[3], Weakened::kReleaseStore));  // close()
}
