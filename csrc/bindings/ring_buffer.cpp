// RingBuffer and RingReader for Python. What runs once per chunk (write, reserve, publish, read, read_into, peek,
// commit, available, position) is a raw C method on the pybind11 type, about 100 ns cheaper per call than a pybind11
// method; the rest is ordinary pybind11. The GIL is released for large copies only: below kReleaseBytes, giving it up
// costs more than the copy.
#include "ring_buffer.hpp"

#include <atomic>
#include <cstdint>
#include <limits>
#include <memory>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>

#include "arrays.hpp"
#include "ring_docs.hpp"
#include "ring_reader.hpp"

namespace fastring::bindings {
namespace {

constexpr std::int64_t kReleaseBytes = 128 * 1024;
constexpr SampleIndex kNever = std::numeric_limits<SampleIndex>::max();

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

constexpr const char* kInReader = "using this reader";

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
  explicit ReleaseGil(std::int64_t bytes) : state_(bytes >= kReleaseBytes ? PyEval_SaveThread() : nullptr) {}
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

  static constexpr const char* kName = "RingBuffer";
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

  static constexpr const char* kName = "RingReader";
  [[nodiscard]] RingBuffer& buffer() noexcept { return ring->ring; }
  void prepare() const {
    if (closed.load(std::memory_order_relaxed)) throw Error(ErrorCode::kBufferClosed, "this reader is closed");
  }
};

// The C++ object behind `self`, whose type the method descriptor has checked already.
template <class Self>
Self& self_as(PyObject* self) {
  auto* instance = reinterpret_cast<py::detail::instance*>(self);
  void* value = instance->simple_layout
                    ? instance->simple_value_holder[0]
                    : instance->get_value_and_holder(py::detail::get_type_info(typeid(Self), true)).value_ptr();
  if (value == nullptr) throw py::type_error(std::string(Self::kName) + ".__init__() was not called");
  return *static_cast<Self*>(value);
}

// The same for ordinary pybind11 methods, which would take an object without __init__ for a whole one.
template <class Self>
Self& checked_self(py::handle self) {
  if (!py::isinstance<Self>(self)) throw py::type_error(std::string("expected a ") + Self::kName);
  return self_as<Self>(self.ptr());
}

std::int64_t frame_count(PyObject* object, const char* name) {
  const auto count = static_cast<std::int64_t>(PyLong_AsLongLong(object));
  if (count == -1 && PyErr_Occurred() != nullptr) throw py::error_already_set();
  if (count < 0) throw std::invalid_argument(std::string(name) + " must be at least 0, not " + std::to_string(count));
  return count;
}

// --- writing -----------------------------------------------------------------------------------------------------

[[noreturn]] void throw_not_written(WriteStatus status, const RingBuffer& ring, std::int64_t frames) {
  if (status == WriteStatus::kClosed) throw Error(ErrorCode::kBufferClosed, "the ring is closed");
  if (status == WriteStatus::kReserved) {
    throw Error(ErrorCode::kBusy, std::to_string(ring.reserved_frames()) + " frames are reserved: publish them first");
  }
  if (status == WriteStatus::kNotReserved) {
    throw std::invalid_argument("cannot publish " + std::to_string(frames) + " frames, " +
                                std::to_string(ring.reserved_frames()) + " are reserved");
  }
  if (status == WriteStatus::kIndexExhausted) throw std::overflow_error("the frame index would pass 2**63 - 1");
  const RingStats stats = ring.stats();
  throw Error(ErrorCode::kBufferFull, std::to_string(frames) + " frames do not fit: " +
                                          std::to_string(stats.capacity_frames - stats.used_frames) + " of " +
                                          std::to_string(stats.capacity_frames) + " are free");
}

void wake(PyObject* self, Ring& ring) {
  ring.wake_index.store(kNever, std::memory_order_relaxed);
  PyObject* result = PyObject_CallMethod(self, "_wake", nullptr);
  if (result == nullptr) {
    PyErr_WriteUnraisable(self);  // the write itself is done
  } else {
    Py_DECREF(result);
  }
}

void wake_if_due(PyObject* self, Ring& ring) {
#ifdef Py_GIL_DISABLED
  // Against arm(): either this sees its index, or it sees our frames.
  std::atomic_thread_fence(std::memory_order_seq_cst);
#endif
  if (ring.ring.write_index() >= ring.wake_index.load(std::memory_order_relaxed)) wake(self, ring);
}

constexpr const char* kWriting = "writing to this ring";

PyObject* ring_write(PyObject* self, PyObject* audio) {
  return guarded([&]() -> PyObject* {
    Ring& ring = self_as<Ring>(self);
    ArrayView samples;
    samples.take(audio, dtype_of(ring.ring.sample_type()));
    const std::int64_t frames = samples.frames(ring.ring.channels());
    {
      const Entered entered(ring.writing, kWriting);
      WriteStatus status;
      {
        const ReleaseGil release(frames * ring.ring.frame_bytes());
        status = ring.ring.write(samples.data, frames);
      }
      if (status != WriteStatus::kOk) throw_not_written(status, ring.ring, frames);
    }
    wake_if_due(self, ring);
    return PyLong_FromLongLong(frames);
  });
}

PyObject* ring_reserve(PyObject* self, PyObject* n) {
  return guarded([&]() -> PyObject* {
    Ring& ring = self_as<Ring>(self);
    const std::int64_t frames = frame_count(n, "n");
    RingWriteView view;
    {
      const Entered entered(ring.writing, kWriting);
      view = ring.ring.reserve(frames);
    }
    if (view.status != WriteStatus::kOk) throw_not_written(view.status, ring.ring, view.frames);
    return writable_frames(dtype_of(ring.ring.sample_type()), view.audio, view.frames, ring.ring.channels(), self);
  });
}

PyObject* ring_publish(PyObject* self, PyObject* n) {
  return guarded([&]() -> PyObject* {
    Ring& ring = self_as<Ring>(self);
    const std::int64_t frames = frame_count(n, "n");
    {
      const Entered entered(ring.writing, kWriting);
      const WriteStatus status = ring.ring.publish(frames);
      if (status != WriteStatus::kOk) throw_not_written(status, ring.ring, frames);
    }
    wake_if_due(self, ring);
    return PyLong_FromLongLong(frames);
  });
}

// --- reading: the same for a ring (its own reader) and for a RingReader -------------------------------------------

// Reads into memory for at least `frames` frames; returns how many there were.
template <class Self>
std::int64_t read_frames(Self& side, void* out, std::int64_t frames, SampleType as) {
  const ReleaseGil release(frames * side.buffer().frame_bytes());
  const bool plain = as == side.buffer().sample_type();
  return (plain ? side.reader.read(out, frames) : side.reader.read_converted(out, frames)).frames;
}

template <class Self>
PyObject* side_read_into(PyObject* self, PyObject* out) {
  return guarded([&]() -> PyObject* {
    Self& side = self_as<Self>(self);
    const Dtype own = dtype_of(side.buffer().sample_type());
    ArrayView samples;
    samples.take_writable(out, own, own == Dtype::kInt16 ? Dtype::kFloat32 : Dtype::kInt16);
    const std::int64_t frames = samples.frames(side.buffer().channels());
    const SampleType as = samples.dtype == Dtype::kInt16 ? SampleType::kInt16 : SampleType::kFloat32;
    const Entered entered(side.reading, kInReader);
    side.prepare();
    return PyLong_FromLongLong(read_frames(side, samples.data, frames, as));
  });
}

// The arguments of read(n=None, dtype=None); a missing one stays null.
struct ReadArguments {
  PyObject* n = nullptr;
  PyObject* dtype = nullptr;

