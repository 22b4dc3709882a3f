// Reading from a ring in Python: the methods that RingBuffer (by its own reader) and RingReader share, and RingReader.
// What runs once per chunk is a raw C method, the rest ordinary pybind11.
#include "ring_reader.hpp"

#include <stdexcept>
#include <string>

#include "arguments.hpp"
#include "arrays.hpp"
#include "ring_docs.hpp"
#include "ring_objects.hpp"
#include "self.hpp"

namespace fastring::bindings {
namespace {

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
    std::int64_t delivered = 0;
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

template <class Self>
py::list take_lost(py::handle self) {
  Self& side = checked_self<Self>(self);
  const Entered entered(side.reading, kInReader);
  py::list ranges;
  LostRange range{};
  while (side.reader.take_lost(range)) ranges.append(py::make_tuple(range.start, range.frames));
  return ranges;
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

PyGetSetDef reader_closed = {"closed", property<Reading, [](const Reading& side) { return side.closed.load(); }>,
                             nullptr, "Whether `close` was called.", nullptr};
template <class Self>
void add_side(const py::object& type) {
  for (auto& method : side_methods<Self>) add_method(type, method);
  for (auto& property : side_properties<Self>) add_property(type, property);
}

std::unique_ptr<Reading> make_reader(const py::object& of, const py::object& start) {
  (void)checked_self<Ring>(of);
  const auto ring = of.cast<std::shared_ptr<Ring>>();
  auto made =
      start.is_none() ? std::make_unique<Reading>(ring) : std::make_unique<Reading>(ring, whole_number(start, "start"));
  if (ring->reading.enter()) {
    if (!ring->reader_used) ring->reader.set_registered(false);
    ring->reading.leave();
  }
  return made;
}

void close_reader(py::handle self) {
  auto& side = checked_self<Reading>(self);
  const Entered entered(side.reading, kInReader);
  if (side.closed.exchange(true)) return;
  (void)side.reader.peek(0);  // its last losses count
  side.reader.set_registered(false);
}

}  // namespace

void add_ring_reading(const py::object& ring_type) {
  add_side<Ring>(ring_type);
  ring_type.attr("_lost") = py::cpp_function(&take_lost<Ring>, py::name("_lost"), py::is_method(ring_type));
}

void register_ring_reader(py::module_& m) {
  py::class_<Reading, std::unique_ptr<Reading>> reader(m, "RingReader");
  reader.def(py::init(&make_reader), py::kw_only(), py::arg("ring"), py::arg("start"))
      .def("close", &close_reader, "Ends this reader: it holds up no writer, and reading raises `BufferClosedError`.")
      .def("_lost", &take_lost<Reading>);
  add_property(reader, reader_closed);
  add_side<Reading>(reader);
}

}  // namespace fastring::bindings
