// The sending end of a simulated TCP flow that always has something to send: SACK loss recovery by time (RACK-TLP,
// RFC 8985) with Linux's tolerance of reordering, proportional rate reduction (RFC 6937), time-outs (RFC 6298), undo of
// what was spurious (RFC 3522, RFC 3708), delivery rate samples.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <vector>

#include "sim/congestion.h"
#include "sim/loop.h"
#include "sim/tcp_wire.h"

namespace weft::sim {

class TcpSender {
 public:
  struct Counters {
    uint64_t sent = 0, retransmitted = 0, recoveries = 0, timeouts = 0, undone = 0;
  };

  TcpSender(Loop& loop, std::unique_ptr<CongestionControl> control, std::function<void(const TcpBody&)> emit);

  void start();                     // opens the connection
  void stop() { stopped_ = true; }  // nothing new is sent
  void receive(const TcpBody& ack);

  const Counters& counters() const { return counters_; }
  const CongestionControl& control() const { return *control_; }
  double srtt_ms() const { return to_ms(srtt_); }

 private:
  struct Segment {
    uint64_t sent_at = 0, first_sent_at = 0;
    uint64_t delivered = 0, delivered_at = 0, round_began = 0;  // of the connection, when it was sent
    bool sacked = false, lost = false, resent = false, in_resend = false;
  };
  struct Sent {
    uint32_t segment;
    uint64_t at;
  };
  enum class State { kOpen, kRecovery, kLoss };

  Segment& at(uint32_t segment) { return window_[segment - una_]; }
  uint32_t out() const { return static_cast<uint32_t>(window_.size()); }
  uint32_t in_flight() const { return out() - sacked_ - lost_ + resending_; }

  void open();
  void establish(const TcpBody& ack);

  // Of an acknowledgement.
  void deliver(uint32_t segment, bool cumulative);
  void mark_sacked(const TcpBody& ack);
  void advance(uint32_t to);
  void sample_rtt(const TcpBody& ack);
  void detect_losses();
  uint64_t reordering_window() const;
  void mark_lost(Segment& segment);
  void note_dsack(const TcpBody& ack);
  void change_state(const TcpBody& ack, uint32_t prior_una);
  bool try_undo(const TcpBody& ack);
  void enter_recovery();
  void leave_recovery();
  void reduce_proportionally();
  void finish_sample();

  void send_what_may();
  bool send_one();
  void transmit(uint32_t segment, bool again);
  void set_timers();
  void ring();
  void time_out();
  void probe_tail();

  Loop& loop_;
  std::unique_ptr<CongestionControl> control_;
  std::function<void(const TcpBody&)> emit_;
  Alarm alarm_;
  Counters counters_;
  bool stopped_ = false, established_ = false;

  std::deque<Segment> window_;  // from una_
  std::deque<Sent> order_;      // transmissions by time; stale ones are skipped
  std::deque<uint32_t> to_resend_;
  uint32_t una_ = 0, next_ = 0, highest_sacked_ = 0, prior_highest_sacked_ = 0;
  uint32_t sacked_ = 0, lost_ = 0, resending_ = 0;
  std::array<TcpBody::Range, 3> known_ranges_{};

  State state_ = State::kOpen;
  uint32_t recovery_end_ = 0;
  double prior_cwnd_ = 0, prior_ssthresh_ = 0;
  uint64_t first_resend_at_ = 0;  // since the recovery began; 0 = none
  uint32_t undo_left_ = 0;        // resent segments whose originals have not been seen to arrive
  bool may_undo_ = false;
  double prr_delivered_ = 0, prr_out_ = 0, prr_flight_ = 0;

  uint64_t srtt_ = 0, rttvar_ = 0, min_rtt_ = kNever, rto_ = kSecond;
  uint32_t backoff_ = 0;
  uint64_t rack_sent_ = 0, rack_rtt_ = 0;
  uint32_t rack_segment_ = 0;
  bool reordering_seen_ = false;
  uint32_t reorder_steps_ = 1, reorder_persist_ = 0;
  uint32_t dsack_round_ = 0;

  uint64_t rto_at_ = kNever, tlp_at_ = kNever, reorder_at_ = kNever, pace_at_ = 0;
  bool tlp_sent_ = false;

  uint64_t delivered_ = 0, delivered_at_ = 0, first_sent_at_ = 0;
  AckSample sample_;
  uint64_t sample_send_interval_ = 0, sample_round_began_ = 0;
};

}  // namespace weft::sim