  ReadArguments(PyObject* const* args, Py_ssize_t count, PyObject* names) {
    const Py_ssize_t named = names == nullptr ? 0 : PyTuple_GET_SIZE(names);
    if (count > 2) throw py::type_error("read() takes at most 2 arguments, " + std::to_string(count) + " given");
    if (count > 0) n = args[0];
    if (count > 1) dtype = args[1];
    for (Py_ssize_t i = 0; i < named; ++i) {
      PyObject* name = PyTuple_GET_ITEM(names, i);
      PyObject** slot = PyUnicode_CompareWithASCIIString(name, "n") == 0       ? &n
                        : PyUnicode_CompareWithASCIIString(name, "dtype") == 0 ? &dtype
                                                                               : nullptr;
      if (slot == nullptr || *slot != nullptr) {
        throw py::type_error("read() got an unexpected or repeated argument " + std::string(py::repr(name)));
      }
      *slot = args[count + i];
    }
    if (n == Py_None) n = nullptr;
    if (dtype == Py_None) dtype = nullptr;
  }
};

template <class Self>
PyObject* side_read(PyObject* self, PyObject* const* args, Py_ssize_t count, PyObject* names) {
  return guarded([&]() -> PyObject* {
    Self& side = self_as<Self>(self);
    const ReadArguments arguments(args, count, names);
    RingBuffer& ring = side.buffer();
    std::int64_t frames = side.reader.available();
    if (arguments.n != nullptr) frames = std::min(frames, frame_count(arguments.n, "n"));
    const SampleType as = arguments.dtype == nullptr ? ring.sample_type() : sample_type_from(arguments.dtype);
    // The array first: making it may run other code (garbage collection), which must not find the reader busy.
    auto array = py::reinterpret_steal<py::object>(new_frames(dtype_of(as), frames, ring.channels()));
    std::int64_t delivered;
    {
      const Entered entered(side.reading, kInReader);
      side.prepare();
      delivered = read_frames(side, array_data(array.ptr()), frames, as);
    }
    if (delivered == frames) return array.release().ptr();
    return PySequence_GetSlice(array.ptr(), 0, static_cast<Py_ssize_t>(delivered));  // overtaken by the writer
  });
}

template <class Self>
PyObject* side_peek(PyObject* self, PyObject* const* args, Py_ssize_t count) {
  return guarded([&]() -> PyObject* {
    Self& side = self_as<Self>(self);
    if (count > 1) throw py::type_error("peek() takes at most 1 argument, " + std::to_string(count) + " given");
    const std::int64_t frames = count == 0 || args[0] == Py_None ? kNever : frame_count(args[0], "n");
    RingView view;
    {
      const Entered entered(side.reading, kInReader);
      side.prepare();
      view = side.reader.peek(frames);
    }
    const RingBuffer& ring = side.buffer();
    return view_frames(dtype_of(ring.sample_type()), view.audio, view.frames, ring.channels(), self);
  });
}

template <class Self>
PyObject* side_commit(PyObject* self, PyObject* n) {
  return guarded([&]() -> PyObject* {
    Self& side = self_as<Self>(self);
    const std::int64_t frames = frame_count(n, "n");
    const Entered entered(side.reading, kInReader);
    side.prepare();
    const std::int64_t available = side.reader.available() + side.reader.unnoticed_loss();
    if (frames > available) {
      throw std::invalid_argument("cannot commit " + std::to_string(frames) + " frames, " + std::to_string(available) +
                                  " are available");
    }
    return PyLong_FromLongLong(side.reader.commit(frames));
  });
}

template <class Self, auto Get>
PyObject* property(PyObject* self, void*) {
  return guarded([&] {
    auto value = Get(self_as<Self>(self));
    if constexpr (std::is_same_v<decltype(value), py::object>) {
      return value.release().ptr();
    } else {
      return py::cast(value).release().ptr();
    }
  });
}

template <class Self>
py::list take_lost(py::handle self) {
  Self& side = checked_self<Self>(self);
  const Entered entered(side.reading, kInReader);
  py::list ranges;
  LostRange range{};
  while (side.reader.take_lost(range)) ranges.append(py::make_tuple(range.start, range.frames));
  return ranges;
}

py::object read_at(py::handle self, SampleIndex start, std::int64_t n, const py::object& dtype) {
  const RingBuffer& buffer = checked_self<Ring>(self).ring;
  const SampleType as = dtype.is_none() ? buffer.sample_type() : sample_type_from(dtype.ptr());
  const auto not_held = [&]() -> Error {
    return {ErrorCode::kRangeLost, "frames " + std::to_string(start) + " to " + std::to_string(start) + " + " +
                                       std::to_string(n) + " are not held: the ring holds " +
                                       std::to_string(buffer.oldest_index()) + " to " +
                                       std::to_string(buffer.write_index())};
  };
  if (n < 0) throw std::invalid_argument("n must be at least 0, not " + std::to_string(n));
  if (n > buffer.capacity_frames()) throw not_held();
  auto array = py::reinterpret_steal<py::object>(new_frames(dtype_of(as), n, buffer.channels()));
  bool held;
  {
    const ReleaseGil release(n * buffer.frame_bytes());
    void* out = array_data(array.ptr());
    held = as == buffer.sample_type() ? buffer.read_at(start, out, n) : buffer.read_converted_at(start, out, n);
  }
  if (!held) throw not_held();
  return array;
}

py::object dtype_object(const RingBuffer& ring) {
  return py::reinterpret_borrow<py::object>(numpy.descr[static_cast<int>(dtype_of(ring.sample_type()))]);
}

const char* overflow_name(const RingBuffer& ring) {
  return ring.overflow() == OverflowPolicy::kReject ? "reject" : "drop_oldest";
}

// --- the types ---------------------------------------------------------------------------------------------------

template <class Function>
PyCFunction as_c_function(Function function) {
  return reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(function));
}

