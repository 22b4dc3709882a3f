// One owner at a time: whoever enters second gets an error instead of a race.
#pragma once

#include <atomic>
#include <string>

#include "error.hpp"

namespace fastring {

// Holds the flag of one object for one scope; Error(kBusy) that names `type` if it is held already.
class BusyGuard {
 public:
  BusyGuard(std::atomic<bool>& busy, const char* type) : busy_(busy) {
    if (busy_.exchange(true, std::memory_order_acquire)) {
      throw Error(ErrorCode::kBusy, std::string("two threads are in one ") + type + "; give each stream its own");
    }
  }
  ~BusyGuard() { busy_.store(false, std::memory_order_release); }
  BusyGuard(const BusyGuard&) = delete;
  BusyGuard& operator=(const BusyGuard&) = delete;

 private:
  std::atomic<bool>& busy_;
};

}  // namespace fastring
