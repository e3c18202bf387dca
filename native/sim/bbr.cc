#include "sim/bbr.h"

#include <algorithm>
#include <cmath>

#include "sim/loop.h"

namespace weft::sim {
namespace {

constexpr double kHighGain = 2.885;
constexpr uint64_t kBandwidthRounds = 10;
constexpr uint64_t kMinRttWindow = 10 * kSecond;
constexpr uint64_t kProbeRttTime = 200 * kMilli;
constexpr double kLeastWindow = 4;
constexpr std::array<double, 8> kCycle{1.25, 0.75, 1, 1, 1, 1, 1, 1};
constexpr double kSegmentBits = 1368 * 8;
constexpr double kPacingMargin = 0.99;
constexpr uint32_t kExtraRounds = 5;
constexpr uint64_t kExtraMax = 100 * kMilli;

}  // namespace

double Bbr::bdp(double gain) const {
  if (min_rtt_ == 0) return 10;
  return std::ceil(gain * bandwidth() * to_seconds(min_rtt_));
}

// What the host sends at once: a millisecond's worth, at least two segments (tcp_tso_autosize).
double Bbr::burst_segments() const {
  if (pacing_bps_ < 1.2e6) return 1;
  return std::clamp(std::floor(pacing_bps_ / 1024 / kSegmentBits), 2.0, 44.0);
}

double Bbr::target_window(double gain) const {
  double window = bdp(gain) + 3 * burst_segments();
  window = std::floor((window + 1) / 2) * 2;
  if (phase_ == Phase::kProbeBandwidth && cycle_ == 0) window += 2;
  return window;
}

void Bbr::update_bandwidth(const AckSample& sample) {
  round_start_ = false;
  if (sample.interval_ns == 0 || sample.sample_delivered == 0) return;
  if (sample.prior_delivered >= next_round_delivered_) {
    next_round_delivered_ = sample.delivered;
    ++round_;
    round_start_ = true;
    conserving_ = false;
  }
  const double rate = sample.sample_delivered / to_seconds(sample.interval_ns);
  // lib/win_minmax.c
  const Best now{round_, rate};
  if (rate >= bw_filter_[0].rate || round_ - bw_filter_[2].round > kBandwidthRounds) {
    bw_filter_.fill(now);
    return;
  }
  if (rate >= bw_filter_[1].rate) {
    bw_filter_[2] = bw_filter_[1] = now;
  } else if (rate >= bw_filter_[2].rate) {
    bw_filter_[2] = now;
  }
  const uint64_t age = round_ - bw_filter_[0].round;
  if (age > kBandwidthRounds) {
    bw_filter_ = {bw_filter_[1], bw_filter_[2], now};
    if (round_ - bw_filter_[0].round > kBandwidthRounds) bw_filter_ = {bw_filter_[1], bw_filter_[2], now};
  } else if (bw_filter_[1].round == bw_filter_[0].round && age > kBandwidthRounds / 4) {
    bw_filter_[2] = bw_filter_[1] = now;
  } else if (bw_filter_[2].round == bw_filter_[1].round && age > kBandwidthRounds / 2) {
    bw_filter_[2] = now;
  }
}

void Bbr::update_aggregation(const AckSample& sample) {
  if (sample.newly_delivered == 0 || sample.interval_ns == 0) return;
  if (round_start_ && ++extra_rounds_ >= kExtraRounds) {
    extra_rounds_ = 0;
    extra_slot_ ^= 1;
    extra_acked_[static_cast<size_t>(extra_slot_)] = 0;
  }
  double expected = bandwidth() * to_seconds(sample.now - epoch_at_);
  if (epoch_acked_ <= expected) {
    epoch_acked_ = 0;
    epoch_at_ = sample.now;
    expected = 0;
  }
  epoch_acked_ += sample.newly_delivered;
  const double extra = std::min(epoch_acked_ - expected, cwnd);
  double& slot = extra_acked_[static_cast<size_t>(extra_slot_)];
  slot = std::max(slot, extra);
}

void Bbr::enter_probe_bandwidth(uint64_t now) {
  phase_ = Phase::kProbeBandwidth;
  cycle_ = static_cast<int>((8 - random_.below(7)) % 8);  // any but the one that drains
  cycle_at_ = now;
}

void Bbr::update_cycle(const AckSample& sample) {
  if (phase_ != Phase::kProbeBandwidth) return;
  const bool full_length = sample.now - cycle_at_ > min_rtt_;
  const double gain = kCycle[static_cast<size_t>(cycle_)];
  bool next = full_length;
  if (gain > 1) {
    next = full_length && (sample.newly_lost > 0 || sample.prior_in_flight >= target_window(gain));
  } else if (gain < 1) {
    next = full_length || sample.prior_in_flight <= target_window(1);
  }
  if (next) {
    cycle_ = (cycle_ + 1) % 8;
    cycle_at_ = sample.now;
  }
}

void Bbr::check_full(const AckSample&) {
  if (full_ || !round_start_) return;
  if (bandwidth() >= full_bw_ * 1.25) {
    full_bw_ = bandwidth();
    full_count_ = 0;
    return;
  }
  full_ = ++full_count_ >= 3;
}

void Bbr::check_drain(const AckSample& sample) {
  if (phase_ == Phase::kStartup && full_) {
    phase_ = Phase::kDrain;
    ssthresh = target_window(1);
  }
  if (phase_ == Phase::kDrain && sample.in_flight <= target_window(1)) enter_probe_bandwidth(sample.now);
}

void Bbr::update_min_rtt(const AckSample& sample) {
  const bool expired = min_rtt_at_ != 0 && sample.now > min_rtt_at_ + kMinRttWindow;
  if (sample.rtt_ns > 0 && (min_rtt_ == 0 || sample.rtt_ns < min_rtt_ || expired)) {
    min_rtt_ = sample.rtt_ns;
    min_rtt_at_ = sample.now;
  }
  if (expired && phase_ != Phase::kProbeRtt) {
    phase_ = Phase::kProbeRtt;
    prior_cwnd_ = recovering_ ? std::max(prior_cwnd_, cwnd) : cwnd;
    probe_rtt_done_ = 0;
  }
  if (phase_ != Phase::kProbeRtt) return;
  if (probe_rtt_done_ == 0 && sample.in_flight <= kLeastWindow) {
    probe_rtt_done_ = sample.now + kProbeRttTime;
    probe_rtt_round_done_ = false;
    next_round_delivered_ = sample.delivered;
  } else if (probe_rtt_done_ != 0) {
    if (round_start_) probe_rtt_round_done_ = true;
    if (probe_rtt_round_done_ && sample.now > probe_rtt_done_) {
      min_rtt_at_ = sample.now;
      cwnd = std::max(cwnd, prior_cwnd_);
      if (full_) {
        enter_probe_bandwidth(sample.now);
      } else {
        phase_ = Phase::kStartup;
      }
    }
  }
}

void Bbr::set_gains() {
  switch (phase_) {
    case Phase::kStartup:
      pacing_gain_ = cwnd_gain_ = kHighGain;
      break;
    case Phase::kDrain:
      pacing_gain_ = 1 / kHighGain;
      cwnd_gain_ = kHighGain;
      break;
    case Phase::kProbeBandwidth:
      pacing_gain_ = kCycle[static_cast<size_t>(cycle_)];
      cwnd_gain_ = 2;
      break;
    case Phase::kProbeRtt:
      pacing_gain_ = cwnd_gain_ = 1;
      break;
  }
}

void Bbr::set_pacing() {
  const double rate = bandwidth() * pacing_gain_ * kSegmentBits * kPacingMargin;
  if (full_ || rate > pacing_bps_) pacing_bps_ = rate;
}

void Bbr::set_window(const AckSample& sample) {
  const double acked = sample.newly_delivered;
  if (acked > 0) {
    if (sample.newly_lost > 0) cwnd = std::max(1.0, cwnd - sample.newly_lost);
    if (conserving_) {
      cwnd = std::max(cwnd, sample.in_flight + acked);
    } else {
      double extra = full_ ? std::max(extra_acked_[0], extra_acked_[1]) : 0;
      extra = std::min(extra, bandwidth() * to_seconds(kExtraMax));
      double target = bdp(cwnd_gain_) + extra + 3 * burst_segments();
      target = std::floor((target + 1) / 2) * 2 + (phase_ == Phase::kProbeBandwidth && cycle_ == 0 ? 2 : 0);
      if (full_) {
        cwnd = std::min(cwnd + acked, target);
      } else if (cwnd < target || sample.delivered < 10) {
        cwnd += acked;
      }
      cwnd = std::max(cwnd, kLeastWindow);
    }
  }
  if (phase_ == Phase::kProbeRtt) cwnd = std::min(cwnd, kLeastWindow);
}

void Bbr::on_established(uint64_t now, uint64_t rtt_ns) {
  min_rtt_ = rtt_ns;
  min_rtt_at_ = now;
  pacing_bps_ = kHighGain * cwnd / to_seconds(rtt_ns) * kSegmentBits;
}

void Bbr::on_ack(const AckSample& sample) {
  update_bandwidth(sample);
  update_aggregation(sample);
  update_cycle(sample);
  check_full(sample);
  check_drain(sample);
  update_min_rtt(sample);
  set_gains();
  set_pacing();
  set_window(sample);
}

double Bbr::reduced(uint64_t) { return ssthresh; }

void Bbr::on_recovery(bool entered, uint32_t in_flight, uint64_t delivered) {
  if (entered && !recovering_) {
    recovering_ = conserving_ = true;
    if (phase_ != Phase::kProbeRtt) prior_cwnd_ = cwnd;
    cwnd = in_flight + 1;
    next_round_delivered_ = delivered;
  } else if (!entered && recovering_) {
    recovering_ = conserving_ = false;
    cwnd = std::max(cwnd, prior_cwnd_);
  }
}

void Bbr::on_timeout() {
  if (!recovering_) prior_cwnd_ = cwnd;
  recovering_ = true;
  conserving_ = false;
  full_bw_ = 0;
}

}  // namespace weft::sim
