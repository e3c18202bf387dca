#include "bond/equaliser.h"

#include <algorithm>

#include "util/clock.h"

namespace weft::bond {
namespace {

constexpr uint64_t kLeastDifference = 2 * kNanosPerMilli;
constexpr uint64_t kMostDifference = 150 * kNanosPerMilli;
constexpr double kWorthIt = 0.2;        // of the fastest's rate: what the others must have to offer
constexpr double kWorthKeeping = 0.05;  // the same where it costs nothing: flows that know no shorter round trip
constexpr double kFilled = 0.7;         // of its rate: the fastest path is used up
constexpr double kFree = 0.9;           // of a round trip: so much longer costs nothing
constexpr double kStepScore = 0.025;
constexpr double kEnough = 0.5;                            // half a second of it
constexpr uint64_t kBbrWindowNs = 9'800 * kNanosPerMilli;  // just before BBR measures its round trip anew
constexpr uint64_t kLeaveNs = 3 * kNanosPerSecond;
constexpr uint64_t kAloneNs = 15 * kNanosPerSecond;
constexpr uint64_t kJudgeNs = 4 * kNanosPerSecond;
constexpr double kWorse = 0.8;
constexpr uint64_t kBackOffNs = 20 * kNanosPerSecond;
constexpr uint32_t kCredit = 16;

}  // namespace

Equaliser::View Equaliser::look(const Step& s) {
  View v;
  const PathFigures* fast = nullptr;
  uint64_t slowest = 0;
  for (const PathFigures& p : s.path) {
    if (!p.usable) continue;
    ++v.usable;
    v.delivered += p.delivered;
    slowest = std::max(slowest, p.delay_ns);
    if (!fast || p.delay_ns < fast->delay_ns) fast = &p;
  }
  if (!fast) return v;
  v.difference_ns = slowest - fast->delay_ns;
  v.fast_rate = fast->rate;
  v.fast_offered = fast->offered;
  v.fast_best = fast->best;
  v.fast_starting = fast->starting;
  for (const PathFigures& p : s.path) {
    if (!p.usable || &p == fast) continue;
    // One that was never loaded is assumed to be as good as the fastest.
    const double capacity = std::max({p.rate, p.best, p.starting ? fast->rate : 0.0});
    v.others += capacity;
    if (p.offered < 0.5 * capacity) v.spare += capacity;
  }
  return v;
}

void Equaliser::enter(uint64_t now, Phase phase, uint64_t pad_ns) {
  phase_ = phase;
  since_ns_ = now;
  pad_ns_ = pad_ns;
  score_ = 0;
}

void Equaliser::on_early_flow(uint64_t now) {
  if (early_credit_ > 0) --early_credit_;
  if (phase_ == Phase::kOff) {
    enter(now, Phase::kEarly, difference_ns_);
    last_busy_ns_ = now;
    judged_ = true;
  } else if (phase_ == Phase::kEarly) {
    since_ns_ = now;
  }
}

void Equaliser::on_established_bulk(uint64_t now) {
  if (pad_ns_ != 0) return;
  if (last_unpadded_ns_ == 0 || now - last_unpadded_ns_ > kNanosPerSecond) unpadded_since_ns_ = now;
  last_unpadded_ns_ = now;
}

void Equaliser::step(const Step& s) {
  const View v = look(s);
  if (v.usable >= 2)
    alone_since_ns_ = 0;
  else if (alone_since_ns_ == 0)
    alone_since_ns_ = s.now;
  if (v.usable >= 2) {
    difference_ns_ = v.difference_ns > kMostDifference ? 0 : v.difference_ns;
    if (phase_ == Phase::kOff)
      off(s, v);
    else
      padded(s, v);
  } else if (s.now - alone_since_ns_ > kAloneNs && phase_ != Phase::kOff) {
    // The other path may have come back meanwhile, and its flows with it; it has not.
    enter(s.now, Phase::kOff, 0);
  }
  const bool undisturbed = phase_ == Phase::kOff ? s.now - last_unpadded_ns_ > kNanosPerSecond || last_unpadded_ns_ == 0
                                                 : phase_ != Phase::kRung;
  early_possible_ = v.usable >= 2 && early_credit_ > 0 && difference_ns_ > kLeastDifference &&
                    v.others >= kWorthKeeping * v.fast_rate && undisturbed;
}

void Equaliser::off(const Step& s, const View& v) {
  pad_ns_ = 0;
  const bool full = !v.fast_starting && v.fast_offered > kFilled * v.fast_rate && s.waited_ns != 0 &&
                    s.now - s.waited_ns < kNanosPerSecond;
  score_ = std::clamp(score_ + (full ? kStepScore : -kStepScore), -1.0, 1.0);
  if (score_ < kEnough || s.now < not_before_ns_ || difference_ns_ <= kLeastDifference ||
      v.spare < kWorthIt * v.fast_rate) {
    return;
  }
  before_ = v.delivered;
  last_busy_ns_ = s.now;
  judged_ = false;
  const auto free = static_cast<uint64_t>(kFree * static_cast<double>(s.fast_rtt_ns));
  if (difference_ns_ <= free)
    enter(s.now, Phase::kFull, difference_ns_);
  else
    enter(s.now, Phase::kRung, free);
}

void Equaliser::padded(const Step& s, const View& v) {
  if (v.fast_offered > 0.5 * v.fast_best || v.delivered > 0.5 * v.fast_best) last_busy_ns_ = s.now;
  const uint64_t in_phase = s.now - since_ns_;
  if (s.now - last_busy_ns_ > kLeaveNs || difference_ns_ <= kLeastDifference) return enter(s.now, Phase::kOff, 0);
  switch (phase_) {
    case Phase::kEarly: {
      pad_ns_ = difference_ns_;
      const bool needed = s.waited_ns > since_ns_ || v.delivered > kFilled * v.fast_rate;
      if (needed && in_phase > kNanosPerSecond / 2)
        enter(s.now, Phase::kFull, difference_ns_);
      else if (in_phase > kLeaveNs)
        enter(s.now, Phase::kOff, 0);
      break;
    }
    case Phase::kRung:
      if (s.now - unpadded_since_ns_ > kBbrWindowNs) enter(s.now, Phase::kFull, difference_ns_);
      break;
    case Phase::kFull:
      pad_ns_ = difference_ns_;
      if (in_phase > kLeaveNs) early_credit_ = kCredit;
      if (in_phase > kNanosPerSecond && v.others < kWorthKeeping * v.fast_rate) {
        early_credit_ = 0;
        enter(s.now, Phase::kOff, 0);
      } else if (!judged_ && in_phase > kJudgeNs) {
        judged_ = true;
        if (v.delivered < kWorse * before_) {
          enter(s.now, Phase::kOff, 0);
          not_before_ns_ = s.now + kBackOffNs;
        }
      }
      break;
    case Phase::kOff:
      break;
  }
}

}  // namespace weft::bond
