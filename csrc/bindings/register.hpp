// One register function per binding file, and the alias every one of them uses.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

namespace fastring::bindings {

namespace py = pybind11;

void register_errors(py::module_& m);

}  // namespace fastring::bindings
