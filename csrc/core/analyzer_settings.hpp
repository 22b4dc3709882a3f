// Every number the analyzer can be told. All are checked when an Analyzer is built; a bad one is std::invalid_argument.
#pragma once

namespace fastring {

struct AnalyzerSettings {
  // Frames. All lengths are rounded to samples of the stream's own rate.
  double hop_ms = 10.0;  // one onset frame per hop; every other frame is a multiple of it
  double spectrum_window_ms = 21.34;
  int spectrum_every_hops = 2;
  double rolloff_fraction = 0.85;

  // Onsets: SuperFlux (Böck & Widmer, DAFx 2013).
  double onset_window_ms = 46.4;
  double onset_min_hz = 30.0;
  double onset_max_hz = 14000.0;
  double onset_bands_per_octave = 24.0;
  double onset_gain = 2.0;          // inside log2(1 + gain m / reference)
  int onset_lag_hops = 2;           // distance of the two spectra compared
  double onset_threshold = 0.0232;  // above the local mean, per band
  double onset_ratio = 0.1;         // and this share of the local mean on top
  // Noise has a floor, music falls silent between its notes: an onset is floor_ratio times what the lowest floor_share
  // of the last floor_ms had. Ratios 3.4 to 3.8 cost .003 F at most; noise needs 3.5.
  double onset_floor_ratio = 3.7;
  double onset_floor_share = 0.15;
  double onset_floor_ms = 1000.0;
  double onset_mean_ms = 100.0;
  double onset_max_ms = 10.0;
  int onset_lookahead_hops = 0;
  double onset_min_interval_ms = 40.0;
  double onset_offset_ms = 12.0;  // report time minus this is the onset's time

  // Pitch: normalised autocorrelation (Boersma 1993) with a fixed-lag best path.
  double pitch_window_ms = 36.0;
  int pitch_every_hops = 1;
  double pitch_min_hz = 50.0;
  double pitch_max_hz = 2000.0;
  double pitch_lowpass_hz = 1000.0;
  double pitch_lowpass_order = 2.0;
  double pitch_silence = 0.08;
  double pitch_voicing = 0.45;
  double pitch_octave_cost = 0.02;
  double pitch_jump_cost = 0.7;
  double pitch_voiced_cost = 0.3;
  int pitch_lag_frames = 4;

  // Tempo.
  double tempo_min_bpm = 40.0;
  double tempo_max_bpm = 240.0;
  double tempo_history_s = 8.0;
  double tempo_update_s = 0.5;
  double tempo_prior_bpm = 115.0;
  double tempo_prior_octaves = 0.9;
  double tempo_min_confidence = 0.17;
};

}  // namespace fastring
