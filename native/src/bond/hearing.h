// What comes by a path, and since when nothing does: the earliest sign that it has died, half a round trip and a report
// before the other end can tell. The other direction alone may have died, or have nothing to say, so it is reason for
// no more than a second copy of what must not be late.
#pragma once

#include <algorithm>

#include "bond/types.h"

namespace weft::bond {

class Hearing {
 public:
  // Something authentic came.
  void heard(uint64_t now) {
    if (now < last_ns_) return;
    if (now - window_began_ns_ > kWindowNs) {
      previous_longest_ns_ = longest_ns_;
      longest_ns_ = 0;
      window_began_ns_ = now;
    }
    longest_ns_ = std::max(longest_ns_, now - last_ns_);
    last_ns_ = now;
  }
  // Silent for longer than it ever was of late.
  bool suspect(uint64_t now) const {
    const uint64_t usual = std::max(longest_ns_, previous_longest_ns_);
    const uint64_t silent = now - last_ns_;
    return usual < kLivelyNs && silent > usual + kMarginNs && silent < kGiveUpNs;
  }
  uint64_t last_ns() const { return last_ns_; }

 private:
  static constexpr uint64_t kWindowNs = 250 * kNanosPerMilli;
  static constexpr uint64_t kLivelyNs = 60 * kNanosPerMilli;  // with longer pauses nothing can be told
  static constexpr uint64_t kMarginNs = 12 * kNanosPerMilli;
  static constexpr uint64_t kGiveUpNs = 500 * kNanosPerMilli;  // reports have told by then

  uint64_t last_ns_ = 0;
  uint64_t longest_ns_ = 0, previous_longest_ns_ = 0;  // pause of this window and of the one before
  uint64_t window_began_ns_ = 0;
};

}  // namespace weft::bond
