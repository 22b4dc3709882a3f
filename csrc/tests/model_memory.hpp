// A model of C++ memory to run the ring on: every atomic access may see any value that the standard lets it see, and
// threads take turns as a random choice has it. The ring's headers use it in place of the machine's memory when
// FASTRING_ATOMIC_HEADER names this file (ring_copy.hpp).
//
// The model is the operational one of release, acquire and relaxed accesses and fences by views (Kang, Hur, Lahav,
// Vafeiadis & Dreyer, "A promising semantics for relaxed-memory concurrency", POPL 2017, without promises). A location
// is the list of all its stores. A thread has a view: for each location, the oldest store that it may still see. A load
// takes any store from there on; a release store carries the view of its thread along, an acquire load takes it over,
// and fences do the same for the relaxed accesses around them. Not in it: a load that sees a store which its own later
// stores caused (load buffering).
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
#include <type_traits>
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
    stores_.clear();
    words_.clear();
    threads_.assign(1, Thread{});
    running_ = 0;
  }

  // Runs the bodies as threads, to their ends, in an order drawn at random. All see what was done before.
  void run(const std::vector<std::function<void()>>& bodies) {
    const Thread start = threads_[0];
    threads_.assign(bodies.size() + 1, start);
    stacks_.resize(bodies.size() + 1);
    bodies_ = &bodies;
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
    while (!alive_.empty()) {
      running_ = alive_[random_() % alive_.size()];
      swapcontext(&scheduler_, &threads_[running_].context);
    }
    running_ = 0;
    for (const Thread& thread : threads_) join(threads_[0].now, thread.now);  // the threads are joined
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
    take_turns();
    Thread& self = threads_[running_];
    const auto& stores = stores_[location];
    const std::size_t oldest = self.now[location];
    const std::size_t seen = oldest + random_() % (stores.size() - oldest);
    self.now[location] = static_cast<std::uint16_t>(seen);
    join(self.seen, stores[seen].view);
    if (order == std::memory_order_acquire && weakened_ != Weakened::kAcquireLoad) join(self.now, stores[seen].view);
    return stores[seen].value;
  }
  void store(std::size_t location, std::uint64_t value, std::memory_order order) {
    take_turns();
    Thread& self = threads_[running_];
    auto& stores = stores_[location];
    self.now[location] = static_cast<std::uint16_t>(stores.size());
    const bool release = order == std::memory_order_release && weakened_ != Weakened::kReleaseStore;
    stores.push_back({value, release ? self.now : self.released});
    stores.back().view[location] = self.now[location];
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
  static void enter() {
    ModelMemory& memory = get();
    const std::size_t self = memory.running_;
    (*memory.bodies_)[self - 1]();
    memory.alive_.erase(std::find(memory.alive_.begin(), memory.alive_.end(), self));
  }
  void take_turns() {
    if (running_ == 0 || alive_.size() < 2 || random_() % 3 != 0) return;
    swapcontext(&threads_[running_].context, &scheduler_);
  }

  std::minstd_rand random_;
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
