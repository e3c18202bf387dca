// How a thread that has much to do leaves its CPU to others in between.
//
// Linux lets a thread that does not sleep run on until a tick (4 ms at 250 Hz), unless whoever wakes up may preempt it.
// So the application, ping, or another node on this host wait for milliseconds whenever they are woken on the CPU of a
// busy data thread. To give way by sched_yield() costs the rest of a time slice (from Linux 6.17 on, whether another
// waits or not), so the thread asks for the shortest one before (sched_setattr(2), sched_runtime; Linux 6.12). While it
// has little to do its slice is that of everybody else, as a short one delays those that it wakes.
#pragma once

#include <cstdint>

namespace weft {

// Belongs to the thread that calls it.
class CpuShare {
 public:
  // A busy thread gives way after so long, at the end of a unit of work.
  static constexpr uint64_t kTurnNs = 1'000'000;
  // After so long without much to do it is not busy any more.
  static constexpr uint64_t kCalmNs = 50'000'000;

  // A large unit of work is done, at `now`. Returns whether the thread gave way.
  bool worked(uint64_t now);
  // A wait ended at `now`.
  void waited(uint64_t now);

 private:
  bool possible_ = true;  // the kernel knows slices, and this is an ordinary thread
  bool busy_ = false;
  uint64_t ordinary_slice_ns_ = 0;
  uint64_t worked_ns_ = 0;
  uint64_t since_ns_ = 0;  // it runs without a pause
};

}  // namespace weft
