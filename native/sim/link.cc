#include "sim/link.h"

#include <algorithm>

namespace weft::sim {

Link::Link(Loop& loop, uint64_t seed, Shape initial, std::function<void(Datagram&&)> arrive)
    : shape(initial), loop_(loop), random_(seed), arrive_(std::move(arrive)), alarm_(loop, [this] { land(); }) {
  tokens_ = shape.policer_burst_bytes;
  tokens_at_ = loop.now();
}

bool Link::policed(uint32_t bytes) {
  if (shape.policer_bps <= 0) return false;
  const uint64_t now = loop_.now();
  tokens_ = std::min(shape.policer_burst_bytes, tokens_ + to_seconds(now - tokens_at_) * shape.policer_bps / 8);
  tokens_at_ = now;
  if (tokens_ < bytes) return true;
  tokens_ -= bytes;
  return false;
}

bool Link::lost() {
  if (shape.burst_begin > 0 || bad_phase_) {
    bad_phase_ = bad_phase_ ? !random_.chance(shape.burst_end) : random_.chance(shape.burst_begin);
    if (bad_phase_ && random_.chance(shape.burst_loss)) return true;
  }
  return random_.chance(shape.loss);
}

bool Link::send(Datagram&& datagram) {
  if (shape.unplugged) return false;
  ++counters_.sent;
  const uint64_t now = loop_.now();
  const uint32_t bytes = datagram.length + kUdpOverhead;
  if (shape.black_hole || bytes > shape.mtu) {
    ++counters_.hole_drops;
    return true;
  }
  if (policed(bytes)) {
    ++counters_.policer_drops;
    return true;
  }
  const uint64_t start = std::max(now, busy_until_);
  if (shape.rate_bps > 0) {
    if (start - now > millis(shape.queue_ms)) {
      ++counters_.queue_drops;
      return true;
    }
    busy_until_ = start + static_cast<uint64_t>(bytes * 8e9 / shape.rate_bps);
  } else {
    busy_until_ = start;
  }
  if (lost()) {
    ++counters_.random_drops;
    return true;
  }
  const auto flight = [&] { return busy_until_ + millis(shape.delay_ms + shape.jitter_ms * random_.uniform()); };
  datagram.sent_at = now;
  if (random_.chance(shape.duplicate)) fly(flight(), Datagram(datagram));
  fly(flight(), std::move(datagram));
  return true;
}

void Link::fly(uint64_t at, Datagram&& datagram) {
  if (!shape.jitter_reorders) at = std::max(at, last_arrival_);
  last_arrival_ = std::max(last_arrival_, at);
  flying_.push_back({at, order_++, std::move(datagram)});
  std::push_heap(flying_.begin(), flying_.end());
  alarm_.set(flying_.front().at);
}

void Link::land() {
  while (!flying_.empty() && flying_.front().at <= loop_.now()) {
    std::pop_heap(flying_.begin(), flying_.end());
    Datagram datagram = std::move(flying_.back().datagram);
    flying_.pop_back();
    // What is in the air when the cable is cut does not arrive either.
    if (shape.black_hole || shape.unplugged) {
      ++counters_.hole_drops;
      continue;
    }
    ++counters_.delivered;
    counters_.delivered_bytes += datagram.length + kUdpOverhead;
    arrive_(std::move(datagram));
  }
  if (!flying_.empty()) alarm_.set(flying_.front().at);
}

}  // namespace weft::sim
