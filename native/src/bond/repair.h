// Which of the counters that the receiver misses are to be sent again: the same ciphertext, by the fastest path.
#pragma once

#include <cstdint>

#include "bond/sent_ring.h"
#include "bond/types.h"

namespace weft::bond {

class Repair {
 public:
  // What is known of the path by which the packet went.
  struct Origin {
    uint64_t mark_left_ns = 0;  // when the highest bulk packet that came by it left
    uint64_t slack_ns = 0;      // how much later than its successors a packet may come
    uint64_t recent_queue_ns = 0;
    uint64_t mark_age_ns = 0;  // for so long nothing had come after it when the receiver reported
  };
  enum class Verdict : uint8_t { kWait, kResend, kRefuse };

  // A bulk packet was sent: 3 % of them may be sent again.
  void earn() { tokens_ = tokens_ + kShare > kMostTokens ? kMostTokens : tokens_ + kShare; }
  // `fastest_rtt_ns`: of the path that a repair takes.
  Verdict judge(uint64_t now, const SentPacket& packet, const Origin& origin, uint64_t fastest_rtt_ns) const;
  // One is sent again.
  void spend() { tokens_ = tokens_ < 1 ? 0 : tokens_ - 1; }

 private:
  static constexpr double kShare = 0.03;
  static constexpr double kMostTokens = 64;
  double tokens_ = kMostTokens;
};

}  // namespace weft::bond
