// One-way delay of a path, told from when packets left here and came there. The two clocks need not agree: all
// figures are off by one unknown amount, the same for all paths, so only differences mean anything.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>

#include "bond/types.h"

namespace weft::bond {

class PathDelay {
 public:
  // A packet took so long (may be negative: the clocks differ).
  void add(uint64_t now, int64_t delay_ns);
  // A step of the caller's. Ends an interval of samples, if they are enough for their least to be one without jitter;
  // else it goes on.
  void end_step(uint64_t now);
  // What was believed to be a queue does not go away: it is the path that has become longer.
  void rebase();

  bool known() const { return base_ != kNone; }
  // Least of the last 30 to 60 s with traffic, or since rebase().
  int64_t base() const { return base_; }
  // Whether an interval has just ended; whether one goes on.
  bool fresh() const { return fresh_; }
  bool pending() const { return samples_ != 0; }
  // By the least of the last interval; 0 if nothing is sampled.
  int64_t queue_ns() const { return fresh_ || pending() ? current_ - base_ : 0; }
  // The queue of late: falls by 40 % an interval.
  int64_t recent_queue_ns() const { return recent_queue_; }
  // Mean difference of successive samples (RFC 3550 6.4.1).
  int64_t jitter_ns() const { return jitter_ / 16; }
  // The longest of late, falls slowly: what a packet may well take.
  int64_t longest() const { return longest_; }

 private:
  static constexpr int64_t kNone = std::numeric_limits<int64_t>::max();

  int64_t base_ = kNone;
  int64_t window_least_ = kNone, previous_least_ = kNone;
  uint64_t window_began_ns_ = 0;
  int64_t interval_least_ = kNone;
  uint64_t interval_began_ns_ = 0;
  uint32_t samples_ = 0;  // of the interval
  int64_t current_ = 0;
  bool fresh_ = false;
  int64_t recent_queue_ = 0;
  int64_t last_ = kNone;
  int64_t jitter_ = 0;  // times 16
  int64_t longest_ = std::numeric_limits<int64_t>::min();
};

}  // namespace weft::bond
