// A rate limit with a burst.
#pragma once

#include <algorithm>
#include <cstdint>

namespace weft {

// Tokens as time: one costs `interval_ns`, at most `burst` are saved up. Starts full.
class TokenBucket {
 public:
  bool take(uint64_t now, uint64_t interval_ns, uint64_t burst) {
    const uint64_t saved = interval_ns * burst;
    spent_until_ns_ = std::max(spent_until_ns_, now - std::min(now, saved));
    if (spent_until_ns_ + interval_ns > now) return false;
    spent_until_ns_ += interval_ns;
    return true;
  }

 private:
  uint64_t spent_until_ns_ = 0;
};

}  // namespace weft
