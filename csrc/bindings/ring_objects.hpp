// What stands behind RingBuffer and RingReader in Python: the ring, its readers, and who is in them. The GIL is
// released for large copies only: below kReleaseBytes, giving it up costs more than the copy.
#pragma once

#include "ring_buffer.hpp"

#include <atomic>
#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <utility>

#include "error.hpp"
#include "register.hpp"
#include "ring_reader.hpp"

namespace fastring::bindings {

inline constexpr std::int64_t kReleaseBytes = std::int64_t{128} * 1024;  // measured by benchmarks/gil_threshold.py
inline std::atomic<std::int64_t> release_bytes{kReleaseBytes};           // which alone changes it
inline constexpr SampleIndex kNever = std::numeric_limits<SampleIndex>::max();

// One thread at a time: the writer's side of a ring, or one reader. Two threads at once is a mistake of the caller, and
// is told so instead of being made to wait. With a GIL a plain flag will do, since it only changes hands with the GIL.
class Owner {
 public:
  [[nodiscard]] bool enter() noexcept {
#ifdef Py_GIL_DISABLED
    return !busy_.exchange(true, std::memory_order_acquire);
#else
    if (busy_.load(std::memory_order_relaxed)) return false;
    busy_.store(true, std::memory_order_relaxed);
    return true;
#endif
  }
  void leave() noexcept { busy_.store(false, std::memory_order_release); }

 private:
  std::atomic<bool> busy_{false};
};

inline constexpr const char* kWriting = "writing to this ring";
inline constexpr const char* kInReader = "using this reader";

class Entered {
 public:
  Entered(Owner& owner, const char* what) : owner_(owner) {
    if (!owner.enter()) throw Error(ErrorCode::kBusy, std::string("another thread is ") + what);
  }
  Entered(const Entered&) = delete;
  Entered& operator=(const Entered&) = delete;
  ~Entered() { owner_.leave(); }

 private:
  Owner& owner_;
};

// Without the GIL from here to the end of the scope, if the copy is large enough to pay for it.
class ReleaseGil {
 public:
  explicit ReleaseGil(std::int64_t bytes)
      : state_(bytes >= release_bytes.load(std::memory_order_relaxed) ? PyEval_SaveThread() : nullptr) {}
  ReleaseGil(const ReleaseGil&) = delete;
  ReleaseGil& operator=(const ReleaseGil&) = delete;
  ~ReleaseGil() {
    if (state_ != nullptr) PyEval_RestoreThread(state_);
  }

 private:
  PyThreadState* state_;
};

// A ring with a reader of its own. That one counts (for `used`, the reject policy and `dropped`) unless another reader
// is made before it is ever used: who works with reader() objects only should not see a reader that stands still.
struct Ring {
  explicit Ring(const RingConfig& config) : ring(config), reader(ring) {}

  RingBuffer ring;
  RingReader reader;
  Owner writing;
  Owner reading;
  bool reader_used = false;                     // under `reading`
  std::atomic<SampleIndex> wake_index{kNever};  // a write that gets there calls self._wake()

  [[nodiscard]] RingBuffer& buffer() noexcept { return ring; }
  void prepare() noexcept {
    if (reader_used) return;
    reader_used = true;
    reader.set_registered(true);
  }
};

struct Reading {
  Reading(std::shared_ptr<Ring> of, SampleIndex start) : ring(std::move(of)), reader(ring->ring, start) {}
  explicit Reading(std::shared_ptr<Ring> of) : ring(std::move(of)), reader(ring->ring) {}

  std::shared_ptr<Ring> ring;
  RingReader reader;
  Owner reading;
  std::atomic<bool> closed{false};

  [[nodiscard]] RingBuffer& buffer() noexcept { return ring->ring; }
  void prepare() const {
    if (closed.load(std::memory_order_relaxed)) throw Error(ErrorCode::kBufferClosed, "this reader is closed");
  }
};

// The reading side of both types, and RingReader: ring_reader.cpp.
void add_ring_reading(const py::object& ring_type);
void register_ring_reader(py::module_& m);

}  // namespace fastring::bindings
