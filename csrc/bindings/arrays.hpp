// The only way samples enter and leave Python: arrays are checked here and handed on as pointers, nothing is converted
// or copied. What does not fit is an Error(kBadAudio) that names the numbers.
//
// The checks read NumPy's array struct directly through pybind11's mirror of it, because that takes 5 ns where the
// buffer protocol takes 50. Anything but an ndarray goes through the buffer protocol and counts as raw little-endian
// samples.
#pragma once

#include <bit>
#include <cstdint>
#include <string>

#include "error.hpp"
#include "pcm.hpp"
#include "register.hpp"

namespace fastring::bindings {

static_assert(std::endian::native == std::endian::little, "raw PCM is little-endian, and is not swapped");

enum class Dtype { kInt16, kFloat32, kUint8 };

[[nodiscard]] constexpr Dtype dtype_of(SampleType type) noexcept {
  return type == SampleType::kInt16 ? Dtype::kInt16 : Dtype::kFloat32;
}
[[nodiscard]] constexpr std::int64_t item_bytes(Dtype dtype) noexcept {
  return dtype == Dtype::kUint8 ? 1 : dtype == Dtype::kInt16 ? 2 : 4;
}
[[nodiscard]] const char* dtype_name(Dtype dtype) noexcept;

// NumPy's C interface, looked up once by init_arrays() at import.
struct Numpy {
  const py::detail::npy_api* api;
  PyTypeObject* array_type;
  PyObject* descr[3];  // by Dtype
};
extern Numpy numpy;
void init_arrays();

// Samples of a Python object: where they are, how many, and the shape they came in. Holds the buffer of an object that
// is no ndarray. Lives on the stack of one call, with the object alive and the GIL held (or no GIL).
class ArrayView {
 public:
  ArrayView() = default;
  ArrayView(const ArrayView&) = delete;
  ArrayView& operator=(const ArrayView&) = delete;
  ~ArrayView() {
    if (holds_buffer_) PyBuffer_Release(&buffer_);
  }

  // Samples to read, of exactly this dtype.
  void take(PyObject* object, Dtype wanted) {
    if (!take_array(object, wanted, false)) take_other(object, wanted, wanted, false);
  }

  // Samples to read, int16 or float32 as the object itself says; raw bytes say neither and are refused.
  void take_audio(PyObject* object) {
    if (!take_array(object, Dtype::kFloat32, false) && !take_array(object, Dtype::kInt16, false)) take_typed(object);
  }

  // Samples to write; raw buffers count as `wanted`. An array may have the dtype `also` instead.
  void take_writable(PyObject* object, Dtype wanted, Dtype also) {
    if (!take_array(object, wanted, true) && (also == wanted || !take_array(object, also, true))) {
      take_other(object, wanted, also, true);
    }
    if (!writable_) throw_read_only();
  }

  // Whole frames of `channels` interleaved samples: 1-D, or 2-D with one row per frame.
  [[nodiscard]] std::int64_t frames(int channels) const {
    if (nd == 1 && channels == 1) return samples;
    if (nd == 1 ? samples % channels != 0 : nd != 2 || shape[1] != channels) throw_bad_frames(channels);
    return samples / channels;
  }

  void* data = nullptr;
  std::int64_t samples = 0;
  Dtype dtype = Dtype::kInt16;
  int nd = 1;
  const Py_ssize_t* shape = nullptr;  // null unless an ndarray

 private:
  [[nodiscard]] bool take_array(PyObject* object, Dtype wanted, bool writable) {
    using py::detail::npy_api;
    if (!PyObject_TypeCheck(object, numpy.array_type)) return false;
    const auto* array = py::detail::array_proxy(object);
    if (array->descr != numpy.descr[static_cast<int>(wanted)] && !same_dtype(array->descr, wanted)) return false;
    if ((array->flags & npy_api::NPY_ARRAY_C_CONTIGUOUS_) == 0) throw_strided(writable);
    data = array->data;
    nd = array->nd;
    shape = array->dimensions;
    samples = 1;
    for (int i = 0; i < nd; ++i) samples *= shape[i];
    dtype = wanted;
    writable_ = (array->flags & npy_api::NPY_ARRAY_WRITEABLE_) != 0;
    return true;
  }
  void take_other(PyObject* object, Dtype wanted, Dtype also, bool writable);
  void take_typed(PyObject* object);
  [[nodiscard]] static bool same_dtype(PyObject* descr, Dtype wanted) noexcept;
  [[noreturn]] void throw_bad_frames(int channels) const;
  [[noreturn]] static void throw_strided(bool writable);
  [[noreturn]] static void throw_read_only();

  bool writable_ = false;
  bool holds_buffer_ = false;
  Py_buffer buffer_;
};

// A new C-contiguous array that owns its memory, uninitialised.
[[nodiscard]] inline PyObject* new_array(Dtype dtype, int nd, const Py_ssize_t* shape) {
  PyObject* descr = numpy.descr[static_cast<int>(dtype)];
  Py_INCREF(descr);  // stolen by the call
  PyObject* array = numpy.api->PyArray_NewFromDescr_(numpy.array_type, descr, nd, shape, nullptr, nullptr, 0, nullptr);
  if (array == nullptr) throw py::error_already_set();
  return array;
}

// Frames as users see them: 1-D if mono, else (frames, channels).
[[nodiscard]] inline PyObject* new_frames(Dtype dtype, std::int64_t frames, int channels) {
  const Py_ssize_t shape[2] = {static_cast<Py_ssize_t>(frames), channels};
  return new_array(dtype, channels == 1 ? 1 : 2, shape);
}

[[nodiscard]] inline void* array_data(PyObject* array) noexcept {
  return py::detail::array_proxy(array)->data;
}

// An array over memory that `owner` keeps alive: read-only, or writable.
[[nodiscard]] PyObject* view_frames(Dtype dtype, const void* data, std::int64_t frames, int channels, PyObject* owner);
[[nodiscard]] PyObject* writable_frames(Dtype dtype, void* data, std::int64_t frames, int channels, PyObject* owner);

// "int16", np.float32, a dtype, …; only int16 and float32 are sample types.
[[nodiscard]] SampleType sample_type_from(PyObject* object);

// Runs the body of a raw C method: what it throws becomes the Python error.
template <class Body>
PyObject* guarded(Body&& body) noexcept {
  try {
    return body();
  } catch (...) {
    set_python_error();
    return nullptr;
  }
}

}  // namespace fastring::bindings
