// A model of C++ memory to run the ring on: every atomic access may see any value that the standard lets it see. The
// ring's headers use it in place of the machine's memory when FASTRING_ATOMIC_HEADER names this file (ring_copy.hpp).
//
// The model is the operational one of release, acquire and relaxed accesses and fences by views (Kang, Hur, Lahav,
// Vafeiadis & Dreyer, "A promising semantics for relaxed-memory concurrency", POPL 2017, without promises). A location
// is the list of all its stores. A thread has a view: for each location, the oldest store that it may still see. A load
// takes any store from there on; a release store carries the view of its thread along, an acquire load takes it over,
// and fences do the same for the relaxed accesses around them. Not in it: a load that sees a store which its own later
// stores caused (load buffering).
//
// Two ways through it. run(): threads take turns, and loads see, as a random choice has it. run_next(): every execution
// of two threads, one after another. What tells two executions apart is which store each load sees, since every
// location here has one thread that stores to it, so no order of stores is open. A thread therefore runs on until it
// loads what the other one stores; there the execution forks: it sees one of the stores that are there, or it waits for
// the other's next one to that location, whereupon it has the same choice again, less the stores it has refused. An
// execution where the awaited store never comes is none. As no load sees a store that it caused itself, every
// execution has an order in which each awaited store comes, so none is left out, and none is run twice.
#pragma once

#include <ucontext.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <type_traits>
#include <utility>
#include <vector>

namespace fastring::testing {

class ModelMemory {
 public:
  static constexpr std::size_t kMostLocations = 96;
  // What can be taken away from the ring's code, to show that its absence is found.
  enum class Weakened { kNothing, kReleaseFence, kAcquireFence, kReleaseStore, kAcquireLoad };

  static ModelMemory& get() {
    static ModelMemory memory;
    return memory;
  }

  // Forgets everything; what follows is the set-up of one execution, on one thread.
  void begin(std::uint32_t seed, Weakened weakened) {
    random_.seed(seed);
    weakened_ = weakened;
    exhaustive_ = false;
    stores_.clear();
    words_.clear();
    threads_.assign(1, Thread{});
    running_ = 0;
  }

  // Runs the bodies as threads, to their ends, in an order drawn at random. All see what was done before.
  void run(const std::vector<std::function<void()>>& bodies) {
    make_threads(bodies);
    while (!alive_.empty()) resume(alive_[random_() % alive_.size()]);
    end_threads();
  }

  // Before the first execution of an exhaustive search; begin() and run_next() follow for each.
  void begin_search() {
    trail_.clear();
    stored_by_ = {};
    seen_storing_ = {};
  }
  // Runs two bodies in the next execution of the search. False if there was none such: an awaited store did not come;
  // the threads are then left where they stand, so nothing in them may need a destructor.
  bool run_next(const std::vector<std::function<void()>>& bodies) {
    exhaustive_ = true;
    at_choice_ = 0;
    awaited_.fill(kNothingAwaited);
    make_threads(bodies);
    std::size_t next = 1;
    while (!alive_.empty()) {
      resume(next);
      if (alive_.size() == 2) {
        next = 3 - next;
      } else if (!alive_.empty()) {
        next = alive_.front();
        impossible_ = awaited_[next] != kNothingAwaited;  // for a store of a thread that has ended
        if (impossible_) alive_.clear();
      }
    }
    const bool possible = !std::exchange(impossible_, false);
    end_threads();
    return possible;
  }
  // Which store each load of the two threads saw, in the order of each thread: what tells executions apart.
  [[nodiscard]] std::vector<std::uint16_t> history() const {
    std::vector<std::uint16_t> all = histories_[1];
    all.push_back(0xFFFF);
    all.insert(all.end(), histories_[2].begin(), histories_[2].end());
    return all;
  }
  // Turns to the next execution; false if there is none.
  bool next_execution() {
    while (!trail_.empty() && trail_.back().taken + 1 == trail_.back().options) trail_.pop_back();
    if (trail_.empty()) return false;
    ++trail_.back().taken;
    return true;
  }
  // Whether threads stored to locations that this search did not know of, so that loads may have missed a choice: it
  // has to be repeated from the start, knowing what it knows now.
  bool must_search_again() {
    trail_.clear();
    return std::exchange(stored_by_, seen_storing_) != seen_storing_;
  }

