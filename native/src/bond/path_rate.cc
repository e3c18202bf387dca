#include "bond/path_rate.h"

#include <algorithm>
#include <cmath>

#include "util/clock.h"

namespace weft::bond {
namespace {

constexpr int64_t kQueueHigh = 6 * kNanosPerMilli;
constexpr int64_t kQueueVeryHigh = 30 * kNanosPerMilli;
constexpr int64_t kQueueLow = 3 * kNanosPerMilli;
constexpr double kUsed = 0.75;            // of the rate: it was tried
constexpr double kAboveDelivered = 1.08;  // the most that is believed beyond what was ever delivered
constexpr uint64_t kAfterCutNs = 400 * kNanosPerMilli;
constexpr double kGrowth = 0.008;  // a step
constexpr double kMostGrowth = 0.04;
constexpr double kHasteNs = 1e9;
// So many cuts do not fail to empty a queue: then it is none.
constexpr uint32_t kCutsToRebase = 6;
// A queue too small to cut for, that stays, is drained in earnest. If it stays then, too, it is none: a shift of the
// delay.
constexpr uint64_t kHeldBackNs = kNanosPerSecond / 2;
constexpr double kDrainHeldBack = 0.9;  // less than is delivered, as the rate is at most kAboveDelivered times that
constexpr uint64_t kLongestHoldNs = kNanosPerSecond;
// A queue is emptied in about this time; longer than it takes to hear of it.
constexpr double kDrainNs = 150.0 * kNanosPerMilli;
constexpr double kLeastDrain = 0.6;
constexpr double kStepNs = 25.0 * kNanosPerMilli;

}  // namespace

void PathRate::cut(uint64_t now, double rate) {
  set(rate);
  if (starting_) started_ns_ = now;
  starting_ = false;
  last_cut_ns_ = now;
}

void PathRate::restart(double rate) {
  set(rate);
  starting_ = true;
  queued_steps_ = cuts_ = 0;
  held_back_ns_ = 0;
}

void PathRate::measure(const Step& s) {
  const Point& last = points_[(count_ + kPoints - 1) % kPoints];
  // The receiver has begun anew, or its clock has.
  if (count_ > 0 && (s.received_bytes < last.received || s.report_time_us < last.report_time_us)) count_ = 0;
  if (count_ > 0 && s.report_time_us > last.report_time_us) {
    newest_ = static_cast<double>(s.received_bytes - last.received) * 8e6 /
              static_cast<double>(s.report_time_us - last.report_time_us);
  }
  if (count_ > 0 && s.now > last.now) {
    newest_offered_ = static_cast<double>(s.sent_bytes - last.sent) * 8e9 / static_cast<double>(s.now - last.now);
  }
  points_[count_ % kPoints] = {s.now, s.report_time_us, s.received_bytes, s.sent_bytes};
  ++count_;
  const Point& first = points_[count_ < kPoints ? 0 : count_ % kPoints];
  if (s.report_time_us == first.report_time_us || s.now == first.now) return;
  delivered_ = static_cast<double>(s.received_bytes - first.received) * 8e6 /
               static_cast<double>(s.report_time_us - first.report_time_us);
  offered_ = static_cast<double>(s.sent_bytes - first.sent) * 8e9 / static_cast<double>(s.now - first.now);
  if (offered_ > kUsed * rate_) best_ *= 0.9995;
  best_ = std::max(best_, delivered_);
}

void PathRate::on_small_queue(const Step& s, PathDelay& delay) {
  const int64_t queue = delay.queue_ns();
  if (queue < kQueueLow) {
    cuts_ = 0;
    held_back_ns_ = 0;
  } else if (!s.paced) {
    held_back_ns_ = 0;
  } else if (held_back_ns_ == 0 || queue < queue_at_hold_ * 3 / 4) {
    held_back_ns_ = s.now;
    queue_at_hold_ = queue;
  } else if (s.now - held_back_ns_ > kLongestHoldNs + s.rtt_ns) {
    delay.rebase();
    held_back_ns_ = 0;
  }
}

bool PathRate::on_queue(const Step& s, PathDelay& delay) {
  const int64_t queue = delay.queue_ns();
  // At the start the rate is a guess that may be far too high: the first sign of a queue ends it.
  const bool high = queue > (starting_ ? kQueueLow : kQueueHigh);
  if (high && !delay.fresh()) return true;
  if (!high) {
    queued_steps_ = 0;
    if (delay.fresh()) on_small_queue(s, delay);
    return false;
  }
  if (++queued_steps_ < 2) return true;
  held_back_ns_ = 0;
  if (s.now - last_cut_ns_ < 100 * kNanosPerMilli + s.rtt_ns) return true;
  if (cuts_++ == 0) queue_at_first_cut_ = queue;
  if (cuts_ > kCutsToRebase) {
    if (queue > queue_at_first_cut_ * 3 / 4) delay.rebase();
    cuts_ = 0;
    return true;
  }
  if (starting_) {
    cut(s.now, 1.05 * std::max(newest_, delivered_));
    return true;
  }
  const double keep = queue > kQueueVeryHigh ? 0.5 : 0.85;
  cut(s.now, std::max(0.97 * delivered_, keep * rate_));
  return true;
}

void PathRate::grow(const Step& s) {
  const double steps = std::clamp(static_cast<double>(s.now - last_step_ns_) / kStepNs, 0.2, 4.0);
  const bool used = (starting_ ? newest_offered_ : offered_) > kUsed * s.trust * rate_;
  if (used && starting_) {
    // Doubles in the time that it takes to hear of it, as long as what is sent is delivered.
    const double period = static_cast<double>(std::max<uint64_t>(s.rtt_ns, 5 * kNanosPerMilli)) + kStepNs;
    const double next = rate_ * std::exp2(steps * kStepNs / period);
    set(std::min(next, std::max(rate_, 3 * std::max(newest_, delivered_))));
  } else if (used && s.now - last_cut_ns_ > kAfterCutNs) {
    // Ever faster, the longer nothing speaks against it.
    const double calm = static_cast<double>(s.now - last_cut_ns_ - kAfterCutNs) / kHasteNs;
    set(rate_ * std::pow(1 + std::min(kGrowth * std::exp2(calm), kMostGrowth), steps));
  } else if (!used && s.waited) {
    const double next = rate_ * std::pow(rate_ < 0.5 * s.best_rate ? 1.06 : 1.01, steps);
    // Only its own record counts: to believe in what another path carries would flood a thin one.
    set(std::max(rate_, std::min(next, std::max(3e6, 2 * best_))));
  }
}

void PathRate::drain(uint64_t now, int64_t queue_ns) {
  const auto above = static_cast<double>(std::max<int64_t>(queue_ns - kQueueLow, 0));
  drain_ = std::clamp(1 - above / kDrainNs, kLeastDrain, 1.0);
  if (held_back_ns_ != 0 && now - held_back_ns_ > kHeldBackNs) drain_ = std::min(drain_, kDrainHeldBack);
}

void PathRate::step(const Step& s, PathDelay& delay) {
  measure(s);
  if (!delay.fresh() && !delay.pending()) held_back_ns_ = 0;
  drain(s.now, delay.queue_ns());
  if (!on_queue(s, delay) && delay.queue_ns() < kQueueLow) grow(s);
  if (!starting_ && best_ > kFloor && offered_ > 0.3 * best_) set(std::min(rate_, kAboveDelivered * best_));
  last_step_ns_ = s.now;
}

void PathRate::decay(uint64_t now) {
  count_ = 0;
  held_back_ns_ = 0;
  last_step_ns_ = now;
  if (best_ > kFloor && rate_ > best_) set(std::max(best_, 0.95 * rate_));
}

}  // namespace weft::bond
