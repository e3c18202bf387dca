// A ring of the packets ahead, by sequence number modulo its size, which divides 2^16.
#include "bond/latency_order.h"

#include <algorithm>
#include <utility>

#include "bond/sequence.h"
#include "bond/types.h"

namespace weft::bond {

void LatencyOrder::receive(uint64_t now, uint16_t sequence, std::span<uint8_t> packet, Released& released) {
  int32_t distance = ahead(sequence, next_);
  if (!started_ || (distance < 0 && now >= delivered_ns_ + kRestartNs)) {
    skip_to(static_cast<uint16_t>(next_ + kSlots), released);
    started_ = true;
    next_ = sequence;
    distance = 0;
  }
  if (distance < 0) {
    ++dropped_;
    return;
  }
  if (distance >= static_cast<int32_t>(kSlots)) {
    skip_to(static_cast<uint16_t>(next_ + kSlots), released);
    next_ = sequence;
  } else if (distance > 0) {
    hold(now, sequence, packet);
    return;
  }
  released.add(packet.data(), static_cast<uint32_t>(packet.size()));
  delivered_ns_ = now;
  ++next_;
  run(released);
}

uint64_t LatencyOrder::next_deadline() const {
  if (waiting_ == 0) return kNever;
  uint64_t oldest = kNever;
  for (const Slot& slot : slots_) {
    if (slot.data) oldest = std::min(oldest, slot.arrived_ns);
  }
  return oldest + kHoldNs;
}

void LatencyOrder::expire(uint64_t now, Released& released) {
  if (waiting_ == 0) return;
  uint32_t due_below = 0;
  for (uint32_t i = 0; i < kSlots; ++i) {
    const Slot& candidate = slot(static_cast<uint16_t>(next_ + i));
    if (candidate.data && now >= candidate.arrived_ns + kHoldNs) due_below = i + 1;
  }
  if (due_below == 0) return;
  skip_to(static_cast<uint16_t>(next_ + due_below), released);
  delivered_ns_ = now;
  run(released);
}

void LatencyOrder::hold(uint64_t now, uint16_t sequence, std::span<const uint8_t> packet) {
  Slot& place = slot(sequence);
  if (place.data) return;
  place.data = std::make_unique_for_overwrite<uint8_t[]>(packet.size());
  std::copy(packet.begin(), packet.end(), place.data.get());
  place.length = static_cast<uint32_t>(packet.size());
  place.arrived_ns = now;
  ++waiting_;
}

void LatencyOrder::skip_to(uint16_t sequence, Released& released) {
  for (; next_ != sequence; ++next_) {
    if (waiting_ != 0) release(slot(next_), released);
  }
}

void LatencyOrder::run(Released& released) {
  for (; waiting_ != 0 && slot(next_).data; ++next_) release(slot(next_), released);
}

void LatencyOrder::release(Slot& slot, Released& released) {
  if (!slot.data) return;
  released.add(std::move(slot.data), slot.length);
  --waiting_;
}

}  // namespace weft::bond
