// One register function per binding file, and the alias every one of them uses.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

namespace fastring::bindings {

namespace py = pybind11;

void register_errors(py::module_& m);
void register_ring_buffer(py::module_& m);
void register_pcm(py::module_& m);
void register_analyzer(py::module_& m);
void register_energy_gate(py::module_& m);

// Makes the C++ exception in flight the Python error: for raw C methods, which pybind11 does not wrap.
void set_python_error() noexcept;

}  // namespace fastring::bindings
