#include "bond/loss_judge.h"

#include <algorithm>

#include "util/clock.h"

namespace weft::bond {
namespace {

constexpr uint64_t kLeastLosses = 6;
constexpr double kLeastLoss = 0.004;
constexpr double kTestShare = 0.85;     // of what was delivered: below any policer that let so much through
constexpr double kExpectedLosses = 10;  // at the old loss, before the test is judged
constexpr double kGone = 0.35;          // of the old loss: what is left of it if it was congestion
constexpr uint64_t kGiveUpNs = 5 * kNanosPerSecond;  // too little traffic to judge
constexpr uint64_t kFirstTrustNs = 60 * kNanosPerSecond;
constexpr uint64_t kLongestTrustNs = 300 * kNanosPerSecond;
constexpr uint64_t kFirstAttemptNs = 2 * kNanosPerSecond;
constexpr uint64_t kLongestAttemptNs = 20 * kNanosPerSecond;
constexpr double kFirstGain = 0.02;  // higher; twice as much after each that went well
constexpr double kMostGain = 0.25;
constexpr double kUsed = 0.7;
constexpr double kBelowCap = 0.9;
constexpr uint64_t kSettleNs = 200 * kNanosPerMilli;

}  // namespace

double LossJudge::loss_between(const Count& from, const Count& to) {
  const double sent = static_cast<double>(to.sent - from.sent);
  const double received = static_cast<double>(to.received - from.received);
  return sent > 0 ? std::clamp(1 - received / sent, 0.0, 1.0) : 0;
}

void LossJudge::measure(const Step&, const Count& now) {
  points_[count_++ % kPoints] = now;
  const Count& first = points_[count_ < kPoints ? 0 : count_ % kPoints];
  loss_ = loss_between(first, now);
  lost_ = static_cast<uint64_t>(loss_ * static_cast<double>(now.sent - first.sent) + 0.5);
}

double LossJudge::step(const Step& s) {
  const Count now{s.sent, s.received};
  measure(s, now);
  switch (phase_) {
    case Phase::kTesting:
      return test(s, now);
    case Phase::kCapped:
      return capped(s, now);
    case Phase::kCalm:
      break;
  }
  if (lost_ < kLeastLosses || loss_ < kLeastLoss) return s.rate;
  if (s.offered < kUsed * s.rate) return s.rate;  // it is not our rate that is too high
  if (s.now < trusted_until_ns_ && loss_ < 2 * chance_ + kLeastLoss) return s.rate;
  return begin_test(s, now);
}

double LossJudge::begin_test(const Step& s, const Count&) {
  phase_ = Phase::kTesting;
  since_ns_ = s.now;
  counting_ = false;
  loss_before_ = loss_;
  rate_before_ = s.rate;
  delivered_before_ = s.delivered;
  return kTestShare * std::min(s.delivered, s.rate);
}

double LossJudge::test(const Step& s, const Count& now) {
  const double low = kTestShare * std::min(delivered_before_, rate_before_);
  // What was sent before the cut is still being lost.
  if (s.now - since_ns_ < s.rtt_ns + 75 * kNanosPerMilli) return low;
  if (!counting_) {
    counting_ = true;
    from_ = now;
    return low;
  }
  const double packets = static_cast<double>(now.sent - from_.sent);
  if (packets * loss_before_ < kExpectedLosses) {
    if (s.now - since_ns_ < kGiveUpNs) return low;
    phase_ = Phase::kCalm;
    return rate_before_;
  }
  const double loss = loss_between(from_, now);
  count_ = 0;
  if (loss >= kGone * loss_before_) {
    return call_it_chance(s.now, loss);
  }
  ++judged_congested_;
  phase_ = Phase::kCapped;
  chance_ = loss;
  trust_ns_ = 0;
  since_ns_ = s.now;
  from_ = now;
  attempt_ns_ = kFirstAttemptNs;
  attempt_gain_ = kFirstGain;
  cap_ = 0.985 * delivered_before_;
  return cap_;
}

double LossJudge::call_it_chance(uint64_t now, double loss) {
  ++judged_random_;
  phase_ = Phase::kCalm;
  chance_ = loss;
  trust_ns_ = std::clamp(2 * trust_ns_, kFirstTrustNs, kLongestTrustNs);
  trusted_until_ns_ = now + trust_ns_;
  return rate_before_;
}

double LossJudge::capped(const Step& s, const Count& now) {
  const double loss = loss_between(from_, now);
  const double lost = loss * static_cast<double>(now.sent - from_.sent);
  // Below what passed without loss before: then it had been luck.
  const bool below = s.offered < kBelowCap * cap_;
  if (below && lost >= kLeastLosses && loss > chance_ + kLeastLoss && s.now > since_ns_ + 4 * s.rtt_ns + kSettleNs) {
    return call_it_chance(s.now, loss);
  }
  if (lost >= kLeastLosses && loss > chance_ + kLeastLoss && s.now > since_ns_ + s.rtt_ns) {
    // Too much again: back, and a longer time until the next attempt.
    cap_ = 0.985 * std::min(s.delivered, cap_);
    attempt_ns_ = std::min(2 * attempt_ns_, kLongestAttemptNs);
    attempt_gain_ = kFirstGain;
    since_ns_ = s.now + s.rtt_ns;
    from_ = now;
    count_ = 0;
  } else if (s.now > since_ns_ && s.now - since_ns_ > attempt_ns_ && s.offered > 0.9 * cap_) {
    cap_ *= 1 + attempt_gain_;
    if (lost < kLeastLosses / 2.0) {
      attempt_gain_ = std::min(2 * attempt_gain_, kMostGain);
      if (attempt_ns_ > kNanosPerSecond) attempt_ns_ = attempt_ns_ * 3 / 4;
    }
    since_ns_ = s.now;
    from_ = now;
  }
  // No longer what holds the rate down.
  if (s.rate < 0.7 * cap_ && s.waited) phase_ = Phase::kCalm;
  return std::min(s.rate, cap_);
}

}  // namespace weft::bond
