// Analysis windows.
#pragma once

#include <vector>

namespace fastring {

// Zeros, then a periodic Hann window of `length` samples, `padded_length` in all: a frame that is shorter than its FFT
// still ends at the newest sample.
[[nodiscard]] std::vector<float> hann_window(int length, int padded_length);

// Smallest FFT length that holds `length` samples.
[[nodiscard]] int fft_size_for(int length) noexcept;

}  // namespace fastring
