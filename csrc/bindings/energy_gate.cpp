// fastring::EnergyGate in Python.
#include "energy_gate.hpp"

#include <vector>

#include "register.hpp"
#include "samples.hpp"

namespace fastring::bindings {
namespace {

py::list push(EnergyGate& gate, const py::object& audio) {
  const Samples samples(audio.ptr(), 1);
  std::vector<GateFrame> frames;
  if (samples.is_int16()) {
    gate.push(samples.int16(), samples.frames(), frames);
  } else {
    gate.push(samples.float32(), samples.frames(), frames);
  }
  py::list out;
  for (const GateFrame& f : frames) out.append(py::make_tuple(f.is_open, f.level_db, f.floor_db, f.zero_crossing_rate));
  return out;
}

}  // namespace

void register_energy_gate(py::module_& m) {
  py::class_<EnergyGate>(m, "EnergyGate", "Level, noise floor and gate of every 32 ms; see fastring.EnergyGate.")
      .def(py::init<double>(), py::arg("sample_rate"))
      .def("push", &push, py::arg("samples"), "(is_open, level_db, floor_db, zero_crossing_rate) per completed frame.")
      .def("reset", &EnergyGate::reset, "Forget the stream.")
      .def_property_readonly("frame_samples", &EnergyGate::frame_samples);
}

}  // namespace fastring::bindings
