// The newest samples of a signal, for analysis windows.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <vector>

#include "prefetch.hpp"

namespace fastring {

// Starts as `keep` zeros. A ring without slack: windows are copied out of it, which costs less than keeping them in one
// run, in time and in memory.
class SlidingBuffer {
 public:
  SlidingBuffer() = default;
  explicit SlidingBuffer(int keep) : keep_(keep), data_(static_cast<std::size_t>(keep + kFront), 0.0f) {}

  // Where the next samples go: makes n what fits there in one run, at most what it was. The one before them lies before
  // it. n > 0.
  [[nodiscard]] float* reserve(int& n) noexcept {
    if (next_ == keep_) {
      front()[-1] = front()[keep_ - 1];
      next_ = 0;
    }
    n = std::min(n, keep_ - next_);
    return front() + next_;
  }
  void commit(int n) noexcept { next_ += n; }
  void append(const float* samples, int n) noexcept {
    while (n > 0) {
      int fits = n;
      float* to = reserve(fits);
      std::memcpy(to, samples, static_cast<std::size_t>(fits) * sizeof(float));
      commit(fits);
      samples += fits;
      n -= fits;
    }
  }
  // The n samples before the newest `later` ones; n + later is at most `keep`.
  void copy(int n, int later, float* out) const noexcept {
    const int begin = next_ - later - n;
    const int wrapped = std::clamp(-begin, 0, n);
    const float* data = data_.data() + kFront;
    std::memcpy(out, data + (keep_ + begin) % keep_, static_cast<std::size_t>(wrapped) * sizeof(float));
    std::memcpy(out + wrapped, data + (begin + wrapped), static_cast<std::size_t>(n - wrapped) * sizeof(float));
  }
  void clear() noexcept {
    std::fill(data_.begin(), data_.end(), 0.0f);
    next_ = 0;
  }
  void prefetch() const noexcept { fastring::prefetch(data_.data(), bytes()); }
  [[nodiscard]] std::size_t bytes() const noexcept { return data_.size() * sizeof(float); }

 private:
  static constexpr int kFront = 8;  // for the sample before the first
  [[nodiscard]] float* front() noexcept { return data_.data() + kFront; }

  int keep_ = 0;
  int next_ = 0;
  std::vector<float> data_;
};

}  // namespace fastring
