// The newest samples of a signal in one contiguous run, for analysis windows.
#pragma once

#include <cstddef>
#include <cstring>
#include <vector>

namespace fastring {

// Starts as `keep` zeros. Appending moves the kept samples to the front now and then, so most appends copy nothing.
class SlidingBuffer {
 public:
  SlidingBuffer() = default;
  // slack: samples between two moves; spare: readable (and writable) samples past the end.
  SlidingBuffer(int keep, int slack, int spare)
      : keep_(keep), limit_(keep + slack), end_(keep), data_(static_cast<std::size_t>(keep + slack + spare), 0.0f) {}

  // Makes room for n samples and returns where they go; the one before is the newest so far. n is at most slack.
  [[nodiscard]] float* reserve(int n) noexcept {
    if (end_ + n > limit_) {
      std::memmove(data_.data(), data_.data() + (end_ - keep_), static_cast<std::size_t>(keep_) * sizeof(float));
      end_ = keep_;
    }
    return data_.data() + end_;
  }
  void commit(int n) noexcept { end_ += n; }
  // One past the newest sample; at least `keep` samples lie before it.
  [[nodiscard]] const float* end() const noexcept { return data_.data() + end_; }
  void clear() noexcept {
    data_.assign(data_.size(), 0.0f);
    end_ = keep_;
  }
  [[nodiscard]] std::size_t bytes() const noexcept { return data_.size() * sizeof(float); }

 private:
  int keep_ = 0;
  int limit_ = 0;
  int end_ = 0;
  std::vector<float> data_;
};

}  // namespace fastring
