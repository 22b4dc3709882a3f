// How the core fails: arguments out of range are std::invalid_argument; everything else is an Error with a code.
// The core never prints, exits or aborts; hot calls are noexcept and return a count or a bool.
#pragma once

#include <stdexcept>
#include <string>

namespace fastring {

// One value per Python class in fastring.errors; bindings/errors.cpp holds the table.
enum class ErrorCode {
  kBufferClosed,  // written to after close()
  kBufferFull,    // a reject-policy ring has no room
  kRangeLost,     // the range asked for is no longer held, or not written yet
  kBadAudio,      // wrong dtype, shape, layout or byte count
  kBusy,          // two threads in one single-owner object
};

class Error : public std::runtime_error {
 public:
  Error(ErrorCode code, const std::string& message) : std::runtime_error(message), code_(code) {}
  [[nodiscard]] ErrorCode code() const noexcept { return code_; }

 private:
  ErrorCode code_;
};

}  // namespace fastring
