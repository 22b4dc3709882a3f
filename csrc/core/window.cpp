#include "window.hpp"

#include <cmath>
#include <numbers>

#include "fft.hpp"

namespace fastring {

std::vector<float> hann_window(int length, int padded_length) {
  std::vector<float> window(static_cast<std::size_t>(padded_length), 0.0f);
  for (int i = 0; i < length; ++i) {
    window[static_cast<std::size_t>(padded_length - length + i)] =
        static_cast<float>(0.5 - 0.5 * std::cos(2.0 * std::numbers::pi * i / length));
  }
  return window;
}

int fft_size_for(int length) noexcept {
  int size = kMinFftSize;
  while (size < length) size *= 2;
  return size;
}

}  // namespace fastring
