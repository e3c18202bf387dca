// CoDel (RFC 8289): when a queue has been too long for too long, not whether it is full.
#pragma once

#include <cmath>
#include <cstdint>

#include "util/clock.h"

namespace weft::engine {

class Codel {
 public:
  // Whether the packet that leaves after `sojourn_ns` should carry the signal to slow down. `standing` tells that
  // others wait behind it: a queue that the last packet empties needs none. `eligible`: this one may carry it; else the
  // next does.
  bool should_signal(uint64_t now, uint64_t sojourn_ns, bool standing, bool eligible = true) {
    const bool over = above_target(now, sojourn_ns, standing);
    if (over && !eligible) return false;
    if (!signalling_) {
      if (!over) return false;
      signalling_ = true;
      // Soon again after a recent episode: start near the rate that controlled it.
      const uint32_t since = count_ - last_count_;
      count_ = since > 1 && now < next_ns_ + 16 * kIntervalNs ? since : 1;
      last_count_ = count_;
      next_ns_ = next_after(now);
      return true;
    }
    if (!over) {
      signalling_ = false;
      return false;
    }
    if (now < next_ns_) return false;
    ++count_;
    next_ns_ = next_after(next_ns_);
    return true;
  }

 private:
  // RFC 8289 4 has 5 and 100 ms, for the link of somebody's home. What queues here does so for want of CPU, at gigabits
  // a second, where 5 ms are megabytes (ADR 0008).
  static constexpr uint64_t kTargetNs = 1 * kNanosPerMilli;
  static constexpr uint64_t kIntervalNs = 20 * kNanosPerMilli;

  bool above_target(uint64_t now, uint64_t sojourn_ns, bool standing) {
    if (sojourn_ns < kTargetNs || !standing) {
      first_above_ns_ = 0;
      return false;
    }
    if (first_above_ns_ == 0) {
      first_above_ns_ = now + kIntervalNs;
      return false;
    }
    return now >= first_above_ns_;
  }
  uint64_t next_after(uint64_t t) const {
    return t + static_cast<uint64_t>(static_cast<double>(kIntervalNs) / std::sqrt(static_cast<double>(count_)));
  }

  bool signalling_ = false;
  uint64_t first_above_ns_ = 0;  // when it will have been above for an interval
  uint64_t next_ns_ = 0;         // of the next signal
  uint32_t count_ = 0;
  uint32_t last_count_ = 0;
};

}  // namespace weft::engine
