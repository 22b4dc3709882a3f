#include "arguments.hpp"

#include <limits>
#include <stdexcept>
#include <string>

namespace fastring::bindings {
namespace {

std::string shown(py::handle object) {
  constexpr std::size_t kLongest = 60;
  std::string text = py::repr(object);
  if (text.size() > kLongest) text = text.substr(0, kLongest) + "...";
  return text;
}

// The error of a failed conversion becomes ours, if it is about the type or the size of the number.
[[noreturn]] void throw_no_number(py::handle object, const char* name, const char* wanted) {
  if (PyErr_ExceptionMatches(PyExc_OverflowError) != 0) {
    PyErr_Clear();
    throw std::invalid_argument(std::string(name) + " must be below 2**63, not " + shown(object));
  }
  if (PyErr_ExceptionMatches(PyExc_TypeError) == 0) throw py::error_already_set();
  PyErr_Clear();
  throw py::type_error(std::string(name) + " must be " + wanted + ", not " + shown(object));
}

}  // namespace

std::int64_t whole_number(py::handle object, const char* name) {
  const auto number = static_cast<std::int64_t>(PyLong_AsLongLong(object.ptr()));
  if (number == -1 && PyErr_Occurred() != nullptr) throw_no_number(object, name, "a whole number");
  return number;
}

int small_number(py::handle object, const char* name) {
  constexpr int kMost = std::numeric_limits<int>::max();
  const std::int64_t number = whole_number(object, name);
  if (number > kMost || number < -kMost) {
    throw std::invalid_argument(std::string(name) + " must be below 2**31, not " + std::to_string(number));
  }
  return static_cast<int>(number);
}

std::int64_t frame_count(PyObject* object, const char* name) {
  const std::int64_t count = whole_number(object, name);
  if (count < 0) throw std::invalid_argument(std::string(name) + " must be at least 0, not " + std::to_string(count));
  return count;
}

double real_number(py::handle object, const char* name) {
  const double number = PyFloat_AsDouble(object.ptr());
  if (number == -1.0 && PyErr_Occurred() != nullptr) throw_no_number(object, name, "a number");
  return number;
}

}  // namespace fastring::bindings
