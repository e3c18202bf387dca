// Whether what a path loses is congestion that shows no queue (a policer) or chance (radio). Told by an experiment: the
// rate is lowered for a moment, and either the loss goes away with it, or it does not.
//
//   calm -> testing -> calm, and for a while loss is no reason to be slower     (random)
//                   -> capped at what was delivered, with careful attempts to go higher  (policer)
#pragma once

#include <cstdint>
#include <limits>

#include "bond/types.h"

namespace weft::bond {

class LossJudge {
 public:
  struct Step {
    uint64_t now = 0;
    uint64_t sent = 0;      // packets of the path, up to the highest that came
    uint64_t received = 0;  // of these
    double rate = 0;        // believed now
    double delivered = 0;   // bits/s
    double offered = 0;
    uint64_t rtt_ns = 0;
    bool starting = false;
    bool waited = false;  // there is demand
  };
  // The rate that is to be believed from now on.
  double step(const Step& step);
  // The path begins again.
  void reset() { *this = LossJudge(); }

  // What was lost is explained by a queue.
  void forget_losses() { count_ = 0; }

  double recent_loss() const { return loss_; }  // of about the last second, 0-1
  bool capped() const { return phase_ == Phase::kCapped; }
  bool testing() const { return phase_ == Phase::kTesting; }
  uint32_t judged_random() const { return judged_random_; }
  uint32_t judged_congested() const { return judged_congested_; }

 private:
  enum class Phase : uint8_t { kCalm, kTesting, kCapped };
  // Packets since a moment.
  struct Count {
    uint64_t sent = 0, received = 0;
  };
  static double loss_between(const Count& from, const Count& to);
  void measure(const Step& step, const Count& now);
  double begin_test(const Step& step, const Count& now);
  double test(const Step& step, const Count& now);
  double capped(const Step& step, const Count& now);
  double call_it_chance(uint64_t now, double loss);

  static constexpr uint32_t kPoints = 41;  // a second of steps

  Phase phase_ = Phase::kCalm;
  Count points_[kPoints];
  uint32_t count_ = 0;
  double loss_ = 0;
  uint64_t lost_ = 0;

  uint64_t since_ns_ = 0;  // of the phase, or of the last attempt
  Count from_;             // counted from here
  bool counting_ = false;
  double loss_before_ = 0;  // that made us test
  double rate_before_ = 0;
  double delivered_before_ = 0;
  double chance_ = 0;              // what is lost by chance, as last found
  uint64_t trusted_until_ns_ = 0;  // loss up to about chance_ is believed to be chance
  uint64_t trust_ns_ = 0;
  double cap_ = 0;
  uint64_t attempt_ns_ = 0;  // between attempts
  double attempt_gain_ = 0;  // share of the cap that the next one adds
  uint32_t judged_random_ = 0, judged_congested_ = 0;
};

}  // namespace weft::bond
