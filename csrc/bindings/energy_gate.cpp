// fastring::EnergyGate in Python: raw vectorcall methods, because a live stream calls them 50 times a second.
#include "energy_gate.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "arguments.hpp"
#include "arrays.hpp"
#include "scratch.hpp"
#include "self.hpp"

namespace fastring::bindings {
namespace {

// From here on a push is long enough that giving up the GIL costs less than it brings.
constexpr std::size_t kReleaseSamples = std::size_t{64} * 1024;
constexpr std::size_t kFewFrames = 4;
constexpr std::size_t kPieceFrames = 32;  // measured at a time where nobody wants the audio

PyTypeObject* frame_type = nullptr;

PyStructSequence_Field frame_fields[] = {
    {"is_open", "whether the frame is let through"},
    {"level_db", "mean power in dBFS, at least -120"},
    {"floor_db", "least level of the last 3 s, in dBFS"},
    {"zero_crossing_rate", "sign changes per sample, 0..1"},
    {"is_held", "whether the frame is open, or within hold_frames of one that was"},
    {nullptr, nullptr},
};
constexpr int kFrameFields = 5;
PyStructSequence_Desc frame_desc = {"fastring._native.GateFrame",
                                    "A frame at the energy gate; see fastring.EnergyGate.", frame_fields, kFrameFields};

PyObject* frame_from(const GateFrame& frame) {
  auto out = py::reinterpret_steal<py::object>(PyStructSequence_New(frame_type));
  if (!out) throw py::error_already_set();
  PyObject* items[kFrameFields] = {
      PyBool_FromLong(frame.is_open ? 1 : 0), PyFloat_FromDouble(static_cast<double>(frame.level_db)),
      PyFloat_FromDouble(static_cast<double>(frame.floor_db)),
      PyFloat_FromDouble(static_cast<double>(frame.zero_crossing_rate)), PyBool_FromLong(frame.is_held ? 1 : 0)};
  bool whole = true;
  for (int i = 0; i < kFrameFields; ++i) {
    PyStructSequence_SetItem(out.ptr(), i, items[i]);  // takes the reference; a null one is dropped with the rest
    whole = whole && items[i] != nullptr;
  }
  if (!whole) throw py::error_already_set();
  return out.release().ptr();
}

// What one call completes. Python objects that may run other code (garbage collection) are made by result(), when the
// gate is free again.
class Completed {
 public:
  Completed(EnergyGate& gate, std::size_t samples, bool with_audio) : gate_(gate), count_(gate.completed_by(samples)) {
    if (count_ > kFewFrames) many_.resize(count_);
    if (with_audio && count_ > 0) {
      const auto length = static_cast<Py_ssize_t>(gate.audio_floats(count_));
      audio_ = py::reinterpret_steal<py::object>(new_array(Dtype::kFloat32, 1, &length));
    }
  }

  // Needs no GIL.
  template <class Sample>
  void push(const Sample* in, std::size_t samples) {
    if (audio_) {
      any_held_ = gate_.push(in, samples, frames(), static_cast<float*>(array_data(audio_.ptr())));
      return;
    }
    const std::size_t longest = kPieceFrames * static_cast<std::size_t>(gate_.frame_samples());
    float* scratch = thread_scratch(gate_.audio_floats(kPieceFrames + 1));
    for (GateFrame* to = frames(); samples > 0;) {
      const std::size_t piece = std::min(samples, longest);
      const std::size_t count = gate_.completed_by(piece);
      gate_.push(in, piece, to, scratch);
      in += piece;
      samples -= piece;
      to += count;
    }
  }

  [[nodiscard]] py::object frame_list() {
    auto list = py::reinterpret_steal<py::object>(PyList_New(static_cast<Py_ssize_t>(count_)));
    if (!list) throw py::error_already_set();
    for (std::size_t i = 0; i < count_; ++i)
      PyList_SET_ITEM(list.ptr(), static_cast<Py_ssize_t>(i), frame_from(frames()[i]));
    return list;
  }
  [[nodiscard]] PyObject* audio_or_none() const noexcept { return any_held_ ? audio_.ptr() : Py_None; }

 private:
  [[nodiscard]] GateFrame* frames() noexcept { return count_ > kFewFrames ? many_.data() : few_.data(); }

