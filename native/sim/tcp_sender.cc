#include "sim/tcp_sender.h"

#include <algorithm>
#include <cmath>

namespace weft::sim {
namespace {

constexpr uint64_t kLeastRto = 200 * kMilli;
constexpr uint64_t kMostRto = 120 * kSecond;
constexpr uint32_t kDupThreshold = 3;
constexpr uint32_t kReorderPersist = 16;    // recoveries that a widened window lasts (RFC 8985, 6.2)
constexpr uint32_t kReceiveWindow = 4'400;  // segments: 6 MB of receive buffer
constexpr double kSegmentBits = kSegmentPayload * 8;

}  // namespace

TcpSender::TcpSender(Loop& loop, std::unique_ptr<CongestionControl> control, std::function<void(const TcpBody&)> emit)
    : loop_(loop), control_(std::move(control)), emit_(std::move(emit)), alarm_(loop, [this] { ring(); }) {}

void TcpSender::start() { open(); }

void TcpSender::open() {
  TcpBody syn;
  syn.syn = true;
  syn.stamp = loop_.now();
  emit_(syn);
  rto_at_ = loop_.now() + (kSecond << std::min(backoff_++, 5u));
  alarm_.set(rto_at_);
}

void TcpSender::establish(const TcpBody& ack) {
  established_ = true;
  backoff_ = 0;
  rto_at_ = kNever;
  delivered_at_ = first_sent_at_ = loop_.now();
  srtt_ = min_rtt_ = loop_.now() - ack.echo;
  rttvar_ = srtt_ / 2;
  rto_ = srtt_ + std::max(4 * rttvar_, kLeastRto);
  control_->on_established(loop_.now(), srtt_);
  send_what_may();
}

// ---- acknowledgements

void TcpSender::deliver(uint32_t number, bool cumulative) {
  Segment& segment = at(number);
  if (segment.lost) --lost_;
  if (segment.in_resend) --resending_;
  // An original that arrives below what was sacked has been overtaken on the way (RFC 8985, 6.2, step 3).
  if (number < prior_highest_sacked_ && !segment.resent) reordering_seen_ = true;
  const uint64_t now = loop_.now();
  const uint64_t rtt = now - segment.sent_at;
  // RACK: the latest sent of what has arrived; not if it may be the original of what was resent.
  if (!segment.resent || rtt >= min_rtt_) {
    if (segment.sent_at > rack_sent_ || (segment.sent_at == rack_sent_ && number > rack_segment_)) {
      rack_sent_ = segment.sent_at;
      rack_rtt_ = rtt;
      rack_segment_ = number;
    }
  }
  ++delivered_;
  ++sample_.newly_delivered;
  // The rate sample is that of the latest sent (draft-cheng-iccrg-delivery-rate-estimation, 3.3).
  if (sample_.interval_ns == 0 || segment.delivered > sample_.prior_delivered) {
    sample_.prior_delivered = segment.delivered;
    sample_round_began_ = segment.delivered_at;
    sample_send_interval_ = segment.sent_at - segment.first_sent_at;
    sample_.interval_ns = 1;
    first_sent_at_ = segment.sent_at;
  }
  segment.lost = segment.in_resend = false;
  if (!cumulative) {
    segment.sacked = true;
    ++sacked_;
    highest_sacked_ = std::max(highest_sacked_, number);
  }
}

void TcpSender::mark_sacked(const TcpBody& ack) {
  const auto before = known_ranges_;
  for (uint8_t i = 0; i < ack.ranges; ++i) {
    if (i == 0 && ack.dsack) continue;
    TcpBody::Range range = ack.range[i];
    for (const TcpBody::Range& known : before) {
      if (known.begin == range.begin && known.end <= range.end) range.begin = known.end;
    }
    range.begin = std::max(range.begin, una_);
    for (uint32_t number = range.begin; number < std::min(range.end, next_); ++number) {
      if (!at(number).sacked) deliver(number, false);
    }
  }
  for (uint8_t i = 0; i < ack.ranges; ++i) known_ranges_[i] = i == 0 && ack.dsack ? TcpBody::Range{} : ack.range[i];
}

void TcpSender::advance(uint32_t to) {
  while (una_ < to) {
    if (window_.front().sacked) {
      --sacked_;
    } else {
      deliver(una_, true);
    }
    window_.pop_front();
    ++una_;
    ++sample_.newly_acked;
  }
}

void TcpSender::sample_rtt(const TcpBody& ack) {
  if (ack.echo == 0 || (sample_.newly_acked == 0 && sample_.newly_delivered == 0)) return;
  const uint64_t rtt = loop_.now() - ack.echo;
  sample_.rtt_ns = rtt;
  min_rtt_ = std::min(min_rtt_, rtt);
  if (srtt_ == 0) {
    srtt_ = rtt;
    rttvar_ = rtt / 2;
  } else {
    const uint64_t difference = rtt > srtt_ ? rtt - srtt_ : srtt_ - rtt;
    rttvar_ = (3 * rttvar_ + difference) / 4;
    srtt_ = (7 * srtt_ + rtt) / 8;
  }
  rto_ = std::clamp(srtt_ + std::max(4 * rttvar_, kLeastRto), kLeastRto, kMostRto);
}

uint64_t TcpSender::reordering_window() const {
  if (!reordering_seen_ && (state_ != State::kOpen || sacked_ >= kDupThreshold)) return 0;
  return min_rtt_ == kNever ? 0 : std::min(min_rtt_ / 4 * reorder_steps_, srtt_);
}

void TcpSender::mark_lost(Segment& segment) {
  if (segment.in_resend) {
    segment.in_resend = false;
    --resending_;
  }
  if (!segment.lost) {
    segment.lost = true;
    ++lost_;
  }
  ++sample_.newly_lost;
}

void TcpSender::detect_losses() {
  reorder_at_ = kNever;
  const uint64_t window = reordering_window();
  std::vector<uint32_t> found;
  while (!order_.empty()) {
    const Sent sent = order_.front();
    const bool stale = sent.segment < una_ || at(sent.segment).sacked || at(sent.segment).sent_at != sent.at ||
                       (at(sent.segment).lost && !at(sent.segment).in_resend);
    if (!stale) {
      if (sent.at > rack_sent_ || (sent.at == rack_sent_ && sent.segment >= rack_segment_)) break;
      const uint64_t due = sent.at + rack_rtt_ + window;
      if (due > loop_.now()) {
        reorder_at_ = due;
        break;
      }
      mark_lost(at(sent.segment));
      found.push_back(sent.segment);
    }
    order_.pop_front();
  }
  // The lowest first, whenever it was sent.
  for (const uint32_t number : found) to_resend_.push_back(number);
  if (!found.empty()) std::ranges::sort(to_resend_);
}

void TcpSender::note_dsack(const TcpBody& ack) {
  if (!ack.dsack) return;
  if (undo_left_ > 0) --undo_left_;
  // Once a round trip (RFC 8985, 6.2, step 4).
  if (una_ >= dsack_round_) {
    reordering_seen_ = true;
    dsack_round_ = next_;
    reorder_steps_ = std::min<uint32_t>(255, reorder_steps_ + 1);
    reorder_persist_ = kReorderPersist;
  }
}

bool TcpSender::try_undo(const TcpBody& ack) {
  if (!may_undo_) return false;
  // Eifel: this acknowledges an original, sent before the first retransmission. Or each of them came twice.
  const bool clear = resending_ == 0 || una_ >= recovery_end_ || state_ == State::kLoss;
  const bool by_stamp = clear && first_resend_at_ != 0 && sample_.newly_acked > 0 && ack.echo < first_resend_at_;
  const bool by_dsack = first_resend_at_ != 0 && undo_left_ == 0;
  if (!by_stamp && !by_dsack) return false;
  if (!control_->rules_recovery()) {
    control_->cwnd = std::max(control_->cwnd, prior_cwnd_);
    control_->ssthresh = prior_ssthresh_;
    control_->on_undo();
  }
  if (state_ == State::kLoss) {
    // What was declared lost by the time-out is still on its way.
    for (uint32_t number = una_; number < next_; ++number) {
      Segment& segment = at(number);
      if (segment.lost && !segment.in_resend) {
        segment.lost = false;
        --lost_;
        order_.push_front({number, segment.sent_at});
      }
    }
    std::ranges::stable_sort(order_, {}, &Sent::at);
    to_resend_.clear();
  }
  may_undo_ = false;
  ++counters_.undone;
  return true;
}

void TcpSender::enter_recovery() {
  ++counters_.recoveries;
  prior_cwnd_ = control_->cwnd;
  prior_ssthresh_ = control_->ssthresh;
  may_undo_ = true;
  // What the recovery before this one resent may still be acknowledged.
  if (resending_ == 0) first_resend_at_ = 0;
  undo_left_ = resending_;
  recovery_end_ = next_;
  control_->ssthresh = control_->reduced(loop_.now());
  prr_delivered_ = prr_out_ = 0;
  prr_flight_ = std::max<double>(1, prior_cwnd_);
  state_ = State::kRecovery;
  control_->on_recovery(true, in_flight(), delivered_);
}

void TcpSender::leave_recovery() {
  const bool fast = state_ == State::kRecovery;
  state_ = State::kOpen;
  backoff_ = 0;
  if (fast && !control_->rules_recovery() && may_undo_) control_->cwnd = control_->ssthresh;
  may_undo_ = false;
  if (reorder_persist_ > 0 && --reorder_persist_ == 0) reorder_steps_ = 1;
  control_->on_recovery(false, in_flight(), delivered_);
}

void TcpSender::change_state(const TcpBody& ack, uint32_t prior_una) {
  if (state_ != State::kOpen) {
    if (try_undo(ack)) {
      leave_recovery();
    } else if (una_ >= recovery_end_ && una_ > prior_una) {
      leave_recovery();
    }
  }
  detect_losses();
  if (state_ == State::kOpen && lost_ > 0) enter_recovery();
}

// RFC 6937 with slow-start reduction bound.
void TcpSender::reduce_proportionally() {
  const double delivered = sample_.newly_delivered;
  if (delivered == 0) return;
  prr_delivered_ += delivered;
  const double flight = in_flight();
  const double ssthresh = control_->ssthresh;
  double may;
  if (flight > ssthresh) {
    may = std::ceil(prr_delivered_ * ssthresh / prr_flight_) - prr_out_;
  } else {
    may = std::min(ssthresh - flight, std::max(prr_delivered_ - prr_out_, delivered) + 1);
  }
  control_->cwnd = flight + std::max(may, prr_out_ == 0 ? 1.0 : 0.0);
}

void TcpSender::finish_sample() {
  sample_.now = loop_.now();
  sample_.srtt_ns = srtt_;
  sample_.in_flight = in_flight();
  sample_.next_segment = next_;
  sample_.first_unacked = una_;
  sample_.delivered = delivered_;
  sample_.recovering = state_ == State::kRecovery;
  sample_.losing = state_ == State::kLoss;
  if (sample_.newly_delivered > 0) delivered_at_ = loop_.now();
  if (sample_.interval_ns == 0) return;
  sample_.sample_delivered = static_cast<uint32_t>(delivered_ - sample_.prior_delivered);
  sample_.interval_ns = std::max(sample_send_interval_, loop_.now() - sample_round_began_);
  if (sample_.interval_ns < min_rtt_) sample_.interval_ns = 0;
}

void TcpSender::receive(const TcpBody& ack) {
  if (!established_) {
    if (ack.syn) establish(ack);
    return;
  }
  if (ack.syn || ack.ack > next_) return;
  sample_ = AckSample{};
  sample_.prior_in_flight = in_flight();
  sample_.cwnd_limited =
      control_->cwnd < control_->ssthresh ? control_->cwnd < 2.0 * in_flight() : in_flight() + 1 >= control_->cwnd;
  const uint32_t prior_una = una_;
  const bool was_open = state_ == State::kOpen;
  prior_highest_sacked_ = highest_sacked_;
  note_dsack(ack);
  mark_sacked(ack);
  advance(std::max(ack.ack, una_));
  sample_rtt(ack);
  change_state(ack, prior_una);
  finish_sample();
  if (control_->rules_recovery()) {
    control_->on_ack(sample_);
  } else if (state_ == State::kRecovery) {
    reduce_proportionally();
  } else if (sample_.newly_acked > 0 && (was_open || state_ == State::kLoss)) {
    control_->on_ack(sample_);
  }
  if (una_ > prior_una) {
    backoff_ = 0;
    rto_at_ = kNever;
    tlp_sent_ = false;
  }
  if (sample_.newly_delivered > 0) tlp_at_ = kNever;
  send_what_may();
}

// ---- sending

void TcpSender::transmit(uint32_t number, bool again) {
  Segment& segment = at(number);
  const uint64_t now = loop_.now();
  // After a pause the rate is that from here on.
  if (in_flight() == (again ? 0 : 1)) first_sent_at_ = delivered_at_ = now;
  segment.sent_at = now;
  segment.first_sent_at = first_sent_at_;
  segment.delivered = delivered_;
  segment.delivered_at = delivered_at_;
  if (again) {
    segment.resent = true;
    ++counters_.retransmitted;
    ++undo_left_;
    if (first_resend_at_ == 0) first_resend_at_ = now;
    if (!segment.in_resend && segment.lost) {
      segment.in_resend = true;
      ++resending_;
    }
  }
  ++counters_.sent;
  ++prr_out_;
  order_.push_back({number, now});
  TcpBody body;
  body.segment = number;
  body.stamp = now;
  emit_(body);
}

bool TcpSender::send_one() {
  while (!to_resend_.empty()) {
    const uint32_t number = to_resend_.front();
    to_resend_.pop_front();
    if (number < una_ || at(number).sacked || !at(number).lost || at(number).in_resend) continue;
    transmit(number, true);
    return true;
  }
  if (stopped_ || out() >= kReceiveWindow) return false;
  window_.emplace_back();
  transmit(next_++, false);
  return true;
}

void TcpSender::send_what_may() {
  const double rate = control_->pacing_bps();
  const uint64_t now = loop_.now();
  while (in_flight() + 1 <= std::max(1.0, control_->cwnd)) {
    if (rate > 0 && pace_at_ > now) break;
    uint32_t burst = 1;
    if (rate > 0) burst = static_cast<uint32_t>(std::clamp(rate / 1024 / kSegmentBits, rate < 1.2e6 ? 1.0 : 2.0, 44.0));
    uint32_t sent = 0;
    while (sent < burst && in_flight() + 1 <= std::max(1.0, control_->cwnd) && send_one()) ++sent;
    if (sent == 0) break;
    if (rate > 0) pace_at_ = std::max(pace_at_, now) + static_cast<uint64_t>(sent * kSegmentBits / rate * 1e9);
  }
  set_timers();
}

void TcpSender::set_timers() {
  const uint64_t now = loop_.now();
  if (out() == 0) {
    rto_at_ = tlp_at_ = kNever;
  } else {
    if (rto_at_ == kNever) rto_at_ = now + std::min(kMostRto, rto_ << std::min(backoff_, 8u));
    const bool may_probe = state_ == State::kOpen && sacked_ == 0 && !tlp_sent_ && srtt_ > 0;
    if (!may_probe) {
      tlp_at_ = kNever;
    } else if (tlp_at_ == kNever) {
      tlp_at_ = now + 2 * srtt_ + (in_flight() == 1 ? kLeastRto : 2 * kMilli);
    }
  }
  uint64_t next = std::min({rto_at_, tlp_at_, reorder_at_});
  const bool waits = control_->pacing_bps() > 0 && pace_at_ > now && in_flight() + 1 <= control_->cwnd;
  if (waits) next = std::min(next, pace_at_);
  alarm_.set(next);
}

void TcpSender::ring() {
  const uint64_t now = loop_.now();
  if (!established_) {
    open();
    return;
  }
  if (reorder_at_ <= now) {
    sample_ = AckSample{};
    detect_losses();
    if (state_ == State::kOpen && lost_ > 0) enter_recovery();
  }
  if (tlp_at_ <= now) probe_tail();
  if (rto_at_ <= now) time_out();
  send_what_may();
}

void TcpSender::probe_tail() {
  tlp_at_ = kNever;
  tlp_sent_ = true;
  rto_at_ = kNever;  // starts anew from the probe
  if (!stopped_ && out() < kReceiveWindow) {
    window_.emplace_back();
    transmit(next_++, false);
  } else {
    transmit(next_ - 1, true);
  }
}

void TcpSender::time_out() {
  ++counters_.timeouts;
  ++backoff_;
  if (state_ == State::kOpen || una_ >= recovery_end_) {
    prior_cwnd_ = control_->cwnd;
    prior_ssthresh_ = control_->ssthresh;
    control_->ssthresh = control_->reduced(loop_.now());
    may_undo_ = true;
    first_resend_at_ = 0;
    undo_left_ = 0;
  }
  state_ = State::kLoss;
  recovery_end_ = next_;
  to_resend_.clear();
  sample_ = AckSample{};
  for (uint32_t number = una_; number < next_; ++number) {
    if (at(number).sacked) continue;
    mark_lost(at(number));
    to_resend_.push_back(number);
  }
  control_->on_timeout();
  control_->cwnd = 1;
  rto_at_ = tlp_at_ = kNever;
  pace_at_ = 0;
}

}  // namespace weft::sim
