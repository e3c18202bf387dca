#include "sim/reno_cubic.h"

#include <algorithm>
#include <cmath>

namespace weft::sim {
namespace {

constexpr double kBeta = 0.7, kC = 0.4;  // RFC 9438, 4.6 and 5
constexpr double kLeast = 2;
// HyStart as Linux has it.
constexpr double kHystartLowWindow = 16;
constexpr uint32_t kHystartSamples = 8;
constexpr uint64_t kAckTrainGap = 2'000'000;

// Slow start over what was acknowledged; what is left for congestion avoidance.
double slow_start(CongestionControl& cc, double acked) {
  const double grown = std::min(cc.cwnd + acked, std::max(cc.cwnd, cc.ssthresh));
  acked -= grown - cc.cwnd;
  cc.cwnd = grown;
  return acked;
}

}  // namespace

void Reno::on_ack(const AckSample& sample) {
  if (!sample.cwnd_limited) return;
  double acked = sample.newly_acked;
  if (cwnd < ssthresh) acked = slow_start(*this, acked);
  cwnd += acked / cwnd;
}

double Reno::reduced(uint64_t) { return std::max(kLeast, cwnd / 2); }

void Cubic::on_ack(const AckSample& sample) {
  if (sample.rtt_ns > 0) {
    min_rtt_ = min_rtt_ == 0 ? sample.rtt_ns : std::min(min_rtt_, sample.rtt_ns);
    if (hystart_ && cwnd < ssthresh) hystart_update(sample);
  }
  if (!sample.cwnd_limited || sample.newly_acked == 0) return;
  AckSample rest = sample;
  if (cwnd < ssthresh) rest.newly_acked = static_cast<uint32_t>(slow_start(*this, sample.newly_acked));
  if (rest.newly_acked > 0) avoid_congestion(rest);
}

void Cubic::hystart_update(const AckSample& sample) {
  if (sample.first_unacked > round_end_) {
    round_end_ = sample.next_segment;
    round_start_ = last_ack_ = sample.now;
    round_rtt_ = UINT64_MAX;
    round_samples_ = 0;
  }
  if (found_ || cwnd < kHystartLowWindow) return;
  if (sample.now - last_ack_ <= kAckTrainGap) {
    last_ack_ = sample.now;
    if (sample.now - round_start_ > min_rtt_ / 2) found_ = true;
  }
  if (round_samples_ < kHystartSamples) {
    round_rtt_ = std::min(round_rtt_, sample.rtt_ns);
    ++round_samples_;
  } else if (round_rtt_ > min_rtt_ + std::clamp<uint64_t>(min_rtt_ / 8, 4'000'000, 16'000'000)) {
    found_ = true;
  }
  if (found_) ssthresh = cwnd;
}

void Cubic::avoid_congestion(const AckSample& sample) {
  if (epoch_ == 0) {
    epoch_ = sample.now;
    friendly_ = cwnd;
    k_ = cwnd < last_max_ ? std::cbrt((last_max_ - cwnd) / kC) : 0;
    origin_ = std::max(cwnd, last_max_);
  }
  const double t = static_cast<double>(sample.now - epoch_ + min_rtt_) / 1e9;
  double target = origin_ + kC * std::pow(t - k_, 3);
  target = std::min(target, 1.5 * cwnd);
  friendly_ += 3 * (1 - kBeta) / (1 + kBeta) * sample.newly_acked / cwnd;
  target = std::max(target, friendly_);
  if (target > cwnd) {
    // Linux grows by at most one segment for two that are acknowledged.
    cwnd += std::min((target - cwnd) / cwnd, 0.5) * sample.newly_acked;
  } else {
    cwnd += 0.01 * sample.newly_acked / cwnd;
  }
}

double Cubic::reduced(uint64_t) {
  epoch_ = 0;
  prior_last_max_ = last_max_;
  last_max_ = cwnd < last_max_ ? cwnd * (1 + kBeta) / 2 : cwnd;  // fast convergence
  return std::max(kLeast, cwnd * kBeta);
}

void Cubic::on_timeout() {
  epoch_ = 0;
  round_end_ = 0;
  found_ = false;
}

void Cubic::on_undo() {
  last_max_ = std::max(prior_last_max_, last_max_);
  epoch_ = 0;
}

}  // namespace weft::sim
