// What a path carries, found by using it: queue delay is the sign that it is full, and what is delivered then is its
// rate. A path that nobody uses is believed in again (idleness is never evidence).
//
// Rates are bits of UDP payload a second.
#pragma once

#include <array>
#include <cstdint>

#include "bond/path_delay.h"
#include "bond/types.h"
#include "util/clock.h"

namespace weft::bond {

class PathRate {
 public:
  static constexpr double kFloor = 3e5;
  // Believed at first: a flow that begins is to meet the path's own queue, not ours, which would end its slow start.
  static constexpr double kInitial = 1e9;
  // The same of a path that is not the fastest: it gets what the fastest has no room for, which may be much.
  static constexpr double kInitialOther = 20e6;

  // One control step: every 25 ms while there are reports.
  struct Step {
    uint64_t now = 0;
    uint64_t report_time_us = 0;  // the receiver's clock
    uint64_t received_bytes = 0;  // since the path began
    uint64_t sent_bytes = 0;
    bool waited = false;   // bulk had to wait for some path: the only evidence of demand
    double best_rate = 0;  // of all paths
    uint64_t rtt_ns = 0;
    double trust = 1;  // share of the rate that the scheduler uses (weights)
    bool paced = true;
  };
  void step(const Step& step, PathDelay& delay);
  // Time without reports passes: what was raised by hope falls back to what was delivered.
  void decay(uint64_t now);

  // Loss told that the path carries less, or that it carries what it did.
  void set(double rate) { rate_ = rate < kFloor ? kFloor : rate; }
  void cut(uint64_t now, double rate);
  // It is to be found anew, from here.
  void restart(double rate);

  double rate() const { return rate_; }
  // What is to be sent now: less than the rate while there is a queue to be emptied.
  double pacing() const { return rate_ * drain_; }
  bool starting() const { return starting_; }
  // Whether what was sent at the rate of the start may still be arriving, or be missing.
  bool just_started(uint64_t now, uint64_t rtt_ns) const {
    return starting_ || now - started_ns_ < 300 * kNanosPerMilli + 2 * rtt_ns;
  }
  double delivered() const { return delivered_; }
  double offered() const { return offered_; }
  // The most that was delivered, falling by 2 % a second of use.
  double best_delivered() const { return best_; }

 private:
  struct Point {
    uint64_t now = 0;
    uint64_t report_time_us = 0;
    uint64_t received = 0;
    uint64_t sent = 0;
  };
  static constexpr uint32_t kPoints = 5;

  void measure(const Step& step);
  bool on_queue(const Step& step, PathDelay& delay);
  void on_small_queue(const Step& step, PathDelay& delay);
  void drain(uint64_t now, int64_t queue_ns);
  void grow(const Step& step);

  double rate_ = kInitial;
  bool starting_ = true;
  double delivered_ = 0;  // over the last points
  double offered_ = 0;
  double newest_ = 0;  // delivered over the last interval alone
  double newest_offered_ = 0;
  double drain_ = 1;
  double best_ = 0;
  std::array<Point, kPoints> points_{};
  uint32_t count_ = 0;  // points ever, up to a wrap that does not matter
  uint32_t queued_steps_ = 0;
  uint32_t cuts_ = 0;  // one after another, without the queue going away
  int64_t queue_at_first_cut_ = 0;
  uint64_t held_back_ns_ = 0;  // by a queue too small to cut for, since then; 0: it is not
  int64_t queue_at_hold_ = 0;
  uint64_t last_cut_ns_ = 0;
  uint64_t last_step_ns_ = 0;
  uint64_t started_ns_ = 0;  // when the start ended
};

}  // namespace weft::bond
