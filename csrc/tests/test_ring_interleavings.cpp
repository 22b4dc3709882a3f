// Every operation of the writer against every operation of a reader, on a model of C++ memory (model_memory.hpp) that
// shows each load any value the standard allows: what is delivered is right, whole and accounted for, whatever the
// schedule. To show that the model has teeth, each ordering that the argument in ring_buffer.hpp leans on is then taken
// away, and must be missed.
#include "check.hpp"
#include "ring_world.hpp"

using fastring::OverflowPolicy;
using fastring::testing::kStart;
using fastring::testing::ModelMemory;
using fastring::testing::World;
using Weakened = ModelMemory::Weakened;

namespace {

constexpr int kExecutions = 2500;

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
