// RingBuffer for Python: writing, and what is asked of the whole ring. What runs once per chunk (write, reserve,
// publish, and reading in ring_reader.cpp) is a raw C method on the pybind11 type, about 100 ns cheaper per call than a
// pybind11 method; the rest is ordinary pybind11.
#include "ring_buffer.hpp"

#include <stdexcept>
#include <string>

#include "arguments.hpp"
#include "arrays.hpp"
#include "ring_docs.hpp"
#include "ring_objects.hpp"
#include "self.hpp"

namespace fastring::bindings {
namespace {

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
  detail::sequential_fence();
#endif
  if (ring.ring.write_index() >= ring.wake_index.load(std::memory_order_relaxed)) wake(self, ring);
}

PyObject* ring_write(PyObject* self, PyObject* audio) {
  return guarded([&]() -> PyObject* {
    Ring& ring = self_as<Ring>(self);
    ArrayView samples;
    samples.take(audio, dtype_of(ring.ring.sample_type()));
    const std::int64_t frames = samples.frames(ring.ring.channels());
    {
      const Entered entered(ring.writing, kWriting);
      auto status = WriteStatus::kOk;
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

// --- the rest ----------------------------------------------------------------------------------------------------

py::object read_at(py::handle self, const py::object& first, const py::object& frames, const py::object& dtype) {
  const RingBuffer& buffer = checked_self<Ring>(self).ring;
  const SampleIndex start = whole_number(first, "start");
  const std::int64_t n = frame_count(frames.ptr(), "n");
  const SampleType as = dtype.is_none() ? buffer.sample_type() : sample_type_from(dtype.ptr());
  const auto not_held = [&]() -> Error {
    return {ErrorCode::kRangeLost, "frames " + std::to_string(start) + " to " + std::to_string(start) + " + " +
                                       std::to_string(n) + " are not held: the ring holds " +
                                       std::to_string(buffer.oldest_index()) + " to " +
                                       std::to_string(buffer.write_index())};
  };
  if (n > buffer.capacity_frames()) throw not_held();
  auto array = py::reinterpret_steal<py::object>(new_frames(dtype_of(as), n, buffer.channels()));
  bool held = false;
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
PyMethodDef write_methods[] = {
    {"write", ring_write, METH_O, kWriteDoc},
    {"reserve", ring_reserve, METH_O, kReserveDoc},
    {"publish", ring_publish, METH_O, kPublishDoc},
};

OverflowPolicy policy_from(const py::object& overflow) {
  constexpr const char* kWanted = "overflow must be \"drop_oldest\" or \"reject\", not ";
  if (!py::isinstance<py::str>(overflow)) throw py::type_error(kWanted + std::string(py::repr(overflow)));
  const auto name = overflow.cast<std::string>();
  if (name != "drop_oldest" && name != "reject") throw std::invalid_argument(kWanted + ("\"" + name + "\""));
  return name == "reject" ? OverflowPolicy::kReject : OverflowPolicy::kDropOldest;
}

std::shared_ptr<Ring> make_ring(const py::object& capacity, const py::object& channels, const py::object& dtype,
                                const py::object& overflow, const py::object& start_index, bool touched) {
  return std::make_shared<Ring>(RingConfig{whole_number(capacity, "capacity"), small_number(channels, "channels"),
                                           sample_type_from(dtype.ptr()), policy_from(overflow),
                                           whole_number(start_index, "start_index"), touched});
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
  detail::sequential_fence();
}

}  // namespace

void register_ring_buffer(py::module_& m) {
  py::class_<Ring, std::shared_ptr<Ring>> ring(m, "RingBuffer");
  ring.def(py::init(&make_ring), py::kw_only(), py::arg("capacity"), py::arg("channels"), py::arg("dtype"),
           py::arg("overflow"), py::arg("start_index"), py::arg("touched") = true)
      .def("read_at", &read_at, py::arg("start"), py::arg("n"), py::arg("dtype") = py::none(), kReadAtDoc)
      .def("reset", &reset, kResetDoc)
      .def("_close", &close)
      .def("_stats", &stats)
      .def("_arm", &arm, py::arg("index"));
  for (auto& method : write_methods) add_method(ring, method);
  for (auto& property : ring_properties) add_property(ring, property);
  add_ring_reading(ring);
  register_ring_reader(m);
  m.def(
      "_gil_release_bytes", [](std::int64_t bytes) { return release_bytes.exchange(bytes); }, py::arg("bytes"),
      "For benchmarks: copies from so many bytes on release the GIL; returns what it was.");
}

}  // namespace fastring::bindings
