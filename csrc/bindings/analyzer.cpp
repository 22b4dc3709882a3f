// fastring::Analyzer in Python: push() is a raw vectorcall method, everything else goes through pybind11.
#include "analyzer.hpp"

#include <algorithm>
#include <memory>
#include <stdexcept>
#include <string>
#include <unordered_map>
#include <variant>
#include <vector>

#include "analyzer_recorder.hpp"
#include "arguments.hpp"
#include "arrays.hpp"
#include "features.hpp"
#include "register.hpp"
#include "self.hpp"

namespace fastring::bindings {
namespace {

// Below this much audio a push is under some 3 us of work, and giving up the GIL costs more than it brings.
constexpr std::int64_t kReleaseSamples = 256;

using Field = std::variant<double AnalyzerSettings::*, int AnalyzerSettings::*>;
#define FASTRING_SETTING(name) {#name, Field(&AnalyzerSettings::name)}
const std::unordered_map<std::string, Field>& setting_fields() {
  static const std::unordered_map<std::string, Field> fields = {
      FASTRING_SETTING(hop_ms),
      FASTRING_SETTING(spectrum_window_ms),
      FASTRING_SETTING(spectrum_every_hops),
      FASTRING_SETTING(rolloff_fraction),
      FASTRING_SETTING(onset_window_ms),
      FASTRING_SETTING(onset_min_hz),
      FASTRING_SETTING(onset_max_hz),
      FASTRING_SETTING(onset_bands_per_octave),
      FASTRING_SETTING(onset_gain),
      FASTRING_SETTING(onset_lag_hops),
      FASTRING_SETTING(onset_threshold),
      FASTRING_SETTING(onset_ratio),
      FASTRING_SETTING(onset_floor_ratio),
      FASTRING_SETTING(onset_floor_share),
      FASTRING_SETTING(onset_floor_ms),
      FASTRING_SETTING(onset_mean_ms),
      FASTRING_SETTING(onset_max_ms),
      FASTRING_SETTING(onset_lookahead_hops),
      FASTRING_SETTING(onset_min_interval_ms),
      FASTRING_SETTING(onset_offset_ms),
      FASTRING_SETTING(pitch_window_ms),
      FASTRING_SETTING(pitch_every_hops),
      FASTRING_SETTING(pitch_min_hz),
      FASTRING_SETTING(pitch_max_hz),
      FASTRING_SETTING(pitch_lowpass_hz),
      FASTRING_SETTING(pitch_lowpass_order),
      FASTRING_SETTING(pitch_silence),
      FASTRING_SETTING(pitch_voicing),
      FASTRING_SETTING(pitch_octave_cost),
      FASTRING_SETTING(pitch_jump_cost),
      FASTRING_SETTING(pitch_voiced_cost),
      FASTRING_SETTING(pitch_lag_frames),
      FASTRING_SETTING(tempo_min_bpm),
      FASTRING_SETTING(tempo_max_bpm),
      FASTRING_SETTING(tempo_history_s),
      FASTRING_SETTING(tempo_update_s),
      FASTRING_SETTING(tempo_prior_bpm),
      FASTRING_SETTING(tempo_prior_octaves),
      FASTRING_SETTING(tempo_min_confidence),
  };
  return fields;
}
#undef FASTRING_SETTING

AnalyzerSettings settings_from(const py::dict& given) {
  AnalyzerSettings settings;
  for (const auto& [key, value] : given) {
    const auto name = key.cast<std::string>();
    const auto field = setting_fields().find(name);
    if (field == setting_fields().end()) throw std::invalid_argument("there is no analyzer setting called " + name);
    if (const auto* whole = std::get_if<int AnalyzerSettings::*>(&field->second)) {
      settings.** whole = small_number(value, name.c_str());
    } else {
      settings.*std::get<double AnalyzerSettings::*>(field->second) = real_number(value, name.c_str());
    }
  }
  return settings;
}

// Keeps what a push() reports; reused between calls, so a quiet stream allocates nothing.
struct OnsetSink final : AnalyzerSink {
  std::vector<OnsetEvent> onsets;
  void on_onset(const OnsetEvent& onset) override { onsets.push_back(onset); }
  void on_spectrum(const SpectrumFrame&) override {}
  void on_pitch(const PitchFrame&) override {}
  void on_tempo(const TempoEstimate&) override {}
};

// Audio for one analyzer, checked. The memory may be read without the GIL.
struct Chunk {
  Chunk(PyObject* object, int channels) {
    view.take_audio(object);
    frames = static_cast<std::size_t>(view.frames(channels));
  }
  ArrayView view;
  std::size_t frames = 0;
};

template <class Sink>
ChunkLevel push(Analyzer& analyzer, const Chunk& chunk, Sink& sink) {
  return chunk.view.dtype == Dtype::kInt16
             ? analyzer.push(static_cast<const std::int16_t*>(chunk.view.data), chunk.frames, sink)
             : analyzer.push(static_cast<const float*>(chunk.view.data), chunk.frames, sink);
}

PyObject* push_features(PyObject* self, PyObject* const* args, Py_ssize_t count) {
  if (count != 1) {
    PyErr_Format(PyExc_TypeError, "push() takes one array of samples (%zd given)", count);
    return nullptr;
  }
  try {
    auto& analyzer = self_as<Analyzer>(self);
    const Chunk chunk(args[0], analyzer.channels());
    OnsetSink sink;
    ChunkLevel level;
    if (chunk.view.samples >= kReleaseSamples) {
      const py::gil_scoped_release release;
      level = push(analyzer, chunk, sink);
    } else {
      level = push(analyzer, chunk, sink);
    }
    return make_features(analyzer, level, sink.onsets);
  } catch (...) {
    set_python_error();
  }
  return nullptr;
}

template <class Item, class Value>
py::array column(const std::vector<Item>& items, Value Item::* member) {
  py::array_t<Value> out(static_cast<py::ssize_t>(items.size()));
  Value* to = out.mutable_data();
  for (const Item& item : items) *to++ = item.*member;
  return out;
}

template <class Value>
py::array array_of(const std::vector<Value>& values) {
  return py::array_t<Value>(static_cast<py::ssize_t>(values.size()), values.data());
}

py::dict push_tracks(py::handle self, const py::object& audio) {
  auto& analyzer = checked_self<Analyzer>(self);
  const Chunk chunk(audio.ptr(), analyzer.channels());
  AnalyzerRecorder sink;
  {
    const py::gil_scoped_release release;
    push(analyzer, chunk, sink);
  }
  py::dict out;
  out["onset_sample_index"] = column(sink.onsets, &OnsetEvent::sample_index);
  out["onset_report_index"] = column(sink.onsets, &OnsetEvent::report_index);
  out["onset_strength"] = column(sink.onsets, &OnsetEvent::strength);
  out["novelty_end_index"] = array_of(sink.novelty_end_index);
  out["novelty"] = array_of(sink.novelty);
  out["spectrum_end_index"] = column(sink.spectra, &SpectrumFrame::end_index);
  out["spectral_centroid"] = column(sink.spectra, &SpectrumFrame::centroid_hz);
  out["spectral_rolloff"] = column(sink.spectra, &SpectrumFrame::rolloff_hz);
  out["spectral_flux"] = column(sink.spectra, &SpectrumFrame::flux);
  out["spectral_flatness"] = column(sink.spectra, &SpectrumFrame::flatness);
  out["rms"] = column(sink.spectra, &SpectrumFrame::rms);
  out["peak"] = column(sink.spectra, &SpectrumFrame::peak);
  out["zero_crossing_rate"] = column(sink.spectra, &SpectrumFrame::zero_crossing_rate);
  out["pitch_centre_index"] = column(sink.pitches, &PitchFrame::centre_index);
  out["pitch"] = column(sink.pitches, &PitchFrame::f0_hz);
  out["pitch_candidate"] = column(sink.pitches, &PitchFrame::candidate_hz);
  out["pitch_confidence"] = column(sink.pitches, &PitchFrame::confidence);
  out["tempo_sample_index"] = column(sink.tempos, &TempoEstimate::sample_index);
  out["tempo"] = column(sink.tempos, &TempoEstimate::bpm);
  out["tempo_confidence"] = column(sink.tempos, &TempoEstimate::confidence);
  return out;
}

py::dict defaults() {
  const AnalyzerSettings settings;
  py::dict out;
  for (const auto& [name, field] : setting_fields()) {
    std::visit([&, key = name](auto member) { out[py::str(key)] = py::cast(settings.*member); }, field);
  }
  return out;
}

// A stream given twice would have its first result read off when the second chunk is in it.
void check_distinct(std::vector<const Analyzer*> streams) {
  std::ranges::sort(streams);
  if (std::ranges::adjacent_find(streams) == streams.end()) return;
  throw std::invalid_argument(
      "analyze_many got the same analyzer twice: give each stream once, its audio as one chunk");
}

// One chunk each for many streams: every argument is checked before any stream advances, and the GIL is given up once.
py::list push_many(const py::list& analyzers, const py::list& chunks) {
  if (analyzers.size() != chunks.size()) {
    throw std::invalid_argument("analyze_many got " + std::to_string(analyzers.size()) + " analyzers and " +
                                std::to_string(chunks.size()) + " chunks: give one chunk for each analyzer");
  }
  const std::size_t count = analyzers.size();
  std::vector<Analyzer*> streams;
  std::vector<std::unique_ptr<Chunk>> audio;
  streams.reserve(count);
  audio.reserve(count);
  for (std::size_t i = 0; i < count; ++i) {
    streams.push_back(&checked_self<Analyzer>(analyzers[i]));
    audio.push_back(std::make_unique<Chunk>(py::handle(chunks[i]).ptr(), streams.back()->channels()));
  }
  check_distinct({streams.begin(), streams.end()});
  py::list out(count);
  std::vector<OnsetSink> sinks(count);
  std::vector<ChunkLevel> levels(count);
  {
    const py::gil_scoped_release release;
    for (std::size_t i = 0; i < count; ++i) {
      if (i + 1 < count) streams[i + 1]->prefetch();
      levels[i] = push(*streams[i], *audio[i], sinks[i]);
    }
  }
  for (std::size_t i = 0; i < count; ++i) {
    PyObject* features = make_features(*streams[i], levels[i], sinks[i].onsets);
    if (features == nullptr) throw py::error_already_set();
    PyList_SET_ITEM(out.ptr(), static_cast<Py_ssize_t>(i), features);
  }
  return out;
}

py::list channel_levels(py::handle self) {
  py::list out;
  for (const ChannelLevel& level : checked_self<Analyzer>(self).channel_levels()) {
    out.append(py::make_tuple(level.rms, level.peak, level.dc_offset, level.zero_crossing_rate));
  }
  return out;
}

PyMethodDef push_method = {"push", as_c_function(push_features), METH_FASTCALL,
                           "Analyse one chunk of any length; returns Features."};

}  // namespace

void register_analyzer(py::module_& m) {
  register_features(m);
  py::class_<Analyzer> type(m, "Analyzer", "The analysis of one stream; see fastring.Analyzer.");
  type.def(py::init([](const py::object& sample_rate, const py::object& channels, const py::dict& settings) {
             return std::make_unique<Analyzer>(real_number(sample_rate, "sample_rate"),
                                               small_number(channels, "channels"), settings_from(settings));
           }),
           py::arg("sample_rate"), py::arg("channels"), py::arg("settings"))
      .def("push_tracks", &push_tracks, py::arg("samples"), "Analyse one chunk; returns every frame it completed.")
      .def_static("defaults", &defaults, "Every setting of the core and its default.")
      .def("reset", on_self<Analyzer, &Analyzer::reset>(), "Forget the stream.")
      .def("channel_levels", &channel_levels, "(rms, peak, dc_offset, zero_crossing_rate) per channel, last push.")
      .def_property_readonly("sample_rate", on_self<Analyzer, &Analyzer::sample_rate>(), "Of the stream, Hz.")
      .def_property_readonly("channels", on_self<Analyzer, &Analyzer::channels>(), "Interleaved channels.")
      .def_property_readonly("hop_samples", on_self<Analyzer, &Analyzer::hop_samples>(),
                             "Samples per channel between two onset frames, and two pitch frames.")
      .def_property_readonly("pitch_latency_samples", on_self<Analyzer, &Analyzer::pitch_latency_samples>(),
                             "From the middle of a pitch frame to where it is settled, samples per channel.")
      .def_property_readonly("samples_pushed", on_self<Analyzer, &Analyzer::samples_pushed>(),
                             "Samples per channel so far.")
      .def_property_readonly("state_bytes", on_self<Analyzer, &Analyzer::state_bytes>(), "Memory of this stream alone.")
      .def_property_readonly("non_finite_samples", on_self<Analyzer, &Analyzer::non_finite_samples>(),
                             "NaN and infinite samples so far, taken as 0.");
  add_method(type, push_method);
  m.def("push_many", &push_many, py::arg("analyzers"), py::arg("chunks"), "One chunk each for many streams.");
}

}  // namespace fastring::bindings
