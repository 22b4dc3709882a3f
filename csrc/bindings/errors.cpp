// The only exception translator: fastring::Error becomes the class of fastring.errors that its code names.
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

}  // namespace

void register_errors(py::module_& /*m*/) {
  // fastring.errors imports nothing, so there is no cycle. Raising is the cold path: look the class up when needed.
  py::register_local_exception_translator([](std::exception_ptr pointer) {
    try {
      if (pointer) std::rethrow_exception(pointer);
    } catch (const Error& error) {
      py::object type = py::module_::import("fastring.errors").attr(class_name(error.code()));
      py::set_error(type, error.what());
    }
  });
}

}  // namespace fastring::bindings
