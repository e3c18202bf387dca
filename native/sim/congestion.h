// Congestion control of the simulated TCP senders, after Linux: Reno (RFC 5681), CUBIC (RFC 9438, with HyStart) and BBR
// version 1 (draft-cardwell-iccrg-bbr-congestion-control-00, tcp_bbr.c). Windows are in segments.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

namespace weft::sim {

// One acknowledgement, as a congestion control sees it.
struct AckSample {
  uint64_t now = 0;
  uint32_t newly_delivered = 0;  // acked or sacked by it
  uint32_t newly_acked = 0;      // cumulatively
  uint32_t newly_lost = 0;
  uint64_t rtt_ns = 0;  // 0 = no sample
  uint64_t srtt_ns = 0;
  uint32_t in_flight = 0;  // after it
  uint32_t prior_in_flight = 0;
  bool cwnd_limited = true;
  uint64_t next_segment = 0;  // the first that was not sent yet
  uint64_t first_unacked = 0;
  // Delivery rate sample (draft-cheng-iccrg-delivery-rate-estimation).
  uint64_t delivered = 0;        // in all
  uint64_t prior_delivered = 0;  // when the sampled segment was sent
  uint32_t sample_delivered = 0;
  uint64_t interval_ns = 0;                 // 0 = no sample
  bool recovering = false, losing = false;  // fast recovery; after a time-out
};

class CongestionControl {
 public:
  virtual ~CongestionControl() = default;

  double cwnd = 10;
  double ssthresh = 1e9;

  virtual void on_established(uint64_t /*now*/, uint64_t /*rtt_ns*/) {}
  // Segments were delivered. Those that leave the window to the sender in recovery (PRR) are not called then.
  virtual void on_ack(const AckSample& sample) = 0;
  // The window after a congestion event.
  virtual double reduced(uint64_t now) = 0;
  virtual void on_timeout() {}
  virtual void on_undo() {}
  // It sets cwnd itself on every acknowledgement, in recovery too.
  virtual bool rules_recovery() const { return false; }
  virtual void on_recovery(bool /*entered*/, uint32_t /*in_flight*/, uint64_t /*delivered*/) {}
  // 0 = not paced.
  virtual double pacing_bps() const { return 0; }
};

enum class Tcp : uint8_t { kReno, kCubic, kCubicNoHystart, kBbr };
std::string_view name_of(Tcp kind);
std::unique_ptr<CongestionControl> make_congestion_control(Tcp kind, uint64_t seed);

}  // namespace weft::sim
