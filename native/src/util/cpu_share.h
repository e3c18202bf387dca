// How a thread that has much to do leaves its CPU to others in between.
//
// Whoever is woken on the CPU of a thread that does not sleep may have to wait for the next tick (4 ms at 250 Hz): the
// application, ping, another node on this host. So a busy thread gives way from time to time, by sched_yield(). That
// may cost it the rest of its time slice, so it asks for the shortest one before (sched_setattr(2), sched_runtime;
// Linux 6.12; without that, nothing of this). While it has little to do its slice is that of everybody else, as a short
// one delays those that it wakes.
#pragma once

#include <cstdint>

namespace weft {

// Belongs to the thread that calls it.
class CpuShare {
 public:
  // A busy thread gives way after so long, at the end of a unit of work.
  static constexpr uint64_t kTurnNs = 1'000'000;
  // A wait of so long was one: others had the CPU.
  static constexpr uint64_t kPauseNs = 10'000;
  // After so long without much to do it is not busy any more.
  static constexpr uint64_t kCalmNs = 50'000'000;

  // A large unit of work is done, at `now`. Returns whether the thread gave way.
  bool worked(uint64_t now);
  // It waited, or asked and found that it need not.
  void waited(uint64_t from, uint64_t now);

 private:
  bool possible_ = true;  // the kernel knows slices, and this is an ordinary thread
  bool busy_ = false;
  uint64_t ordinary_slice_ns_ = 0;
  uint64_t worked_ns_ = 0;
  uint64_t since_ns_ = 0;  // it runs without a pause
};

}  // namespace weft
