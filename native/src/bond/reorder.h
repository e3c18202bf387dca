// Bulk in the order of counters. A ring of packets by their order: those whose turn it is pass through without a copy,
// the others wait for what is missing before them. When a hole is given up is the caller's to say (Receiver), but for
// too much waiting: then the oldest go.
//
// What overtakes (other classes, control frames) takes its place here too, so that it leaves no hole, and blocks
// nothing.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "bond/lazy_array.h"
#include "bond/released.h"

namespace weft::bond {

class Reorder {
 public:
  static constexpr uint32_t kSlots = 1u << 17;
  static constexpr uint64_t kMaxHeldBytes = uint64_t{64} << 20;

  struct Counts {
    uint64_t delivered = 0;
    uint64_t late = 0;        // of these: after their hole had been given up
    uint64_t overflowed = 0;  // missing ones given up because too much waited
    uint64_t longest_hold_ns = 0;
  };

  Reorder() = default;
  ~Reorder();
  Reorder(const Reorder&) = delete;
  Reorder& operator=(const Reorder&) = delete;

  // A packet that comes for the first time.
  void receive(uint64_t now, uint64_t order, std::span<uint8_t> packet, Released& released);
  // Something that is not to be delivered here came in its place.
  void place(uint64_t now, uint64_t order, Released& released);
  // What is missing below `order` is waited for no longer. How many that were.
  uint64_t give_up_below(uint64_t now, uint64_t order, Released& released);

  // The lowest order that is neither received nor given up, and one past the highest received.
  uint64_t next() const { return next_; }
  uint64_t end() const { return end_; }
  bool has_holes() const { return next_ != end_; }
  // The lowest missing order of [from, limit), which lies within [next, end); `limit`: none is.
  uint64_t first_missing(uint64_t from, uint64_t limit) const;
  uint64_t first_present(uint64_t from, uint64_t limit) const;

  // Packets that wait behind a hole.
  uint32_t waiting() const { return held_.count; }
  // Of those the one that came first: the hole before it is at least as old as that. There must be one.
  uint64_t waiting_since() const { return slots_[held_.oldest].arrived_ns; }
  uint64_t waiting_order() const { return order_at(held_.oldest); }
  // The same of what overtook a hole.
  uint32_t placeholders() const { return placeholders_.count; }
  uint64_t placeholder_since() const { return slots_[placeholders_.oldest].arrived_ns; }
  uint64_t placeholder_order() const { return order_at(placeholders_.oldest); }

  // Returns the memory, if nothing waits.
  void trim();
  const Counts& counts() const { return counts_; }

 private:
  static constexpr uint32_t kNone = UINT32_MAX;
  struct Slot {
    uint64_t arrived_ns;
    uint8_t* data;  // owned; null: a placeholder
    uint32_t length;
    uint32_t older, newer;  // neighbours in time, among packets or among placeholders
  };
  // In the order of arrival, through the slots.
  struct Queue {
    uint32_t oldest = kNone, newest = kNone, count = 0;
  };

  static uint32_t index(uint64_t order) { return static_cast<uint32_t>(order % kSlots); }
  uint64_t order_at(uint32_t index) const { return next_ + (index - next_) % kSlots; }
  bool present(uint64_t order) const { return (present_[index(order) / 64] >> order % 64 & 1) != 0; }
  // Makes room up to `order`. False: it is late, or already there.
  bool admit(uint64_t now, uint64_t order, Released& released);
  void hold(uint64_t now, uint64_t order, std::span<const uint8_t> packet);
  void append(Queue& queue, uint32_t index);
  void remove(Queue& queue, uint32_t index);
  // Lets the present order `next_` go.
  void release_next(uint64_t now, Released& released);
  void run(uint64_t now, Released& released);
  uint64_t scan(uint64_t from, uint64_t limit, uint64_t inverted) const;

  bool started_ = false;
  uint64_t next_ = 0;
  uint64_t end_ = 0;
  Queue held_;
  Queue placeholders_;
  uint64_t held_bytes_ = 0;
  // Touched only as far as something waits. A bit of present_ is set for an order in [next_, end_) that came.
  LazyArray<Slot> slots_{kSlots};
  LazyArray<uint64_t> present_{kSlots / 64};
  Counts counts_;
};

}  // namespace weft::bond
