// BBR version 1, after Linux's tcp_bbr.c without its long-term (policer) sampling: see congestion.h.
#pragma once

#include <array>

#include "sim/congestion.h"
#include "sim/random.h"

namespace weft::sim {

class Bbr : public CongestionControl {
 public:
  explicit Bbr(uint64_t seed) : random_(seed) {}
  void on_established(uint64_t now, uint64_t rtt_ns) override;
  void on_ack(const AckSample& sample) override;
  double reduced(uint64_t now) override;
  bool rules_recovery() const override { return true; }
  void on_recovery(bool entered, uint32_t in_flight, uint64_t delivered) override;
  void on_timeout() override;
  double pacing_bps() const override { return pacing_bps_; }

 private:
  enum class Phase { kStartup, kDrain, kProbeBandwidth, kProbeRtt };

  double bandwidth() const { return std::max(bw_filter_[0].rate, 0.0); }  // segments a second
  double bdp(double gain) const;
  double target_window(double gain) const;
  double burst_segments() const;
  void update_bandwidth(const AckSample& sample);
  void update_aggregation(const AckSample& sample);
  void update_cycle(const AckSample& sample);
  void check_full(const AckSample& sample);
  void check_drain(const AckSample& sample);
  void update_min_rtt(const AckSample& sample);
  void set_gains();
  void set_pacing();
  void set_window(const AckSample& sample);
  void enter_probe_bandwidth(uint64_t now);

  struct Best {
    uint64_t round = 0;
    double rate = 0;
  };
  Random random_;
  Phase phase_ = Phase::kStartup;
  std::array<Best, 3> bw_filter_{};  // the three best of the last ten rounds, as Linux keeps them
  uint64_t round_ = 0, next_round_delivered_ = 0;
  bool round_start_ = false;
  double full_bw_ = 0;
  int full_count_ = 0;
  bool full_ = false;
  uint64_t min_rtt_ = 0, min_rtt_at_ = 0, probe_rtt_done_ = 0;
  bool probe_rtt_round_done_ = false;
  int cycle_ = 0;
  uint64_t cycle_at_ = 0;
  double pacing_gain_ = 2.885, cwnd_gain_ = 2.885;
  double pacing_bps_ = 0;
  double prior_cwnd_ = 0;
  bool recovering_ = false, conserving_ = false;
  // ACK aggregation.
  uint64_t epoch_at_ = 0;
  double epoch_acked_ = 0;
  std::array<double, 2> extra_acked_{};
  int extra_slot_ = 0;
  uint32_t extra_rounds_ = 0;
};

}  // namespace weft::sim