  std::size_t add(std::uint64_t value) {
    if (stores_.size() == kMostLocations) std::abort();
    stores_.push_back({Store{value, threads_[running_].now}});
    return stores_.size() - 1;
  }
  std::size_t location_of(const std::uint64_t* word) {
    const auto found = words_.find(word);
    if (found != words_.end()) return found->second;
    stores_.push_back({Store{*word, View{}}});  // as the ring's constructor left it, before any thread
    return words_[word] = stores_.size() - 1;
  }

  std::uint64_t load(std::size_t location, std::memory_order order) {
    if (!exhaustive_) take_turns();
    const std::size_t seen = exhaustive_ ? choose_store(location) : draw_store(location);
    Thread& self = threads_[running_];
    const Store& store = stores_[location][seen];
    if (running_ != 0) histories_[running_].push_back(static_cast<std::uint16_t>(seen));
    self.now[location] = static_cast<std::uint16_t>(seen);
    join(self.seen, store.view);
    if (order == std::memory_order_acquire && weakened_ != Weakened::kAcquireLoad) join(self.now, store.view);
    return store.value;
  }
  void store(std::size_t location, std::uint64_t value, std::memory_order order) {
    if (!exhaustive_) take_turns();
    Thread& self = threads_[running_];
    auto& stores = stores_[location];
    self.now[location] = static_cast<std::uint16_t>(stores.size());
    const bool release = order == std::memory_order_release && weakened_ != Weakened::kReleaseStore;
    stores.push_back({value, release ? self.now : self.released});
    stores.back().view[location] = self.now[location];
    if (!exhaustive_ || running_ == 0) return;
    seen_storing_[running_].insert(location);
    if (awaited_[3 - running_] == location) yield();
  }
  void acquire_fence() {
    if (weakened_ != Weakened::kAcquireFence) join(threads_[running_].now, threads_[running_].seen);
  }
  void release_fence() {
    if (weakened_ != Weakened::kReleaseFence) threads_[running_].released = threads_[running_].now;
  }

 private:
  static constexpr std::size_t kStackBytes = 128 * 1024;
  using View = std::array<std::uint16_t, kMostLocations>;  // the oldest store that may be seen, by location

  struct Store {
    std::uint64_t value;
    View view;
  };
  struct Thread {
    View now{};       // what it may not look behind
    View seen{};      // what an acquire fence would add
    View released{};  // what its relaxed stores carry since a release fence
    ucontext_t context{};
  };

  static void join(View& into, const View& other) {
    for (std::size_t i = 0; i < kMostLocations; ++i) into[i] = std::max(into[i], other[i]);
  }
  static constexpr std::size_t kNothingAwaited = kMostLocations;
  struct Choice {
    std::size_t taken;
    std::size_t options;
  };

  void make_threads(const std::vector<std::function<void()>>& bodies) {
    const Thread start = threads_[0];
    threads_.assign(bodies.size() + 1, start);
    stacks_.resize(std::max(stacks_.size(), bodies.size() + 1));
    bodies_ = &bodies;
    histories_.assign(bodies.size() + 1, {});
    alive_.clear();
    for (std::size_t i = 1; i <= bodies.size(); ++i) {
      if (!stacks_[i]) stacks_[i] = std::make_unique<unsigned char[]>(kStackBytes);
      ucontext_t& context = threads_[i].context;
      getcontext(&context);
      context.uc_stack.ss_sp = stacks_[i].get();
      context.uc_stack.ss_size = kStackBytes;
      context.uc_link = &scheduler_;
      makecontext(&context, &ModelMemory::enter, 0);
      alive_.push_back(i);
    }
  }
  void end_threads() {
    running_ = 0;
    for (const Thread& thread : threads_) join(threads_[0].now, thread.now);  // the threads are joined
  }
  void resume(std::size_t thread) {
    running_ = thread;
    swapcontext(&scheduler_, &threads_[thread].context);
  }
  void yield() { swapcontext(&threads_[running_].context, &scheduler_); }
  static void enter() {
    ModelMemory& memory = get();
    const std::size_t self = memory.running_;
    (*memory.bodies_)[self - 1]();
    memory.alive_.erase(std::find(memory.alive_.begin(), memory.alive_.end(), self));
  }
  void take_turns() {
    if (running_ != 0 && alive_.size() > 1 && random_() % 3 == 0) yield();
  }
  std::size_t draw_store(std::size_t location) {
    const std::size_t oldest = threads_[running_].now[location];
    return oldest + random_() % (stores_[location].size() - oldest);
  }

