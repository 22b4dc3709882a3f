// Every execution of each operation of the writer against each of a reader: not some schedules, all of them, with every
// value that the C++ memory model lets each load see (model_memory.hpp). One or two operations a side on a small ring
// are few enough to be counted out. Then each ordering that the argument in ring_buffer.hpp leans on is taken away, and
// the search must come upon an execution that goes wrong.
#include <set>

#include "check.hpp"
#include "ring_world.hpp"

using fastring::OverflowPolicy;
using fastring::testing::kStart;
using fastring::testing::ModelMemory;
using fastring::testing::World;
using Weakened = ModelMemory::Weakened;

namespace {

using Act = void (*)(World&);
struct Named {
  const char* name;
  Act act;
};

struct Search {
  std::int64_t executions = 0;
  std::int64_t wrong = 0;
};

constexpr std::int64_t kMostExecutions = 2'000'000;

using Histories = std::set<std::vector<std::uint16_t>>;

// All executions; with `until_wrong`, up to the first that goes wrong.
Search search(OverflowPolicy overflow, Act writer, Act reader, Weakened weakened, bool until_wrong,
              Histories* histories = nullptr) {
  auto& memory = ModelMemory::get();
  memory.begin_search();
  Search found;
  do {
    found = {};
    if (histories != nullptr) histories->clear();
    do {
      memory.begin(1, weakened);
      World world(overflow);
      if (!memory.run_next({[&] { writer(world); }, [&] { reader(world); }})) continue;
      if (histories != nullptr) CHECK(histories->insert(memory.history()).second);  // none twice
      world.settle();
      ++found.executions;
      found.wrong += world.wrong > 0 ? 1 : 0;
      if (until_wrong && found.wrong > 0) return found;
    } while (found.executions < kMostExecutions && memory.next_execution());
  } while (memory.must_search_again());
  return found;
}

constexpr Named kWriters[] = {
    {"write", [](World& world) { world.write(3); }},
    {"write twice", [](World& world) { world.write(2), world.write(2); }},
    {"write more than the ring", [](World& world) { world.write(7); }},
    {"reserve and publish", [](World& world) { world.write_in_place(3, 3); }},
    {"publish less, then write", [](World& world) { world.write_in_place(2, 1), world.write(2); }},
    {"write three times", [](World& world) { world.write(2), world.write(1), world.write(3); }},
    {"write both ways", [](World& world) { world.write(2), world.write_in_place(3, 2), world.write(1); }},
    {"reset", [](World& world) { world.reset(); }},
    {"reset between writes", [](World& world) { world.write(2), world.reset(), world.write(2); }},
    {"write and close", [](World& world) { world.write(3), world.ring.close(); }},
};
constexpr Named kReaders[] = {
    {"read", [](World& world) { world.read(4); }},
    {"read twice", [](World& world) { world.read(2), world.read(3); }},
    {"read three times", [](World& world) { world.read(2), world.read(1), world.read(4); }},
    {"read both ways", [](World& world) { world.peek(2), world.read(2), world.peek(4); }},
    {"read_at", [](World& world) { world.read_at(kStart + 1, 3); }},
    {"peek and commit", [](World& world) { world.peek(4); }},
    {"closed, then read", [](World& world) { world.read_if_closed(); }},
    {"stats", [](World& world) { world.ask(); }},
};

}  // namespace

TEST("all executions of each pair of operations, under both policies") {
  std::int64_t executions = 0;
  for (const auto overflow : {OverflowPolicy::kDropOldest, OverflowPolicy::kReject}) {
    for (const Named& writer : kWriters) {
      for (const Named& reader : kReaders) {
        const Search found = search(overflow, writer.act, reader.act, Weakened::kNothing, false);
        std::printf("  %-11s %-24s against %-18s %9lld executions\n",
                    overflow == OverflowPolicy::kReject ? "reject:" : "drop_oldest:", writer.name, reader.name,
                    static_cast<long long>(found.executions));
        CHECK(found.wrong == 0);
        CHECK(found.executions > 0 && found.executions < kMostExecutions);
        executions += found.executions;
      }
    }
  }
  std::printf("  %lld executions, every one right\n", static_cast<long long>(executions));
}

TEST("an ordering that is taken away is found out by one write against one read") {
  const auto found_out = [](const Named& writer, const Named& reader, Weakened weakened) {
    return search(OverflowPolicy::kDropOldest, writer.act, reader.act, weakened, true).wrong > 0;
  };
  for (const Named* writer : {&kWriters[0], &kWriters[3]}) {
    for (const Named* reader : {&kReaders[0], &kReaders[4], &kReaders[5]}) {
      CHECK(found_out(*writer, *reader, Weakened::kReleaseFence));  // W2
      CHECK(found_out(*writer, *reader, Weakened::kAcquireFence));  // R3
    }
    CHECK(found_out(*writer, kReaders[0], Weakened::kReleaseStore));  // W4
    CHECK(found_out(*writer, kReaders[0], Weakened::kAcquireLoad));   // R1
  }
  CHECK(found_out(kWriters[9], kReaders[6], Weakened::kReleaseStore));  // close()
}

// The search against chance: what thousands of random schedules show must be among what it counted out.
TEST("no random schedule shows an execution that the search has not") {
  auto& memory = ModelMemory::get();
  for (const Named* writer : {&kWriters[1], &kWriters[4], &kWriters[8]}) {
    for (const Named* reader : {&kReaders[1], &kReaders[5], &kReaders[7]}) {
      Histories all;
      search(OverflowPolicy::kDropOldest, writer->act, reader->act, Weakened::kNothing, false, &all);
      Histories drawn;
      for (std::uint32_t i = 0; i < 3000; ++i) {
        memory.begin(i * 7919U + 1U, Weakened::kNothing);
        World world(OverflowPolicy::kDropOldest);
        memory.run({[&] { writer->act(world); }, [&] { reader->act(world); }});
        drawn.insert(memory.history());
        world.settle();
      }
      CHECK(std::includes(all.begin(), all.end(), drawn.begin(), drawn.end()));
      std::printf("  %-24s against %-16s %zu executions, %zu of them drawn\n", writer->name, reader->name, all.size(),
                  drawn.size());
    }
  }
}
