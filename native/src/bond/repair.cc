#include "bond/repair.h"

#include <algorithm>

#include "util/clock.h"

namespace weft::bond {
namespace {

constexpr uint8_t kTimes = 2;
constexpr uint64_t kSecondAfterNs = 9 * kNanosPerMilli;  // beyond a round trip: how often reports come, and some
// A path with such a queue loses because it is full: that is for the sender behind to hear.
constexpr uint64_t kCongestedNs = 15 * kNanosPerMilli;
// A longer slack comes of jitter and is a guess.
constexpr uint64_t kSureSlackNs = 2 * kNanosPerMilli;

}  // namespace

Repair::Verdict Repair::judge(uint64_t now, const SentPacket& packet, const Origin& origin,
                              uint64_t fastest_rtt_ns) const {
  if (packet.given_up || packet.resent >= kTimes) return Verdict::kRefuse;
  if (packet.left_ns == kNever) return Verdict::kWait;
  if (packet.resent > 0 && now - packet.resent_ns < fastest_rtt_ns + kSecondAfterNs) return Verdict::kWait;
  // Passed by its successors by more than the slack, or as long ago, or longer where the slack is not sure.
  const uint64_t age_ns = std::max(origin.slack_ns, 2 * origin.slack_ns - std::min(origin.slack_ns, kSureSlackNs));
  const bool passed = origin.mark_left_ns >= packet.left_ns + origin.slack_ns ||
                      (origin.mark_left_ns > packet.left_ns && origin.mark_age_ns >= age_ns);
  if (packet.resent == 0 && !passed) return Verdict::kWait;
  if (origin.recent_queue_ns > kCongestedNs || tokens_ < 1) return Verdict::kRefuse;
  return Verdict::kResend;
}

}  // namespace weft::bond