  // The same choice as last time, or the one after it where the trail ends.
  std::size_t choose(std::size_t options) {
    if (at_choice_ == trail_.size()) trail_.push_back({0, options});
    if (trail_[at_choice_].options != options) std::abort();  // the bodies are not deterministic
    return trail_[at_choice_++].taken;
  }
  std::size_t choose_store(std::size_t location) {
    const std::size_t self = running_;
    std::size_t from = threads_[self].now[location];
    for (;;) {
      const std::size_t there = stores_[location].size() - from;
      const std::size_t options = there + (can_await(location) ? 1 : 0);
      const std::size_t choice = options == 1 ? 0 : choose(options);
      if (choice < there) return from + choice;
      from = stores_[location].size();
      awaited_[self] = location;
      yield();
      awaited_[self] = kNothingAwaited;
    }
  }
  [[nodiscard]] bool can_await(std::size_t location) const {
    if (running_ == 0 || alive_.size() < 2) return false;
    const std::size_t other = 3 - running_;
    return awaited_[other] == kNothingAwaited && stored_by_[other].contains(location);
  }

  std::minstd_rand random_;
  bool exhaustive_ = false;
  bool impossible_ = false;
  std::vector<std::vector<std::uint16_t>> histories_;
  std::vector<Choice> trail_;
  std::size_t at_choice_ = 0;
  std::array<std::size_t, 3> awaited_{};               // by thread: the location whose next store it waits for
  std::array<std::set<std::size_t>, 3> stored_by_;     // by thread: the locations a load may wait for
  std::array<std::set<std::size_t>, 3> seen_storing_;  // by thread: those it was seen to store to
  Weakened weakened_ = Weakened::kNothing;
  std::vector<std::vector<Store>> stores_;
  std::map<const std::uint64_t*, std::size_t> words_;
  std::vector<Thread> threads_;
  std::vector<std::unique_ptr<unsigned char[]>> stacks_;
  std::vector<std::size_t> alive_;
  const std::vector<std::function<void()>>* bodies_ = nullptr;
  std::size_t running_ = 0;
  ucontext_t scheduler_{};
};

}  // namespace fastring::testing

namespace fastring::detail {

template <class T>
class Atomic {
 public:
  Atomic() : Atomic(T{}) {}
  Atomic(T value) : location_(testing::ModelMemory::get().add(bits(value))) {}
  Atomic(const Atomic&) = delete;
  Atomic& operator=(const Atomic&) = delete;

  T load(std::memory_order order) const {
    const std::uint64_t found = testing::ModelMemory::get().load(location_, order);
    if constexpr (std::is_same_v<T, bool>) {
      return found != 0;
    } else {
      return std::bit_cast<T>(found);
    }
  }
  void store(T value, std::memory_order order) { testing::ModelMemory::get().store(location_, bits(value), order); }

 private:
  static std::uint64_t bits(T value) {
    if constexpr (std::is_same_v<T, bool>) {
      return value ? 1 : 0;
    } else {
      return std::bit_cast<std::uint64_t>(value);
    }
  }
  std::size_t location_;
};

inline void acquire_fence() noexcept {
  testing::ModelMemory::get().acquire_fence();
}
inline void release_fence() noexcept {
  testing::ModelMemory::get().release_fence();
}
inline std::uint64_t load_word(const std::uint64_t* word) noexcept {
  auto& memory = testing::ModelMemory::get();
  return memory.load(memory.location_of(word), std::memory_order_relaxed);
}
inline void store_word(std::uint64_t* word, std::uint64_t value) noexcept {
  auto& memory = testing::ModelMemory::get();
  memory.store(memory.location_of(word), value, std::memory_order_relaxed);
}

}  // namespace fastring::detail
