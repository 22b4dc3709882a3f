#include "arrays.hpp"

#include <cstring>

namespace fastring::bindings {
namespace {

constexpr int kTypeNumbers[3] = {py::detail::npy_api::NPY_SHORT_, py::detail::npy_api::NPY_FLOAT_,
                                 py::detail::npy_api::NPY_UBYTE_};

std::string described(PyObject* object) {
  if (PyObject_TypeCheck(object, numpy.array_type)) {
    const auto dtype = py::reinterpret_borrow<py::object>(py::detail::array_proxy(object)->descr);
    return "an array of " + std::string(py::str(dtype));
  }
  return "an object of type " + std::string(Py_TYPE(object)->tp_name);
}

// What to do where float32 is taken: NumPy makes float64 of nearly everything.
std::string as_float32(PyObject* object) {
  if (!PyObject_TypeCheck(object, numpy.array_type)) return "";
  const auto* descr = reinterpret_cast<const py::detail::PyArrayDescr_Proxy*>(py::detail::array_proxy(object)->descr);
  return descr->type_num == py::detail::npy_api::NPY_DOUBLE_ ? ": pass audio.astype(np.float32)" : "";
}

// Buffer formats that may carry samples of a dtype: its own, and plain bytes.
bool fits(const char* format, Dtype dtype) noexcept {
  if (format == nullptr || *format == '\0') return true;
  if (*format == '<' || *format == '=' || *format == '@') ++format;
  if (std::strlen(format) != 1) return false;
  if (*format == 'B' || *format == 'b' || *format == 'c') return true;
  return (*format == 'h' && dtype == Dtype::kInt16) || (*format == 'f' && dtype == Dtype::kFloat32);
}

PyObject* frames_in_place(Dtype dtype, void* data, std::int64_t frames, int channels, PyObject* owner, int flags) {
  using py::detail::npy_api;
  const Py_ssize_t shape[2] = {static_cast<Py_ssize_t>(frames), channels};
  PyObject* descr = numpy.descr[static_cast<int>(dtype)];
  Py_INCREF(descr);
  PyObject* array =
      numpy.api->PyArray_NewFromDescr_(numpy.array_type, descr, channels == 1 ? 1 : 2, shape, nullptr, data,
                                       flags | npy_api::NPY_ARRAY_C_CONTIGUOUS_ | npy_api::NPY_ARRAY_ALIGNED_, nullptr);
  if (array == nullptr) throw py::error_already_set();
  Py_INCREF(owner);
  if (numpy.api->PyArray_SetBaseObject_(array, owner) != 0) {
    Py_DECREF(array);
    throw py::error_already_set();
  }
  return array;
}

}  // namespace

Numpy numpy{};

void init_arrays() {
  auto& api = py::detail::npy_api::get();
  numpy.api = &api;
  numpy.array_type = api.PyArray_Type_;
  for (int i = 0; i < 3; ++i) numpy.descr[i] = api.PyArray_DescrFromType_(kTypeNumbers[i]);
}

const char* dtype_name(Dtype dtype) noexcept {
  return dtype == Dtype::kInt16 ? "int16" : dtype == Dtype::kFloat32 ? "float32" : "uint8";
}

bool ArrayView::same_dtype(PyObject* descr, Dtype wanted) noexcept {
  const auto* proxy = reinterpret_cast<const py::detail::PyArrayDescr_Proxy*>(descr);
  return proxy->type_num == kTypeNumbers[static_cast<int>(wanted)] && proxy->byteorder != '>';
}

void ArrayView::take_other(PyObject* object, Dtype wanted, Dtype also, bool writable) {
  const std::string name = dtype_name(wanted);
  if (PyObject_TypeCheck(object, numpy.array_type) || PyObject_CheckBuffer(object) == 0) {
    const std::string names = also == wanted ? name : name + " or " + dtype_name(also);
    throw Error(ErrorCode::kBadAudio, "expected " + names + " samples, as an array or raw bytes, not " +
                                          described(object) +
                                          (wanted == Dtype::kFloat32 && !writable ? as_float32(object) : ""));
  }
  const int flags = PyBUF_ND | PyBUF_FORMAT | (writable ? PyBUF_WRITABLE : 0);  // ND without strides: C-contiguous
  if (PyObject_GetBuffer(object, &buffer_, flags) != 0) {
    PyErr_Clear();
    throw Error(ErrorCode::kBadAudio, "expected a contiguous " + std::string(writable ? "writable " : "") +
                                          "buffer, not " + described(object));
  }
  holds_buffer_ = true;
  if (!fits(buffer_.format, wanted)) {
    throw Error(ErrorCode::kBadAudio,
                "expected " + name + " samples, not a buffer of format '" + std::string(buffer_.format) + "'");
  }
  const std::int64_t item = item_bytes(wanted);
  if (buffer_.len % item != 0) {
    throw Error(ErrorCode::kBadAudio, std::to_string(buffer_.len) + " bytes are no whole number of " + name +
                                          " samples of " + std::to_string(item) + " bytes");
  }
  data = buffer_.buf;
  samples = buffer_.len / item;
  dtype = wanted;
  writable_ = buffer_.readonly == 0;
}

void ArrayView::take_typed(PyObject* object) {
  const char* wanted = "expected int16 or float32 samples, as an array, not ";
  if (PyObject_TypeCheck(object, numpy.array_type) ||
      PyObject_GetBuffer(object, &buffer_, PyBUF_ND | PyBUF_FORMAT) != 0) {
    PyErr_Clear();
    throw Error(ErrorCode::kBadAudio, wanted + described(object) + as_float32(object));
  }
  holds_buffer_ = true;
  const char* format = buffer_.format == nullptr ? "B" : buffer_.format;
  if (*format == '<' || *format == '=' || *format == '@') ++format;
  if (std::strcmp(format, "h") != 0 && std::strcmp(format, "f") != 0) {
    throw Error(ErrorCode::kBadAudio, wanted + described(object) + " of format '" + format + "'");
  }
  dtype = *format == 'h' ? Dtype::kInt16 : Dtype::kFloat32;
  data = buffer_.buf;
  samples = buffer_.len / item_bytes(dtype);
  nd = buffer_.ndim;
  shape = buffer_.shape;
}

void ArrayView::throw_bad_frames(int channels) const {
  std::string found = std::to_string(samples) + " samples";
  if (nd != 1) {
    found = "an array of shape (";
    for (int i = 0; i < nd; ++i) found += (i == 0 ? "" : ", ") + std::to_string(shape[i]);
    found += ")";
  }
  const std::string count = std::to_string(channels);
  throw Error(ErrorCode::kBadAudio, found + " is no whole number of frames of " + count +
                                        (channels == 1 ? " channel" : " channels") +
                                        ": give interleaved samples, or shape (frames, " + count + ")");
}

void ArrayView::throw_strided(bool writable) {
  const char* instead = writable ? "read into a new array and copy from there" : "pass np.ascontiguousarray(audio)";
  throw Error(ErrorCode::kBadAudio, std::string("expected a C-contiguous array, not a strided one: ") + instead);
}

void ArrayView::throw_read_only() {
  throw Error(ErrorCode::kBadAudio, "expected a writable array, not a read-only one");
}

PyObject* view_frames(Dtype dtype, const void* data, std::int64_t frames, int channels, PyObject* owner) {
  return frames_in_place(dtype, const_cast<void*>(data), frames, channels, owner, 0);
}

PyObject* writable_frames(Dtype dtype, void* data, std::int64_t frames, int channels, PyObject* owner) {
  return frames_in_place(dtype, data, frames, channels, owner, py::detail::npy_api::NPY_ARRAY_WRITEABLE_);
}

SampleType sample_type_from(PyObject* object) {
  for (const Dtype dtype : {Dtype::kInt16, Dtype::kFloat32}) {
    if (object == numpy.descr[static_cast<int>(dtype)] ||
        (PyUnicode_Check(object) && PyUnicode_CompareWithASCIIString(object, dtype_name(dtype)) == 0)) {
      return dtype == Dtype::kInt16 ? SampleType::kInt16 : SampleType::kFloat32;
    }
  }
  PyObject* descr = nullptr;
  if (object != Py_None && numpy.api->PyArray_DescrConverter_(object, &descr) == 1) {
    const auto held = py::reinterpret_steal<py::object>(descr);
    for (const Dtype dtype : {Dtype::kInt16, Dtype::kFloat32}) {
      if (numpy.api->PyArray_EquivTypes_(descr, numpy.descr[static_cast<int>(dtype)])) {
        return dtype == Dtype::kInt16 ? SampleType::kInt16 : SampleType::kFloat32;
      }
    }
  }
  PyErr_Clear();
  throw Error(ErrorCode::kBadAudio, "dtype must be int16 or float32, not " + std::string(py::repr(py::handle(object))));
}

}  // namespace fastring::bindings
