#include "features.hpp"

#include <structmember.h>

#include <cstddef>
#include <iterator>
#include <stdexcept>
#include <string>

#include "arrays.hpp"

namespace fastring::bindings {
namespace {

struct Features {
  PyObject ob_base;
  long long sample_index;
  double rms, energy, peak, dc_offset, zero_crossing_rate;
  double spectral_centroid, spectral_rolloff, spectral_flux, spectral_flatness;
  PyObject* pitch;
  double pitch_confidence;
  PyObject* tempo;
  double tempo_confidence;
  PyObject* onsets;
  double onset_strength;
  char onset_detected;
  long long non_finite_samples;
};

PyTypeObject* features_type = nullptr;

#define FASTRING_FIELD(name, type, doc) {#name, type, offsetof(Features, name), READONLY, doc}
PyMemberDef members[] = {
    FASTRING_FIELD(sample_index, T_LONGLONG, "samples per channel pushed so far"),
    FASTRING_FIELD(rms, T_DOUBLE, "root mean square of the chunk"),
    FASTRING_FIELD(energy, T_DOUBLE, "sum of squares of the chunk, mean over channels"),
    FASTRING_FIELD(peak, T_DOUBLE, "largest magnitude of the chunk"),
    FASTRING_FIELD(dc_offset, T_DOUBLE, "mean of the chunk"),
    FASTRING_FIELD(zero_crossing_rate, T_DOUBLE, "sign changes per sample of the chunk"),
    FASTRING_FIELD(spectral_centroid, T_DOUBLE, "Hz, newest spectral frame"),
    FASTRING_FIELD(spectral_rolloff, T_DOUBLE, "Hz, newest spectral frame"),
    FASTRING_FIELD(spectral_flux, T_DOUBLE, "rise in magnitude, newest spectral frame"),
    FASTRING_FIELD(spectral_flatness, T_DOUBLE, "0..1, newest spectral frame"),
    FASTRING_FIELD(pitch, T_OBJECT, "Hz, newest settled pitch frame; None when unvoiced"),
    FASTRING_FIELD(pitch_confidence, T_DOUBLE, "periodicity 0..1 of the newest settled pitch frame"),
    FASTRING_FIELD(tempo, T_OBJECT, "beats per minute; None when there is no regular beat"),
    FASTRING_FIELD(tempo_confidence, T_DOUBLE, "0..1"),
    FASTRING_FIELD(onsets, T_OBJECT, "onsets reported in this chunk: tuple of (sample_index, report_index, strength)"),
    FASTRING_FIELD(onset_strength, T_DOUBLE, "strongest onset of this chunk, 0 without one"),
    FASTRING_FIELD(onset_detected, T_BOOL, "whether this chunk reported an onset"),
    FASTRING_FIELD(non_finite_samples, T_LONGLONG, "NaN and infinite samples of this chunk, taken as 0"),
    {nullptr, 0, 0, 0, nullptr},
};
#undef FASTRING_FIELD

void dealloc(PyObject* self) {
  auto* features = reinterpret_cast<Features*>(self);
  PyTypeObject* type = Py_TYPE(self);
  Py_XDECREF(features->pitch);
  Py_XDECREF(features->tempo);
  Py_XDECREF(features->onsets);
  type->tp_free(self);
  Py_DECREF(type);
}

PyObject* repr(PyObject* self) {
  auto* f = reinterpret_cast<Features*>(self);
  py::str text("Features(sample_index={}, rms={:.4g}, pitch={}, tempo={}, onsets={})");
  py::object out =
      text.attr("format")(f->sample_index, f->rms, py::reinterpret_borrow<py::object>(f->pitch),
                          py::reinterpret_borrow<py::object>(f->tempo), py::reinterpret_borrow<py::object>(f->onsets));
  return out.release().ptr();
}

// Where a field lies in an object.
template <class Value>
Value& field_of(PyObject* self, const PyMemberDef& member) noexcept {
  return *reinterpret_cast<Value*>(reinterpret_cast<char*>(self) + member.offset);
}

// For pickle and copy: (rebuild, (every field in order,)).
PyObject* reduce(PyObject* self, PyObject* /*unused*/) {
  return guarded([&]() -> PyObject* {
    py::list fields;
    for (const PyMemberDef* member = members; member->name != nullptr; ++member) {
      fields.append(py::handle(self).attr(member->name));
    }
    return py::make_tuple(py::module_::import("fastring._native").attr("_features"), py::make_tuple(py::tuple(fields)))
        .release()
        .ptr();
  });
}

py::object rebuild(const py::tuple& fields) {
  constexpr std::size_t kCount = std::size(members) - 1;
  if (fields.size() != kCount) {
    throw std::invalid_argument("Features have " + std::to_string(kCount) + " fields, not " +
                                std::to_string(fields.size()) + ": pickled by another version of fastring");
  }
  auto made = py::reinterpret_steal<py::object>(features_type->tp_alloc(features_type, 0));
  if (!made) throw py::error_already_set();
  for (std::size_t i = 0; i < kCount; ++i) {
    const PyMemberDef& member = members[i];
    const py::handle value = fields[i];
    if (member.type == T_DOUBLE) {
      field_of<double>(made.ptr(), member) = value.cast<double>();
    } else if (member.type == T_LONGLONG) {
      field_of<long long>(made.ptr(), member) = value.cast<long long>();
    } else if (member.type == T_BOOL) {
      field_of<char>(made.ptr(), member) = value.cast<bool>() ? 1 : 0;
    } else {
      field_of<PyObject*>(made.ptr(), member) = Py_NewRef(value.ptr());
    }
  }
  return made;
}

PyMethodDef methods[] = {
    {"__reduce__", reduce, METH_NOARGS, nullptr},
    {nullptr, nullptr, 0, nullptr},
};
PyType_Slot slots[] = {
    {Py_tp_dealloc, reinterpret_cast<void*>(dealloc)},
    {Py_tp_repr, reinterpret_cast<void*>(repr)},
    {Py_tp_members, members},
    {Py_tp_methods, methods},
    {Py_tp_doc, const_cast<char*>("What one Analyzer.push found; every field is finite or None.")},
    {0, nullptr},
};
PyType_Spec spec = {"fastring._native.Features", sizeof(Features), 0,
                    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE, slots};

PyObject* float_or_none(float value) noexcept {
  if (value > 0.0f) return PyFloat_FromDouble(static_cast<double>(value));
  return Py_NewRef(Py_None);
}

PyObject* onset_tuple(const std::vector<OnsetEvent>& onsets) noexcept {
  PyObject* tuple = PyTuple_New(static_cast<Py_ssize_t>(onsets.size()));
  for (std::size_t i = 0; tuple != nullptr && i < onsets.size(); ++i) {
    const OnsetEvent& onset = onsets[i];
    PyObject* item = Py_BuildValue("(LLd)", static_cast<long long>(onset.sample_index),
                                   static_cast<long long>(onset.report_index), static_cast<double>(onset.strength));
    if (item == nullptr) {
      Py_DECREF(tuple);
      return nullptr;
    }
    PyTuple_SET_ITEM(tuple, static_cast<Py_ssize_t>(i), item);
  }
  return tuple;
}

}  // namespace

void register_features(py::module_& m) {
  PyObject* type = PyType_FromSpec(&spec);
  if (type == nullptr) throw py::error_already_set();
  features_type = reinterpret_cast<PyTypeObject*>(type);
  m.attr("Features") = py::reinterpret_borrow<py::object>(type);
  m.def("_features", &rebuild, py::arg("fields"), "Features from all of their fields, for pickle.");
}

PyObject* make_features(const Analyzer& analyzer, const ChunkLevel& level,
                        const std::vector<OnsetEvent>& onsets) noexcept {
  PyObject* object = features_type->tp_alloc(features_type, 0);
  if (object == nullptr) return nullptr;
  auto* f = reinterpret_cast<Features*>(object);
  f->sample_index = analyzer.samples_pushed();
  f->rms = static_cast<double>(level.rms);
  f->energy = static_cast<double>(level.energy);
  f->peak = static_cast<double>(level.peak);
  f->dc_offset = static_cast<double>(level.dc_offset);
  f->zero_crossing_rate = static_cast<double>(level.zero_crossing_rate);
  const SpectrumFrame& spectrum = analyzer.spectrum();
  f->spectral_centroid = static_cast<double>(spectrum.centroid_hz);
  f->spectral_rolloff = static_cast<double>(spectrum.rolloff_hz);
  f->spectral_flux = static_cast<double>(spectrum.flux);
  f->spectral_flatness = static_cast<double>(spectrum.flatness);
  f->pitch = float_or_none(analyzer.pitch().f0_hz);
  f->pitch_confidence = static_cast<double>(analyzer.pitch().confidence);
  f->tempo = float_or_none(analyzer.tempo().bpm);
  f->tempo_confidence = static_cast<double>(analyzer.tempo().confidence);
  f->onsets = onset_tuple(onsets);
  f->onset_detected = onsets.empty() ? 0 : 1;
  for (const OnsetEvent& onset : onsets) {
    if (static_cast<double>(onset.strength) > f->onset_strength)
      f->onset_strength = static_cast<double>(onset.strength);
  }
  f->non_finite_samples = level.non_finite;
  if (f->pitch == nullptr || f->tempo == nullptr || f->onsets == nullptr) {
    Py_DECREF(object);
    return nullptr;
  }
  return object;
}

}  // namespace fastring::bindings
