// The loops of the analyzer that are compiled once per instruction set, behind one table of function pointers.
#pragma once

#include <cstdint>

namespace fastring {

struct FftTables;

// Largest magnitude the analyzer works with. Larger finite samples are clipped to it, so that no power overflows.
inline constexpr float kMaxAmplitude = 1.0e6f;

// What one piece of one channel adds to the level measures.
struct LevelSums {
  float sum = 0.0f;
  float sum_of_squares = 0.0f;
  float peak = 0.0f;
  std::int32_t crossings = 0;   // sign changes, with the sample before the piece
  std::int32_t non_finite = 0;  // NaN or infinite samples, replaced by 0
};

// Triangular filters over a magnitude spectrum, eight at a time. Band b reads spectrum[start[b]...] and has
// 8 * vectors[b / 8] weights, zero-padded, at weights + offset[b / 8] + (b % 8) * 8 * vectors[b / 8]. Groups of 0
// vectors are eight bins in a row, as they are.
struct BandTable {
  int groups;  // of eight bands
  const std::int32_t* start;
  const std::int32_t* vectors;
  const std::int32_t* offset;
  const float* weights;
};

struct SpectrumSums {
  float magnitude = 0.0f;
  float weighted = 0.0f;  // sum of bin number times magnitude
  float rise = 0.0f;      // sum of positive magnitude differences
  float power = 0.0f;
  float log2_power = 0.0f;
};

// Counts called n are multiples of 8 unless said otherwise; buffers never alias unless said otherwise;
// where element i of the output needs element i of the input alone, they may be the same.
struct AnalysisKernels {
  void (*rfft)(const FftTables& plan, const float* in, const float* window, float* re, float* im, float* work);
  void (*rfft_power)(const FftTables& plan, const float* in, const float* window, float* power, float* work);
  void (*rfft_magnitude)(const FftTables& plan, const float* in, const float* window, float* magnitude, float* work);
  // weight[k] times power[k] to the 3/4. Reads n / 2 + 8 values of weight.
  void (*rfft_compressed)(const FftTables& plan, const float* in, const float* window, const float* weight, float* out,
                          float* work);
  void (*cosine_transform)(const FftTables& plan, const FftTables& twice, const float* in, float* out, float* work);
  // out[i] = in[i] with NaN and infinity made 0 and the rest clipped to kMaxAmplitude; out[-1] is the sample before.
  // Any n. out may be in.
  void (*level)(const float* in, float* out, int n, LevelSums* sums);
  // The same of samples that have been through it already: in[-1] is the sample before. The rest of sums stays 0.
  void (*clean_level)(const float* in, int n, LevelSums* sums);
  // High pass in place: each sample less the offset before it, which takes in `follow` (below 1) of the difference.
  // What comes in is made finite and clipped as by `level`, what goes out clipped. Any n. Returns the offset behind the
  // last sample, and adds to *non_finite.
  float (*high_pass)(float* samples, int n, float follow, float offset, std::int32_t* non_finite);
  void (*int16_to_float32)(const std::int16_t* in, float* out, int n);  // in / 32768; any n
  // out[i] = halfband FIR of in around in[2 i]; reads in[2 i - 15 .. 2 i + 15 (+ 16 of slack)]. n counts outputs.
  void (*halfband)(const float* in, float* out, int n);
  void (*bands)(const BandTable& table, const float* spectrum, float* bands);
  // bands[i] = log2(1 + gain bands[i]), in place; returns the sum of squares from before.
  float (*compress)(float* bands, int n, float gain);
  // sum of max(0, now[i] - max(before[i - 1], before[i], before[i + 1])); before has a readable value on both sides.
  float (*superflux)(const float* now, const float* before, int n);
  // magnitude[i] = sqrt(power[i]); previous magnitudes are read from, and replaced in, magnitude. log2 of
  // max(power[i], floor).
  void (*spectrum_sums)(const float* power, float* magnitude, int n, float floor, SpectrumSums* sums);
  // 2 sum x[i] x[i + lag] over sum (squares[i] taper[i + lag] + taper[i] squares[i + lag]); 0 if that is 0.
  float (*similarity)(const float* x, const float* squares, const float* taper, int lag, int n);
  // out = in minus its mean; returns the sum of squares of out. Any n.
  float (*center)(const float* in, float* out, int n);
  void (*multiply)(const float* a, const float* b, float* out, int n);  // out may be a or b
  // Writes the i in first..last with r[i - 1] <= r[i] > r[i + 1] and r[i] > lowest to `at`, and returns how many there
  // are. Reads r up to last + 8.
  int (*maxima)(const float* r, int first, int last, float lowest, std::int16_t* at);
};

// The table for active_isa().
[[nodiscard]] const AnalysisKernels& analysis_kernels() noexcept;

// Coefficients of the halfband FIR on the odd taps 1, 3, .. 15; the centre is 0.5 and the even taps are 0.
// Kaiser window, beta 5.65 (60 dB, Kaiser 1974), 31 taps: passes 0.19 and stops from 0.31 of the input rate.
inline constexpr int kHalfbandReach = 15;
inline constexpr int kHalfbandTaps = 8;

}  // namespace fastring
