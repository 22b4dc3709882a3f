// The result of Analyzer.push: a plain C type with named fields, several times cheaper to make than a bound class.
#pragma once

#include <vector>

#include "analyzer.hpp"
#include "register.hpp"

namespace fastring::bindings {

void register_features(py::module_& m);

// New reference, or null with a Python error set.
PyObject* make_features(const Analyzer& analyzer, const ChunkLevel& level,
                        const std::vector<OnsetEvent>& onsets) noexcept;

}  // namespace fastring::bindings
