// Numbers from Python, by name: what is no number is a short TypeError, what does not fit a std::invalid_argument, and
// both say which argument it was and what it held.
#pragma once

#include <cstdint>

#include "register.hpp"

namespace fastring::bindings {

// Anything with __index__(): no float, not even a whole one.
[[nodiscard]] std::int64_t whole_number(py::handle object, const char* name);
// The same, for an int; the range that makes sense is for the callee to check.
[[nodiscard]] int small_number(py::handle object, const char* name);
// At least 0.
[[nodiscard]] std::int64_t frame_count(PyObject* object, const char* name);
// Anything with __float__() or __index__().
[[nodiscard]] double real_number(py::handle object, const char* name);

}  // namespace fastring::bindings
