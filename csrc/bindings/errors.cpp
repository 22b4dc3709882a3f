// The only exception translator: fastring::Error becomes the class of fastring.errors that its code names, and
// std::invalid_argument its ConfigError.
#include "error.hpp"

#include "register.hpp"

namespace fastring::bindings {
namespace {

const char* class_name(ErrorCode code) {
  switch (code) {
    case ErrorCode::kBufferClosed:
      return "BufferClosedError";
    case ErrorCode::kBufferFull:
      return "BufferFullError";
    case ErrorCode::kRangeLost:
      return "RangeLostError";
    case ErrorCode::kBadAudio:
      return "AudioFormatError";
    case ErrorCode::kBusy:
      return "BusyError";
  }
  return "FastringError";
}

void set_error(const char* name, const char* message) {
  py::set_error(py::module_::import("fastring.errors").attr(name), message);
}

}  // namespace

void register_errors(py::module_& /*m*/) {
  // fastring.errors imports nothing, so there is no cycle. Raising is the cold path: look the class up when needed.
  py::register_local_exception_translator(
      [](std::exception_ptr pointer) {  // NOLINT(performance-unnecessary-value-param): pybind11's type
        try {
          if (pointer) std::rethrow_exception(pointer);
        } catch (const Error& error) {
          set_error(class_name(error.code()), error.what());
        } catch (const std::invalid_argument& error) {
          set_error("ConfigError", error.what());
        }
      });
}

void set_python_error() noexcept {
  try {
    throw;
  } catch (py::error_already_set& error) {
    error.restore();
  } catch (const Error& error) {
    set_error(class_name(error.code()), error.what());
  } catch (const std::bad_alloc&) {
    PyErr_NoMemory();
  } catch (const std::overflow_error& error) {
    PyErr_SetString(PyExc_OverflowError, error.what());
  } catch (const std::invalid_argument& error) {
    set_error("ConfigError", error.what());
  } catch (const py::builtin_exception& error) {
    error.set_error();
  } catch (const std::exception& error) {
    PyErr_SetString(PyExc_RuntimeError, error.what());
  }
}

}  // namespace fastring::bindings
