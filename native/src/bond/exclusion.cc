#include "bond/exclusion.h"

#include <algorithm>

#include "util/clock.h"

namespace weft::bond {
namespace {

constexpr uint64_t kStepNs = 25 * kNanosPerMilli;
constexpr uint32_t kLossSteps = Exclusion::kLossWindowNs / kStepNs - 1;
constexpr uint64_t kLossPackets = 50;
constexpr double kTooLossy = 0.03;
constexpr uint64_t kLeastLost = 8;  // fewer may be chance on a path that loses 1 %
constexpr uint64_t kLeastExclusionNs = kNanosPerSecond;
constexpr uint64_t kRejoinProbes = 20;
constexpr double kRejoinLoss = 0.01;
constexpr uint32_t kSilentPackets = 3;  // that left and did not come
constexpr uint32_t kSilentCall = 2;     // of a call, with nothing else on the path
constexpr uint64_t kSilentCallNs = 8 * kNanosPerMilli;
constexpr uint64_t kIdleForgivenessNs = 10 * kNanosPerSecond;
constexpr uint32_t kIdlePongs = 3;

}  // namespace

void LeaveHistory::add(uint64_t now) {
  const uint64_t number = now / kSlotNs;
  Slot& slot = slots_[number % kSlots];
  if (slot.number != number) slot = {number, 0};
  ++slot.count;
}

uint32_t LeaveHistory::between(uint64_t from, uint64_t until) const {
  uint32_t count = 0;
  const uint64_t last = until / kSlotNs;
  const uint64_t first = std::max(from / kSlotNs + 1, last > kSlots ? last - kSlots + 1 : 0);
  for (uint64_t n = first; n < last; ++n) {
    if (slots_[n % kSlots].number == n) count += slots_[n % kSlots].count;
  }
  return count;
}

Exclusion::Window Exclusion::window(uint32_t steps) const {
  const uint32_t n = std::min(steps, std::min(count_, kPoints) - 1);
  const Point& last = points_[(count_ - 1) % kPoints];
  const Point& first = points_[(count_ - 1 - n) % kPoints];
  Window w;
  w.sent = last.sent - first.sent;
  const double received = static_cast<double>(last.received - first.received);
  w.lost = w.sent > last.received - first.received ? w.sent - (last.received - first.received) : 0;
  w.loss = w.sent > 0 ? std::clamp(1 - received / static_cast<double>(w.sent), 0.0, 1.0) : 0;
  return w;
}

bool Exclusion::too_lossy(uint64_t sent, uint64_t received) {
  if (count_ > 0) {
    const Point& last = points_[(count_ - 1) % kPoints];
    if (sent < last.sent || received < last.received) count_ = 0;  // the receiver has begun anew
  }
  points_[count_++ % kPoints] = {sent, received};
  if (excluded_ || count_ < 4) return false;
  const Window w = window(kLossSteps);
  return w.sent >= kLossPackets && w.lost >= kLeastLost && w.loss > kTooLossy;
}

bool Exclusion::too_silent(uint64_t from, uint64_t until, uint64_t silent_ns, uint64_t longest_gap_ns) const {
  if (excluded_ || silent_ns < longest_gap_ns) return false;
  const uint32_t missing = left_.between(from, until);
  return missing >= kSilentPackets || (missing >= kSilentCall && silent_ns >= longest_gap_ns + kSilentCallNs);
}

void Exclusion::exclude(uint64_t now, Reason reason) {
  excluded_ = true;
  reason_ = reason;
  since_ns_ = now;
  pongs_ = 0;
  count_ = 0;
}

bool Exclusion::may_rejoin(uint64_t now, bool alive) const {
  if (!excluded_ || now - since_ns_ < kLeastExclusionNs || !alive || count_ < 2) return false;
  const Window w = window(kPoints - 1);
  return w.sent >= kRejoinProbes && (w.loss < kRejoinLoss || (w.lost <= 1 && w.sent >= 2 * kRejoinProbes));
}

bool Exclusion::may_rejoin_idle(uint64_t now) const {
  if (!excluded_) return false;
  const uint64_t least = reason_ == Reason::kLoss ? kIdleForgivenessNs : kLeastExclusionNs;
  return now - since_ns_ >= least && pongs_ >= kIdlePongs;
}

void Exclusion::rejoin() {
  excluded_ = false;
  reason_ = Reason::kActive;
  count_ = 0;
}

}  // namespace weft::bond
