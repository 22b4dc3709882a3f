// The sample conversions for Python: raw C functions that take an array or bytes and an optional array to fill.
#include "pcm.hpp"

#include <cstdint>
#include <string>

#include "arrays.hpp"

namespace fastring::bindings {
namespace {

constexpr std::int64_t kReleaseSamples = std::int64_t{64} * 1024;

struct Arguments {
  PyObject* audio = nullptr;
  PyObject* out = nullptr;

  // f(audio, /, out=None)
  Arguments(PyObject* const* args, Py_ssize_t count, PyObject* names) {
    const Py_ssize_t named = names == nullptr ? 0 : PyTuple_GET_SIZE(names);
    if (count < 1 || count + named > 2) {
      throw py::type_error("expected audio and at most one more argument (out), " + std::to_string(count + named) +
                           " given");
    }
    if (named == 1 && PyUnicode_CompareWithASCIIString(PyTuple_GET_ITEM(names, 0), "out") != 0) {
      throw py::type_error("unexpected argument " + std::string(py::repr(PyTuple_GET_ITEM(names, 0))));
    }
    audio = args[0];
    if (count + named == 2 && args[1] != Py_None) out = args[1];
  }
};

std::string shape_text(const ArrayView& view) {
  if (view.shape == nullptr) return "(" + std::to_string(view.samples) + ",)";
  std::string text = "(";
  for (int i = 0; i < view.nd; ++i)
    text += std::to_string(view.shape[i]) + (i + 1 < view.nd ? ", " : view.nd == 1 ? "," : "");
  return text + ")";
}

void check_out(const ArrayView& in, const ArrayView& out) {
  bool same = in.samples == out.samples && in.nd == out.nd;
  for (int i = 0; same && i < in.nd && in.shape != nullptr && out.shape != nullptr; ++i)
    same = in.shape[i] == out.shape[i];
  if (!same) {
    throw Error(ErrorCode::kBadAudio, "out has shape " + shape_text(out) + ", the audio has shape " + shape_text(in));
  }
  const auto* in_begin = static_cast<const unsigned char*>(in.data);
  const auto* out_begin = static_cast<const unsigned char*>(out.data);
  if (in_begin < out_begin + out.samples * item_bytes(out.dtype) &&
      out_begin < in_begin + in.samples * item_bytes(in.dtype)) {
    throw Error(ErrorCode::kBadAudio, "out overlaps the audio in memory");
  }
}

// One conversion: from dtype In to dtype Out by Convert.
template <Dtype In, Dtype Out, auto Convert>
PyObject* convert(PyObject*, PyObject* const* args, Py_ssize_t count, PyObject* names) {
  return guarded([&]() -> PyObject* {
    const Arguments arguments(args, count, names);
    ArrayView in;
    in.take(arguments.audio, In);
    ArrayView target;
    py::object array;
    if (arguments.out == nullptr) {
      const auto length = static_cast<Py_ssize_t>(in.samples);
      array = py::reinterpret_steal<py::object>(new_array(Out, in.nd, in.shape == nullptr ? &length : in.shape));
      target.data = array_data(array.ptr());
    } else {
      target.take_writable(arguments.out, Out, Out);
      check_out(in, target);
      array = py::reinterpret_borrow<py::object>(arguments.out);
    }
    PyThreadState* state = in.samples >= kReleaseSamples ? PyEval_SaveThread() : nullptr;
    Convert(in.data, target.data, static_cast<std::size_t>(in.samples));
    if (state != nullptr) PyEval_RestoreThread(state);
    return array.release().ptr();
  });
}

// The typed functions of pcm.hpp behind one signature.
template <auto Function, class From, class To>
void erased(const void* in, void* out, std::size_t samples) noexcept {
  Function(static_cast<const From*>(in), static_cast<To*>(out), samples);
}

constexpr auto kToFloat32 = erased<pcm16_to_float32, std::int16_t, float>;
constexpr auto kToPcm16 = erased<float32_to_pcm16, float, std::int16_t>;
constexpr auto kMulaw16 = erased<mulaw_to_pcm16, std::uint8_t, std::int16_t>;
constexpr auto kAlaw16 = erased<alaw_to_pcm16, std::uint8_t, std::int16_t>;
constexpr auto kMulaw32 = erased<mulaw_to_float32, std::uint8_t, float>;
constexpr auto kAlaw32 = erased<alaw_to_float32, std::uint8_t, float>;

// What the array operations on channels share: frames of the given or implied number of channels.
struct Channels {
  ArrayView view;
  std::int64_t frames = 0;
  int channels = 0;
  bool is_int16 = false;

