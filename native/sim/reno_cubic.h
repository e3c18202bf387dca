// Reno and CUBIC: see congestion.h.
#pragma once

#include "sim/congestion.h"

namespace weft::sim {

class Reno : public CongestionControl {
 public:
  void on_ack(const AckSample& sample) override;
  double reduced(uint64_t now) override;
};

class Cubic : public CongestionControl {
 public:
  explicit Cubic(bool hystart) : hystart_(hystart) {}
  void on_ack(const AckSample& sample) override;
  double reduced(uint64_t now) override;
  void on_timeout() override;
  void on_undo() override;

 private:
  void hystart_update(const AckSample& sample);
  void avoid_congestion(const AckSample& sample);

  bool hystart_;
  double last_max_ = 0, origin_ = 0, k_ = 0, friendly_ = 0;
  double prior_last_max_ = 0;
  uint64_t epoch_ = 0;
  uint64_t min_rtt_ = 0;
  // HyStart's round.
  uint64_t round_end_ = 0, round_start_ = 0, last_ack_ = 0;
  uint64_t round_rtt_ = UINT64_MAX;
  uint32_t round_samples_ = 0;
  bool found_ = false;
};

}  // namespace weft::sim
