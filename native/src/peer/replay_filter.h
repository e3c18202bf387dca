// Sliding window over received counters (RFC 6479): on the inbound way after authentication, before anything else.
#pragma once

#include <cstdint>
#include <vector>

namespace weft::peer {

// REJECT_AFTER_MESSAGES (whitepaper 6.1): a session neither sends nor accepts this counter or a higher one.
inline constexpr uint64_t kRejectAfterMessages = UINT64_MAX - (uint64_t{1} << 13);

// The window is `bits` - 64: a counter that far behind the highest accepted one is still judged exactly, one farther
// behind is refused. One thread.
class ReplayFilter {
 public:
  // `bits` is a power of two, at least 128.
  explicit ReplayFilter(uint32_t bits = 8192);

  // True if `counter` is new, and marks it seen. Call only with authenticated counters.
  bool accept(uint64_t counter);

  // Forgets everything seen.
  void reset();

  // A window of so many bits, more than now. What the narrower one could not judge any more stays refused.
  void widen(uint32_t bits);

 private:
  std::vector<uint64_t> words_;  // a ring: the bit of counter c is bit c % 64 of word (c / 64) % size
  uint64_t highest_ = 0;         // highest accepted counter; 0 also when there is none
};

}  // namespace weft::peer
