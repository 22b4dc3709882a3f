// Keeps all that pushes make known, in plain arrays: for callers that would rather look afterwards than be called back.
#pragma once

#include <vector>

#include "analyzer.hpp"

namespace fastring {

// One owner at a time. Grows as an analyzer reports; clear() keeps the memory, so a loop of clear, push and look stops
// allocating after its busiest push.
class AnalyzerRecorder final : public AnalyzerSink {
 public:
  std::vector<OnsetEvent> onsets;
  std::vector<SpectrumFrame> spectra;
  std::vector<PitchFrame> pitches;
  std::vector<TempoEstimate> tempos;
  std::vector<SampleIndex> novelty_end_index;  // one past the hop that `novelty` of the same place belongs to
  std::vector<float> novelty;

  void clear() noexcept {
    onsets.clear();
    spectra.clear();
    pitches.clear();
    tempos.clear();
    novelty_end_index.clear();
    novelty.clear();
  }

  void on_onset(const OnsetEvent& onset) override { onsets.push_back(onset); }
  void on_spectrum(const SpectrumFrame& frame) override { spectra.push_back(frame); }
  void on_pitch(const PitchFrame& frame) override { pitches.push_back(frame); }
  void on_tempo(const TempoEstimate& estimate) override { tempos.push_back(estimate); }
  void on_novelty(SampleIndex end_index, float value) override {
    novelty_end_index.push_back(end_index);
    novelty.push_back(value);
  }
};

}  // namespace fastring
