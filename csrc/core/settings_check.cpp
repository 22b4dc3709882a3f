#include "settings_check.hpp"

#include <cmath>
#include <sstream>
#include <stdexcept>

namespace fastring {

void check_range(const char* name, double value, double low, double high) {
  if (value >= low && value <= high) return;
  std::ostringstream text;
  text << name << " must be in " << low << ".." << high << ", not " << value;
  throw std::invalid_argument(text.str());
}

void check_stream(double sample_rate, int channels) {
  check_range("sample_rate", sample_rate, 8000.0, 192000.0);
  check_range("channels", channels, 1, 32);
}

void check_settings(const AnalyzerSettings& s) {
  check_range("hop_ms", s.hop_ms, 2.0, 50.0);
  check_range("spectrum_window_ms", s.spectrum_window_ms, 5.0, 85.0);
  check_range("spectrum_every_hops", s.spectrum_every_hops, 1, 1000);
  check_range("rolloff_fraction", s.rolloff_fraction, 0.01, 0.999);
  check_range("onset_window_ms", s.onset_window_ms, 5.0, 200.0);
  check_range("onset_min_hz", s.onset_min_hz, 10.0, 2000.0);
  check_range("onset_max_hz", s.onset_max_hz, 2500.0, 100000.0);
  check_range("onset_bands_per_octave", s.onset_bands_per_octave, 3, 48);
  check_range("onset_gain", s.onset_gain, 0.001, 1e9);
  check_range("onset_lag_hops", s.onset_lag_hops, 1, 16);
  check_range("onset_threshold", s.onset_threshold, 0.0, 1000.0);
  check_range("onset_ratio", s.onset_ratio, 0.0, 1000.0);
  check_range("onset_floor_ratio", s.onset_floor_ratio, 0.0, 1000.0);
  check_range("onset_floor_share", s.onset_floor_share, 0.0, 1.0);
  check_range("onset_floor_ms", s.onset_floor_ms, 0.0, 2000.0);
  check_range("onset_mean_ms", s.onset_mean_ms, 0.0, 2000.0);
  check_range("onset_max_ms", s.onset_max_ms, 0.0, 500.0);
  check_range("onset_lookahead_hops", s.onset_lookahead_hops, 0, 16);
  check_range("onset_min_interval_ms", s.onset_min_interval_ms, 0.0, 2000.0);
  check_range("onset_offset_ms", s.onset_offset_ms, 0.0, 200.0);
  check_range("pitch_window_ms", s.pitch_window_ms, 10.0, 200.0);
  check_range("pitch_every_hops", s.pitch_every_hops, 1, 1000);
  check_range("pitch_min_hz", s.pitch_min_hz, 20.0, 1000.0);
  check_range("pitch_max_hz", s.pitch_max_hz, s.pitch_min_hz + 1.0, 4000.0);
  check_range("pitch_lowpass_hz", s.pitch_lowpass_hz, 100.0, 100000.0);
  check_range("pitch_lowpass_order", s.pitch_lowpass_order, 0.5, 8.0);
  check_range("pitch_silence", s.pitch_silence, 1e-6, 1.0);
  check_range("pitch_voicing", s.pitch_voicing, 0.0, 1.0);
  check_range("pitch_octave_cost", s.pitch_octave_cost, 0.0, 1.0);
  check_range("pitch_jump_cost", s.pitch_jump_cost, 0.0, 10.0);
  check_range("pitch_voiced_cost", s.pitch_voiced_cost, 0.0, 10.0);
  check_range("pitch_lag_frames", s.pitch_lag_frames, 0, 7);
  check_range("tempo_min_bpm", s.tempo_min_bpm, 20.0, 500.0);
  check_range("tempo_max_bpm", s.tempo_max_bpm, s.tempo_min_bpm + 1.0, 600.0);
  check_range("tempo_history_s", s.tempo_history_s, 2.0, 30.0);
  check_range("tempo_update_s", s.tempo_update_s, 0.05, 10.0);
  check_range("tempo_prior_bpm", s.tempo_prior_bpm, 20.0, 500.0);
  check_range("tempo_prior_octaves", s.tempo_prior_octaves, 0.05, 100.0);
  check_range("tempo_min_confidence", s.tempo_min_confidence, 0.0, 1.0);
}

}  // namespace fastring