template <class Self>
PyMethodDef side_methods[] = {
    {"read", as_c_function(side_read<Self>), METH_FASTCALL | METH_KEYWORDS, kReadDoc},
    {"read_into", side_read_into<Self>, METH_O, kReadIntoDoc},
    {"peek", as_c_function(side_peek<Self>), METH_FASTCALL, kPeekDoc},
    {"commit", side_commit<Self>, METH_O, kCommitDoc},
};
template <class Self>
PyGetSetDef side_properties[] = {
    {"available", property<Self, [](const Self& side) { return side.reader.available(); }>, nullptr,
     "Frames that `read` would deliver now.", nullptr},
    {"position", property<Self, [](const Self& side) { return side.reader.position(); }>, nullptr,
     "Index of the next frame that `read` would deliver.", nullptr},
    {"dropped", property<Self, [](const Self& side) { return side.reader.dropped_frames(); }>, nullptr,
     "Frames lost to overwriting so far, whether a read came upon the gap yet or not.", nullptr},
    {"total_read", property<Self, [](const Self& side) { return side.reader.total_read_frames(); }>, nullptr,
     "Frames delivered so far.", nullptr},
};

PyGetSetDef ring_properties[] = {
    {"closed", property<Ring, [](const Ring& side) { return side.ring.closed(); }>, nullptr,
     "Whether `close` was called.", nullptr},
    {"write_index", property<Ring, [](const Ring& side) { return side.ring.write_index(); }>, nullptr,
     "Index of the next frame to be written.", nullptr},
    {"oldest_index", property<Ring, [](const Ring& side) { return side.ring.oldest_index(); }>, nullptr,
     "Index of the oldest frame held.", nullptr},
    {"capacity", property<Ring, [](const Ring& side) { return side.ring.capacity_frames(); }>, nullptr,
     "Frames the ring can hold.", nullptr},
    {"channels", property<Ring, [](const Ring& side) { return side.ring.channels(); }>, nullptr,
     "Interleaved channels.", nullptr},
    {"dtype", property<Ring, [](const Ring& side) { return dtype_object(side.ring); }>, nullptr,
     "NumPy dtype of the samples.", nullptr},
    {"overflow", property<Ring, [](const Ring& side) { return overflow_name(side.ring); }>, nullptr,
     "What a full ring does: \"drop_oldest\" or \"reject\".", nullptr},
};
PyGetSetDef reader_closed = {"closed", property<Reading, [](const Reading& side) { return side.closed.load(); }>,
                             nullptr, "Whether `close` was called.", nullptr};