  EnergyGate& gate_;
  std::size_t count_;
  std::array<GateFrame, kFewFrames> few_{};
  std::vector<GateFrame> many_;
  py::object audio_;
  bool any_held_ = false;
};

template <bool kWithAudio>
PyObject* result(Completed& completed) {
  const py::object frames = completed.frame_list();
  PyObject* out = kWithAudio ? PyTuple_Pack(2, frames.ptr(), completed.audio_or_none()) : Py_NewRef(frames.ptr());
  if (out == nullptr) throw py::error_already_set();
  return out;
}

template <bool kWithAudio>
PyObject* push(PyObject* self, PyObject* audio) {
  return guarded([&]() -> PyObject* {
    auto& gate = self_as<EnergyGate>(self);
    ArrayView view;
    view.take_audio(audio);
    const auto frames = static_cast<std::size_t>(view.frames(1));
    std::optional<Completed> completed;
    {
      const auto claim = gate.claim();
      completed.emplace(gate, frames, kWithAudio);
      std::optional<py::gil_scoped_release> release;
      if (frames >= kReleaseSamples) release.emplace();
      if (view.dtype == Dtype::kInt16) {
        completed->push(static_cast<const std::int16_t*>(view.data), frames);
      } else {
        completed->push(static_cast<const float*>(view.data), frames);
      }
    }
    return result<kWithAudio>(*completed);
  });
}

template <bool kWithAudio>
PyObject* flush(PyObject* self, PyObject* /*none*/) {
  return guarded([&]() -> PyObject* {
    auto& gate = self_as<EnergyGate>(self);
    std::optional<Completed> completed;
    {
      const auto claim = gate.claim();
      const std::vector<float> silence(static_cast<std::size_t>(gate.missing()), gate.rest());
      completed.emplace(gate, silence.size(), kWithAudio);
      completed->push(silence.data(), silence.size());
    }
    return result<kWithAudio>(*completed);
  });
}

void reset(py::handle self) {
  auto& gate = checked_self<EnergyGate>(self);
  const auto claim = gate.claim();
  gate.reset();
}

std::int64_t non_finite_samples(py::handle self) {
  auto& gate = checked_self<EnergyGate>(self);
  const auto claim = gate.claim();
  return gate.non_finite_samples();
}

PyMethodDef methods[] = {
    {"push", push<false>, METH_O,
     "push($self, samples, /)\n--\n\n"
     "Take any number of mono samples.\n\n"
     "Args:\n    samples: int16, or float32 in [-1, 1]; shape (n,).\n\n"
     "Returns:\n    One `GateFrame` for each frame these samples completed, in order.\n\n"
     "Raises:\n    AudioFormatError: wrong dtype, shape or layout; nothing was taken.\n"
     "    BusyError: another thread is in this gate."},
    {"flush", flush<false>, METH_NOARGS,
     "flush($self, /)\n--\n\nComplete the frame begun with silence; returns a list of it, or an empty one."},
    {"push_with_audio", push<true>, METH_O,
     "push_with_audio($self, samples, /)\n--\n\n"
     "As `push`, and returns the audio of the frames too.\n\n"
     "Args:\n    samples: as in `push`.\n\n"
     "Returns:\n    (frames, audio). If one of the frames is held, `audio` is float32, shape (64 + n * "
     "frame_samples,):\n"
     "    the 64 samples before the first frame, and the n frames, so that the 64 samples before frame i begin at\n"
     "    i * frame_samples, and the frame itself 64 later. Else it is None.\n\n"
     "Raises:\n    AudioFormatError, BusyError: as `push`."},
    {"flush_with_audio", flush<true>, METH_NOARGS,
     "flush_with_audio($self, /)\n--\n\nAs `flush`; returns as `push_with_audio`."},
};

}  // namespace

void register_energy_gate(py::module_& m) {
  frame_type = PyStructSequence_NewType(&frame_desc);
  if (frame_type == nullptr) throw py::error_already_set();
  m.attr("GateFrame") = py::reinterpret_borrow<py::object>(reinterpret_cast<PyObject*>(frame_type));
  py::class_<EnergyGate> type(m, "EnergyGate", "Level, noise floor and gate of every 32 ms; see fastring.EnergyGate.");
  type.def(py::init([](const py::object& sample_rate, const py::object& frame_samples, const py::object& hold_frames,
                       const py::object& high_pass_hz) {
             return std::make_unique<EnergyGate>(
                 real_number(sample_rate, "sample_rate"), small_number(frame_samples, "frame_samples"),
                 small_number(hold_frames, "hold_frames"), real_number(high_pass_hz, "high_pass_hz"));
           }),
           py::arg("sample_rate"), py::arg("frame_samples"), py::arg("hold_frames"), py::arg("high_pass_hz"))
      .def("reset", &reset, "Forget the stream.")
      .def_property_readonly("frame_samples", on_self<EnergyGate, &EnergyGate::frame_samples>(), "Samples per frame.")
      .def_property_readonly("hold_frames", on_self<EnergyGate, &EnergyGate::hold_frames>(),
                             "Frames held after the gate has closed.")
      .def_property_readonly("non_finite_samples", &non_finite_samples, "NaN and infinite samples so far.")
      .def_property_readonly("state_bytes", on_self<EnergyGate, &EnergyGate::state_bytes>(),
                             "Memory of this stream's state.");
  type.attr("context_samples") = EnergyGate::kContextSamples;
  for (PyMethodDef& method : methods) add_method(type, method);
}

}  // namespace fastring::bindings