  Channels(const py::object& audio, const py::object& wanted) {
    const bool is_array = PyObject_TypeCheck(audio.ptr(), numpy.array_type) != 0;
    is_int16 =
        !is_array || py::detail::array_proxy(audio.ptr())->descr != numpy.descr[static_cast<int>(Dtype::kFloat32)];
    view.take(audio.ptr(), is_int16 ? Dtype::kInt16 : Dtype::kFloat32);
    if (!wanted.is_none()) {
      channels = wanted.cast<int>();
    } else if (view.nd == 2 && view.shape[1] <= kMost) {
      channels = static_cast<int>(view.shape[1]);
    } else {
      channels = 1;
    }
    if (channels < 1 || channels > kMost) {
      throw std::invalid_argument("channels must be 1 to 32, not " + std::to_string(channels));
    }
    frames = view.frames(channels);
  }
  static constexpr int kMost = 32;
};

py::object mixdown_array(const py::object& audio, const py::object& wanted) {
  const Channels in(audio, wanted);
  auto array = py::reinterpret_steal<py::object>(new_frames(in.view.dtype, in.frames, 1));
  void* out = array_data(array.ptr());
  const auto frames = static_cast<std::size_t>(in.frames);
  const auto channels = static_cast<std::size_t>(in.channels);
  if (in.is_int16) {
    mixdown(static_cast<const std::int16_t*>(in.view.data), static_cast<std::int16_t*>(out), frames, channels);
  } else {
    mixdown(static_cast<const float*>(in.view.data), static_cast<float*>(out), frames, channels);
  }
  return array;
}

py::object deinterleave_array(const py::object& audio, const py::object& wanted) {
  const Channels in(audio, wanted);
  const Py_ssize_t shape[2] = {in.channels, static_cast<Py_ssize_t>(in.frames)};
  auto array = py::reinterpret_steal<py::object>(new_array(in.view.dtype, 2, shape));
  void* out = array_data(array.ptr());
  const auto frames = static_cast<std::size_t>(in.frames);
  const auto channels = static_cast<std::size_t>(in.channels);
  if (in.is_int16) {
    deinterleave(static_cast<const std::int16_t*>(in.view.data), static_cast<std::int16_t*>(out), frames, channels);
  } else {
    deinterleave(static_cast<const float*>(in.view.data), static_cast<float*>(out), frames, channels);
  }
  return array;
}

template <Dtype In, Dtype Out, auto Convert>
PyMethodDef method(const char* name, const char* doc) {
  return {name, reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(convert<In, Out, Convert>)),
          METH_FASTCALL | METH_KEYWORDS, doc};
}

#define FASTRING_CONVERSION_DOC(name, in, out, what)                                                                  \
  name "($module, audio, /, out=None)\n--\n\n" what "\n\nArgs:\n    audio: C-contiguous " in                          \
       " array of any shape, or raw little-endian bytes.\n    out: " out                                              \
       " array of the same shape to fill and return, a new one if None. It may not overlap `audio`.\n\nReturns:\n   " \
       " " out                                                                                                        \
       ", shape of `audio`.\n\nRaises:\n    AudioFormatError: if an argument has the wrong dtype, layout, shape or"   \
       " byte count."

PyMethodDef methods[] = {
    method<Dtype::kInt16, Dtype::kFloat32, kToFloat32>(
        "pcm16_to_float32", FASTRING_CONVERSION_DOC("pcm16_to_float32", "int16", "float32",
                                                    "int16 / 32768, so -32768 gives exactly -1.0.")),
    method<Dtype::kFloat32, Dtype::kInt16, kToPcm16>(
        "float32_to_pcm16",
        FASTRING_CONVERSION_DOC("float32_to_pcm16", "float32", "int16",
                                "float32 * 32768, rounded to nearest even and saturated; NaN gives 0.")),
    method<Dtype::kUint8, Dtype::kInt16, kMulaw16>(
        "mulaw_to_pcm16", FASTRING_CONVERSION_DOC("mulaw_to_pcm16", "uint8", "int16", "Decodes mu-law (ITU-T G.711).")),
    method<Dtype::kUint8, Dtype::kInt16, kAlaw16>(
        "alaw_to_pcm16", FASTRING_CONVERSION_DOC("alaw_to_pcm16", "uint8", "int16", "Decodes A-law (ITU-T G.711).")),
    method<Dtype::kUint8, Dtype::kFloat32, kMulaw32>(
        "mulaw_to_float32",
        FASTRING_CONVERSION_DOC("mulaw_to_float32", "uint8", "float32", "Decodes mu-law (ITU-T G.711) to -1..1.")),
    method<Dtype::kUint8, Dtype::kFloat32, kAlaw32>(
        "alaw_to_float32",
        FASTRING_CONVERSION_DOC("alaw_to_float32", "uint8", "float32", "Decodes A-law (ITU-T G.711) to -1..1.")),
    {nullptr, nullptr, 0, nullptr},
};

}  // namespace

void register_pcm(py::module_& m) {
  if (PyModule_AddFunctions(m.ptr(), methods) != 0) throw py::error_already_set();
  m.def("mixdown", &mixdown_array, py::arg("audio"), py::arg("channels") = py::none(),
        "The mean of the channels; int16 is rounded to nearest even.\n\n"
        "Args:\n    audio: int16 or float32, shape (frames, channels) or interleaved, or raw int16 bytes.\n"
        "    channels: 1 to 32; the width of a 2-D array, else 1, if None.\n\n"
        "Returns:\n    shape (frames,), dtype of `audio`.\n\n"
        "Raises:\n    AudioFormatError: if `audio` is not whole frames of that many channels.");
  m.def("deinterleave", &deinterleave_array, py::arg("audio"), py::arg("channels") = py::none(),
        "One contiguous row per channel.\n\n"
        "Args:\n    audio, channels: as in `mixdown`.\n\n"
        "Returns:\n    shape (channels, frames), dtype of `audio`.\n\n"
        "Raises:\n    AudioFormatError: if `audio` is not whole frames of that many channels.");
}

}  // namespace fastring::bindings
