// The latency class's own order: calls and games would rather miss a packet than get it late or out of order.
//
//   next one     delivered at once, with those that waited for it
//   older        dropped
//   ahead        waits for those before it, at most 20 ms
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>

#include "bond/released.h"
#include "util/clock.h"

namespace weft::bond {

class LatencyOrder {
 public:
  static constexpr uint64_t kHoldNs = 20 * kNanosPerMilli;
  // With nothing delivered for so long an older number means that the sender has begun anew, not that the packet is
  // late.
  static constexpr uint64_t kRestartNs = 100 * kNanosPerMilli;
  static constexpr uint32_t kSlots = 256;  // who is farther ahead waits for nobody

  void receive(uint64_t now, uint16_t sequence, std::span<uint8_t> packet, Released& released);
  // When the first of those that wait has waited long enough; kNever: none waits.
  uint64_t next_deadline() const;
  void expire(uint64_t now, Released& released);

  uint32_t waiting() const { return waiting_; }
  uint64_t dropped() const { return dropped_; }

 private:
  struct Slot {
    std::unique_ptr<uint8_t[]> data;  // null: empty
    uint32_t length = 0;
    uint64_t arrived_ns = 0;
  };
  Slot& slot(uint16_t sequence) { return slots_[sequence % kSlots]; }
  void hold(uint64_t now, uint16_t sequence, std::span<const uint8_t> packet);
  // Delivers what waits before `sequence`, in order, and goes on from there.
  void skip_to(uint16_t sequence, Released& released);
  // Delivers those that follow without a gap.
  void run(Released& released);
  void release(Slot& slot, Released& released);

  std::array<Slot, kSlots> slots_;
  uint32_t waiting_ = 0;
  bool started_ = false;
  uint16_t next_ = 0;
  uint64_t delivered_ns_ = 0;  // the last time
  uint64_t dropped_ = 0;
};

}  // namespace weft::bond