PyMethodDef write_methods[] = {
    {"write", ring_write, METH_O, kWriteDoc},
    {"reserve", ring_reserve, METH_O, kReserveDoc},
    {"publish", ring_publish, METH_O, kPublishDoc},
};

void add(const py::object& type, const char* name, PyObject* descriptor) {
  if (descriptor == nullptr) throw py::error_already_set();
  type.attr(name) = py::reinterpret_steal<py::object>(descriptor);
}

PyTypeObject* type_object(const py::object& type) {
  return reinterpret_cast<PyTypeObject*>(type.ptr());
}

template <class Self>
void add_side(const py::object& type) {
  for (auto& method : side_methods<Self>) add(type, method.ml_name, PyDescr_NewMethod(type_object(type), &method));
  for (auto& property : side_properties<Self>) {
    add(type, property.name, PyDescr_NewGetSet(type_object(type), &property));
  }
}

std::shared_ptr<Ring> make_ring(std::int64_t capacity, int channels, const py::object& dtype,
                                const std::string& overflow, SampleIndex start_index) {
  if (overflow != "drop_oldest" && overflow != "reject") {
    throw std::invalid_argument("overflow must be \"drop_oldest\" or \"reject\", not \"" + overflow + "\"");
  }
  const auto policy = overflow == "reject" ? OverflowPolicy::kReject : OverflowPolicy::kDropOldest;
  return std::make_shared<Ring>(RingConfig{capacity, channels, sample_type_from(dtype.ptr()), policy, start_index});
}

