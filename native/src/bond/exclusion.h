// Whether a path is fit to carry anything: not while it loses much, and not while what is sent by it does not come
// out. The caller sees to it that another path lives before it acts on the verdict.
#pragma once

#include <array>
#include <cstdint>

#include "bond/types.h"

namespace weft::bond {

// How many packets left when, for the last third of a second.
class LeaveHistory {
 public:
  void add(uint64_t now);
  // Left in (from, until], as far as is remembered, to within 4 ms on the careful side.
  uint32_t between(uint64_t from, uint64_t until) const;

 private:
  static constexpr uint64_t kSlotNs = 4 * 1'000'000;
  static constexpr uint32_t kSlots = 128;
  struct Slot {
    uint64_t number = 0;
    uint32_t count = 0;
  };
  std::array<Slot, kSlots> slots_{};
};

class Exclusion {
 public:
  // Losses of about so long are judged.
  static constexpr uint64_t kLossWindowNs = 300 * kNanosPerMilli;

  bool excluded() const { return excluded_; }
  Reason reason() const { return reason_; }
  uint64_t since_ns() const { return since_ns_; }

  // Counts of the path's bulk at a control step: sent up to the highest that came, and received. True: lossy.
  bool too_lossy(uint64_t sent, uint64_t received);
  // What was lost was congestion, and has been answered.
  void forget_losses() { count_ = 0; }
  // What a report says of silence: nothing came for `silent_ns`. What left after `from` came after that began, what
  // left before `until` should have come by now. True: dead. `longest_gap_ns`: tolerated; a little more if hardly
  // anything left.
  bool too_silent(uint64_t from, uint64_t until, uint64_t silent_ns, uint64_t longest_gap_ns) const;
  LeaveHistory& left() { return left_; }

  void exclude(uint64_t now, Reason reason);
  // Whether it may carry again. `alive`: something came by it since it was excluded.
  bool may_rejoin(uint64_t now, bool alive) const;
  // The same without probes, as there is no traffic: by answered pings, and time.
  bool may_rejoin_idle(uint64_t now) const;
  void on_pong() { ++pongs_; }
  void rejoin();

 private:
  static constexpr uint32_t kPoints = 41;
  struct Point {
    uint64_t sent = 0, received = 0;
  };
  struct Window {
    uint64_t sent = 0, lost = 0;
    double loss = 0;
  };
  Window window(uint32_t steps) const;

  bool excluded_ = false;
  Reason reason_ = Reason::kActive;
  uint64_t since_ns_ = 0;
  uint32_t pongs_ = 0;  // since it was excluded
  std::array<Point, kPoints> points_{};
  uint32_t count_ = 0;
  LeaveHistory left_;
};

}  // namespace weft::bond
