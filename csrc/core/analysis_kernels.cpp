// Level, band and spectrum loops; their arithmetic does not depend on how a stream was cut into chunks.
#include "analysis_kernels.hpp"

#include "fft.hpp"
#include "simd.hpp"

namespace fastring::FASTRING_ISA {

void rfft(const FftTables& plan, const float* in, const float* window, float* re, float* im, float* work);
void rfft_power(const FftTables& plan, const float* in, const float* window, float* power, float* work);
void rfft_magnitude(const FftTables& plan, const float* in, const float* window, float* magnitude, float* work);
void rfft_compressed(const FftTables& plan, const float* in, const float* window, const float* weight, float* out,
                     float* work);
void cosine_transform(const FftTables& plan, const FftTables& twice, const float* in, float* out, float* work);

namespace {

constexpr float kHalfband[kHalfbandTaps] = {0.315323958f,  -0.0969552798f,  0.0493229135f,  -0.0272375989f,
                                            0.0147165436f, -0.00731501966f, 0.00311120554f, -0.000966721868f};

// Below this (-300 dBFS) a sample counts as silence; it keeps subnormal numbers out of everything that follows.
constexpr float kTiny = 1.0e-15f;

// NaN and infinity, marked in `bad`, are 0, the rest is clipped.
FASTRING_INLINE F32x8 clean(F32x8 raw, I32x8& bad) {
  const I32x8 magnitude_bits = float_to_bits(raw) & 0x7fffffff;
  bad = magnitude_bits >= 0x7f800000;
  const I32x8 keep = ~bad & (bits_to_float(magnitude_bits) >= splat(kTiny));
  const F32x8 x = bits_to_float(float_to_bits(raw) & keep);
  return min(max(x, splat(-kMaxAmplitude)), splat(kMaxAmplitude));
}

FASTRING_INLINE float clipped(float x) {
  return x > kMaxAmplitude ? kMaxAmplitude : x < -kMaxAmplitude ? -kMaxAmplitude : x;
}

FASTRING_INLINE float clean(float x, std::int32_t& non_finite) {
  if (!(__builtin_fabsf(x) <= 3.402823466e38f)) {
    x = 0.0f;
    ++non_finite;
  }
  if (__builtin_fabsf(x) < kTiny) x = 0.0f;
  return clipped(x);
}

void level(const float* in, float* out, int n, LevelSums* sums) {
  F32x8 total = splat(0.0f);
  F32x8 squares = splat(0.0f);
  F32x8 peak = splat(0.0f);
  I32x8 crossings{};
  I32x8 non_finite{};
  I32x8 before = splat(out[-1]) < splat(0.0f);
  int i = 0;
  for (; i + 8 <= n; i += 8) {
    I32x8 bad;
    const F32x8 x = clean(load(in + i), bad);
    store(out + i, x);
    total += x;
    squares += x * x;
    peak = max(peak, bits_to_float(float_to_bits(x) & 0x7fffffff));
    non_finite -= bad;
    const I32x8 negative = x < splat(0.0f);
    const I32x8 shifted = delayed(before, negative);
    crossings -= negative ^ shifted;
    before = last_lane(negative);
  }
  sums->sum = sum(total);
  sums->sum_of_squares = sum(squares);
  sums->peak = 0.0f;
  sums->crossings = 0;
  sums->non_finite = 0;
  for (int lane = 0; lane < 8; ++lane) {
    sums->peak = peak[lane] > sums->peak ? peak[lane] : sums->peak;
    sums->crossings += crossings[lane];
    sums->non_finite += non_finite[lane];
  }
  bool was_negative = i > 0 ? out[i - 1] < 0.0f : out[-1] < 0.0f;
  for (; i < n; ++i) {
    const float x = clean(in[i], sums->non_finite);
    out[i] = x;
    sums->sum += x;
    sums->sum_of_squares += x * x;
    const float magnitude = __builtin_fabsf(x);
    sums->peak = magnitude > sums->peak ? magnitude : sums->peak;
    const bool is_negative = x < 0.0f;
    sums->crossings += is_negative != was_negative ? 1 : 0;
    was_negative = is_negative;
  }
}

void clean_level(const float* in, int n, LevelSums* sums) {
  F32x8 squares = splat(0.0f);
  F32x8 peak = splat(0.0f);
  I32x8 crossings{};
  int i = 0;
  for (; i + 8 <= n; i += 8) {
    const F32x8 x = load(in + i);
    squares += x * x;
    peak = max(peak, bits_to_float(float_to_bits(x) & 0x7fffffff));
    crossings -= (float_to_bits(x) ^ float_to_bits(load(in + i - 1))) >> 31;
  }
  sums->sum_of_squares = sum(squares);
  for (int lane = 0; lane < 8; ++lane) {
    sums->peak = peak[lane] > sums->peak ? peak[lane] : sums->peak;
    sums->crossings += crossings[lane];
  }
  for (; i < n; ++i) {
    const float magnitude = __builtin_fabsf(in[i]);
    sums->sum_of_squares += in[i] * in[i];
    sums->peak = magnitude > sums->peak ? magnitude : sums->peak;
    sums->crossings += (in[i] < 0.0f) != (in[i - 1] < 0.0f) ? 1 : 0;
  }
}

// The offset is a one-pole low pass, o[n + 1] = keep o[n] + follow x[n], so what eight samples add to it is a sum with
// weights that grow by 1 / keep: three steps make all eight sums, and only one product and one sum wait for the eight
// samples before. As y = x - o and o' = o + follow y, y is (x - o') / keep: nothing need be moved by one sample.
float high_pass(float* samples, int n, float follow, float offset, std::int32_t* non_finite) {
  const float keep = 1.0f - follow;
  float powers[8];  // keep, keep^2 ..
  powers[0] = keep;
  for (int i = 1; i < 8; ++i) powers[i] = powers[i - 1] * keep;
  const F32x8 fade = load(powers);
  const F32x8 fade_twice = low_halves(fade, fade);
  const float inverse = 1.0f / keep;
  F32x8 before = splat(offset);
  I32x8 bads{};
  int i = 0;
  for (; i + 8 <= n; i += 8) {
    I32x8 bad;
    const F32x8 x = clean(load(samples + i), bad);
    bads -= bad;
    F32x8 added = x * follow;
    added += up_one(added) * powers[0];
    added += up_two(added) * powers[1];
    added += third_to_high_half(added) * fade_twice;
    const F32x8 after = added + fade * before;
    const F32x8 y = (x - after) * inverse;
    store(samples + i, min(max(y, splat(-kMaxAmplitude)), splat(kMaxAmplitude)));
    before = last_lane(added) + before * powers[7];
  }
  for (int lane = 0; lane < 8; ++lane) *non_finite += bads[lane];
  offset = before[0];
  for (; i < n; ++i) {
    const float y = clean(samples[i], *non_finite) - offset;
    samples[i] = clipped(y);
    offset += follow * y;
  }
  return offset;
}

void int16_to_float32(const std::int16_t* in, float* out, int n) {
  for (int i = 0; i < n; ++i) out[i] = static_cast<float>(in[i]) * (1.0f / 32768.0f);
}

// Every tap but the centre is odd: the odd samples of a stretch are gathered once, and all taps read them in a row.
void halfband(const float* in, float* out, int n) {
  constexpr int kStretch = 256;
  float odd[kStretch + 3 * 8];
  for (int start = 0; start < n; start += kStretch) {
    const int count = n - start < kStretch ? n - start : kStretch;
    const float* centre = in + 2 * start;
    // odd[j] is the sample 2 (j - 8) + 1 after the first centre.
    for (int j = 0; j < count + 16; j += 8) {
      const float* from = centre + 2 * (j - 8);
      store(odd + j, odd_lanes(load(from), load(from + 8)));
    }
    for (int i = 0; i < count; i += 8) {
      F32x8 total = even_lanes(load(centre + 2 * i), load(centre + 2 * i + 8)) * 0.5f;
      for (int tap = 0; tap < kHalfbandTaps; ++tap) {
        total += (load(odd + 8 + i + tap) + load(odd + 7 + i - tap)) * kHalfband[tap];
      }
      store(out + start + i, total);
    }
  }
}

// The eight sums of eight vectors, in one vector.
FASTRING_INLINE F32x8 sums_of(const F32x8* v) {
  F32x8 pairs[4];
  for (int i = 0; i < 4; ++i) {
    const F32x8 low = even_of_halves(v[2 * i], v[2 * i + 1]);
    const F32x8 high = odd_of_halves(v[2 * i], v[2 * i + 1]);
    pairs[i] = low + high;
  }
  F32x8 quads[2];
  for (int i = 0; i < 2; ++i) {
    const F32x8 low = even_of_halves(pairs[2 * i], pairs[2 * i + 1]);
    const F32x8 high = odd_of_halves(pairs[2 * i], pairs[2 * i + 1]);
    quads[i] = low + high;
  }
  return low_halves(quads[0], quads[1]) + high_halves(quads[0], quads[1]);
}

template <int kVectors>
FASTRING_INLINE F32x8 group_of_bands(const float* spectrum, const std::int32_t* start, const float* weights) {
  F32x8 totals[8];
  for (int band = 0; band < 8; ++band, weights += 8 * kVectors) {
    const float* from = spectrum + start[band];
    F32x8 total = load(from) * load(weights);
    for (int i = 1; i < kVectors; ++i) total += load(from + 8 * i) * load(weights + 8 * i);
    totals[band] = total;
  }
  return sums_of(totals);
}

FASTRING_INLINE F32x8 group_of_wide_bands(const float* spectrum, const std::int32_t* start, int vectors,
                                          const float* weights) {
  F32x8 totals[8];
  for (int band = 0; band < 8; ++band, weights += 8 * vectors) {
    const float* from = spectrum + start[band];
    F32x8 total = load(from) * load(weights);
    for (int i = 1; i < vectors; ++i) total += load(from + 8 * i) * load(weights + 8 * i);
    totals[band] = total;
  }
  return sums_of(totals);
}

void bands(const BandTable& table, const float* spectrum, float* out) {
  for (int group = 0; group < table.groups; ++group) {
    const std::int32_t* start = table.start + 8 * group;
    const float* weights = table.weights + table.offset[group];
    float* to = out + 8 * group;
    switch (table.vectors[group]) {
      case 0:
        store(to, load(spectrum + start[0]));
        break;
      case 1:
        store(to, group_of_bands<1>(spectrum, start, weights));
        break;
      case 2:
        store(to, group_of_bands<2>(spectrum, start, weights));
        break;
      case 3:
        store(to, group_of_bands<3>(spectrum, start, weights));
        break;
      case 4:
        store(to, group_of_bands<4>(spectrum, start, weights));
        break;
      default:
        store(to, group_of_wide_bands(spectrum, start, table.vectors[group], weights));
    }
  }
}

float compress(float* values, int n, float gain) {
  F32x8 squares = splat(0.0f);
  for (int i = 0; i < n; i += 8) {
    const F32x8 x = load(values + i);
    squares += x * x;
    store(values + i, log2_approx(x * gain + 1.0f));
  }
  return sum(squares);
}

float superflux(const float* now, const float* before, int n) {
  F32x8 total = splat(0.0f);
  for (int i = 0; i < n; i += 8) {
    const F32x8 reference = max(max(load(before + i - 1), load(before + i)), load(before + i + 1));
    total += max(load(now + i) - reference, splat(0.0f));
  }
  return sum(total);
}

void spectrum_sums(const float* power_spectrum, float* magnitude, int n, float floor, SpectrumSums* sums) {
  F32x8 total = splat(0.0f);
  F32x8 weighted = splat(0.0f);
  F32x8 rise = splat(0.0f);
  F32x8 powers = splat(0.0f);
  F32x8 logs = splat(0.0f);
  F32x8 bin = zero_to_seven();
  for (int i = 0; i < n; i += 8, bin += 8.0f) {
    const F32x8 p = load(power_spectrum + i);
    const F32x8 m = square_root(p);
    rise += max(m - load(magnitude + i), splat(0.0f));
    store(magnitude + i, m);
    total += m;
    weighted += m * bin;
    powers += p;
    logs += log2_approx(max(p, splat(floor)));
  }
  sums->magnitude = sum(total);
  sums->weighted = sum(weighted);
  sums->rise = sum(rise);
  sums->power = sum(powers);
  sums->log2_power = sum(logs);
}

float similarity(const float* x, const float* squares, const float* taper, int lag, int n) {
  // Two of each sum at a time: one alone waits for its own last addition.
  F32x8 products[2] = {splat(0.0f), splat(0.0f)};
  F32x8 energies[2] = {splat(0.0f), splat(0.0f)};
  F32x8 later_energies[2] = {splat(0.0f), splat(0.0f)};
  int i = 0;
  for (; i + 16 <= n; i += 16) {
    for (int part = 0; part < 2; ++part) {
      const int at = i + 8 * part;
      products[part] += load(x + at) * load(x + lag + at);
      energies[part] += load(squares + at) * load(taper + lag + at);
      later_energies[part] += load(taper + at) * load(squares + lag + at);
    }
  }
  if (i < n) {
    products[0] += load(x + i) * load(x + lag + i);
    energies[0] += load(squares + i) * load(taper + lag + i);
    later_energies[0] += load(taper + i) * load(squares + lag + i);
  }
  const float energy = sum((energies[0] + energies[1]) + (later_energies[0] + later_energies[1]));
  return energy > 0.0f ? 2.0f * sum(products[0] + products[1]) / energy : 0.0f;
}

float center(const float* in, float* out, int n) {
  // Four sums at a time: one alone waits for its own last addition.
  F32x8 totals[4] = {splat(0.0f), splat(0.0f), splat(0.0f), splat(0.0f)};
  int i = 0;
  for (; i + 32 <= n; i += 32) {
    for (int part = 0; part < 4; ++part) totals[part] += load(in + i + 8 * part);
  }
  for (; i + 8 <= n; i += 8) totals[0] += load(in + i);
  float mean = sum((totals[0] + totals[1]) + (totals[2] + totals[3]));
  for (; i < n; ++i) mean += in[i];
  mean /= static_cast<float>(n);
  F32x8 squares[4] = {splat(0.0f), splat(0.0f), splat(0.0f), splat(0.0f)};
  for (i = 0; i + 32 <= n; i += 32) {
    for (int part = 0; part < 4; ++part) {
      const F32x8 x = load(in + i + 8 * part) - mean;
      squares[part] += x * x;
      store(out + i + 8 * part, x);
    }
  }
  for (; i + 8 <= n; i += 8) {
    const F32x8 x = load(in + i) - mean;
    squares[0] += x * x;
    store(out + i, x);
  }
  float energy = sum((squares[0] + squares[1]) + (squares[2] + squares[3]));
  for (; i < n; ++i) {
    out[i] = in[i] - mean;
    energy += out[i] * out[i];
  }
  return energy;
}

int maxima(const float* r, int first, int last, float lowest, std::int16_t* at) {
  int count = 0;
  for (int i = first; i <= last; i += 8) {
    const F32x8 x = load(r + i);
    const I32x8 found = (x > splat(lowest)) & (x >= load(r + i - 1)) & (x > load(r + i + 1));
    if (!any(found)) continue;
    for (int lane = 0; lane < 8 && i + lane <= last; ++lane) {
      if (found[lane] != 0) at[count++] = static_cast<std::int16_t>(i + lane);
    }
  }
  return count;
}

void multiply(const float* a, const float* b, float* out, int n) {
  for (int i = 0; i < n; i += 8) store(out + i, load(a + i) * load(b + i));
}

}  // namespace

extern const AnalysisKernels kAnalysisKernels;
const AnalysisKernels kAnalysisKernels = {rfft,   rfft_power,  rfft_magnitude, rfft_compressed,  cosine_transform,
                                          level,  clean_level, high_pass,      int16_to_float32, halfband,
                                          bands,  compress,    superflux,      spectrum_sums,    similarity,
                                          center, multiply,    maxima};

}  // namespace fastring::FASTRING_ISA