py::tuple stats(py::handle self) {
  const RingStats stats = checked_self<Ring>(self).ring.stats();
  return py::make_tuple(stats.capacity_frames, stats.held_frames, stats.used_frames, stats.total_written_frames,
                        stats.total_read_frames, stats.overflows, stats.dropped_frames, stats.high_water_frames);
}

void reset(py::handle self) {
  Ring& ring = checked_self<Ring>(self);
  const Entered entered(ring.writing, kWriting);
  ring.ring.reset();
}

void close(py::handle self) {
  checked_self<Ring>(self).ring.close();
}

// Asks for self._wake() once the write index has reached `index`. The caller looks at the index again afterwards.
void arm(py::handle self, SampleIndex index) {
  checked_self<Ring>(self).wake_index.store(index, std::memory_order_relaxed);
  std::atomic_thread_fence(std::memory_order_seq_cst);
}

std::unique_ptr<Reading> make_reader(const py::object& of, const py::object& start) {
  (void)checked_self<Ring>(of);
  const auto ring = of.cast<std::shared_ptr<Ring>>();
  auto made =
      start.is_none() ? std::make_unique<Reading>(ring) : std::make_unique<Reading>(ring, start.cast<SampleIndex>());
  if (ring->reading.enter()) {
    if (!ring->reader_used) ring->reader.set_registered(false);
    ring->reading.leave();
  }
  return made;
}

void close_reader(py::handle self) {
  Reading& side = checked_self<Reading>(self);
  const Entered entered(side.reading, kInReader);
  if (side.closed.exchange(true)) return;
  (void)side.reader.peek(0);  // its last losses count
  side.reader.set_registered(false);
}

}  // namespace

void register_ring_buffer(py::module_& m) {
  py::class_<Ring, std::shared_ptr<Ring>> ring(m, "RingBuffer");
  ring.def(py::init(&make_ring), py::kw_only(), py::arg("capacity"), py::arg("channels"), py::arg("dtype"),
           py::arg("overflow"), py::arg("start_index"))
      .def("read_at", &read_at, py::arg("start"), py::arg("n"), py::arg("dtype") = py::none(), kReadAtDoc)
      .def("reset", &reset, kResetDoc)
      .def("_close", &close)
      .def("_stats", &stats)
      .def("_lost", &take_lost<Ring>)
      .def("_arm", &arm, py::arg("index"));
  for (auto& method : write_methods) add(ring, method.ml_name, PyDescr_NewMethod(type_object(ring), &method));
  for (auto& property : ring_properties) add(ring, property.name, PyDescr_NewGetSet(type_object(ring), &property));
  add_side<Ring>(ring);

  py::class_<Reading, std::unique_ptr<Reading>> reader(m, "RingReader");
  reader.def(py::init(&make_reader), py::kw_only(), py::arg("ring"), py::arg("start"))
      .def("close", &close_reader, "Ends this reader: it holds up no writer, and reading raises `BufferClosedError`.")
      .def("_lost", &take_lost<Reading>);
  add(reader, "closed", PyDescr_NewGetSet(type_object(reader), &reader_closed));
  add_side<Reading>(reader);
}

}  // namespace fastring::bindings
