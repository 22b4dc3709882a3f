// Audio that came in from Python: any C-contiguous buffer of int16 or float32, checked and held for one call.
#pragma once

#include <Python.h>

#include <cstddef>
#include <cstdint>
#include <string>

#include "error.hpp"

namespace fastring::bindings {

// Throws Error(kBadAudio) that names what came and what is wanted. Hold the GIL to build and to destroy; the memory may
// be read without it in between.
class Samples {
 public:
  // object: 1-D of n * channels interleaved samples, or 2-D of shape (n, channels).
  Samples(PyObject* object, int channels) {
    if (PyObject_GetBuffer(object, &view_, PyBUF_FORMAT | PyBUF_STRIDES) != 0) {
      PyErr_Clear();
      throw Error(ErrorCode::kBadAudio,
                  "audio must be an int16 or float32 array, not " + std::string(Py_TYPE(object)->tp_name));
    }
    try {
      check(channels);
    } catch (...) {
      PyBuffer_Release(&view_);
      throw;
    }
  }
  ~Samples() { PyBuffer_Release(&view_); }
  Samples(const Samples&) = delete;
  Samples& operator=(const Samples&) = delete;

  [[nodiscard]] bool is_int16() const noexcept { return is_int16_; }
  [[nodiscard]] std::size_t frames() const noexcept { return frames_; }
  [[nodiscard]] const float* float32() const noexcept { return static_cast<const float*>(view_.buf); }
  [[nodiscard]] const std::int16_t* int16() const noexcept { return static_cast<const std::int16_t*>(view_.buf); }

 private:
  void check(int channels) {
    const char* format = view_.format == nullptr ? "B" : view_.format;
    if (*format == '<' || *format == '=' || *format == '@') ++format;
    is_int16_ = format[0] == 'h' && format[1] == '\0' && view_.itemsize == 2;
    const bool is_float32 = format[0] == 'f' && format[1] == '\0' && view_.itemsize == 4;
    if (!is_int16_ && !is_float32) {
      throw Error(ErrorCode::kBadAudio, "audio must be int16 or float32, not " + dtype_name(format));
    }
    const std::size_t count = static_cast<std::size_t>(view_.len / view_.itemsize);
    const auto wide = static_cast<std::size_t>(channels);
    const bool flat = view_.ndim == 1 && count % wide == 0;
    const bool table = view_.ndim == 2 && static_cast<std::size_t>(view_.shape[1]) == wide;
    if (!flat && !table) {
      throw Error(ErrorCode::kBadAudio, "audio of shape " + shape_name() + " does not hold frames of " +
                                            std::to_string(channels) + (channels == 1 ? " channel" : " channels") +
                                            "; want (n,) interleaved or (n, " + std::to_string(channels) + ")");
    }
    if (!PyBuffer_IsContiguous(&view_, 'C')) {
      throw Error(ErrorCode::kBadAudio, "audio of shape " + shape_name() + " is not contiguous; copy it first");
    }
    frames_ = count / wide;
  }

  [[nodiscard]] std::string dtype_name(const char* format) const {
    switch (format[0]) {
      case 'd':
        return "float64";
      case 'e':
        return "float16";
      case 'i':
      case 'l':
      case 'q':
        return "int" + std::to_string(8 * view_.itemsize);
      case 'B':
        return "uint8 or bytes";
      case 'b':
        return "int8";
      case 'H':
        return "uint16";
      case '>':
      case '!':
        return "big-endian data";
      default:
        return std::string("format '") + format + "'";
    }
  }

  [[nodiscard]] std::string shape_name() const {
    std::string text = "(";
    for (int i = 0; i < view_.ndim; ++i) text += (i > 0 ? ", " : "") + std::to_string(view_.shape[i]);
    return text + (view_.ndim == 1 ? ",)" : ")");
  }

  Py_buffer view_;
  bool is_int16_ = false;
  std::size_t frames_ = 0;
};

}  // namespace fastring::bindings
