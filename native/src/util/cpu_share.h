// How a thread that has much to do shares its CPU with others.
//
// Whoever is woken on the CPU of an ordinary thread that does not sleep may have to wait for the next tick (4 ms at
// 250 Hz): the application, ping, another node on this host; and so has this thread to wait for them, while its queues
// grow. So while much passes it is a real-time thread, where that is permitted: it runs when there is something to do,
// and for as long as that takes, but for a nap once a millisecond. Where it does next to nothing at a time it is an
// ordinary thread: each wake-up would stop those who send or take what passes.
//
// An ordinary thread gives way from time to time, by sched_yield(). That may cost it the rest of its time slice, so it
// asks for the shortest one before (Linux 6.12; without that it does not give way). While it has little to do its slice
// is that of everybody else, as a short one delays those that it wakes.
#pragma once

#include <cstdint>

#include "util/thread_scheduling.h"

namespace weft {

// Belongs to the thread that calls it.
class CpuShare {
  using As = ThreadScheduling::As;

 public:
  // A busy thread gives way after so long, at the end of a unit of work.
  static constexpr uint64_t kTurnNs = 1'000'000;
  // How long a real-time one does.
  static constexpr uint64_t kNapNs = 100'000;
  // A wait of so long was one: others had the CPU.
  static constexpr uint64_t kPauseNs = 10'000;
  // After so long without much to do it is not busy any more.
  static constexpr uint64_t kCalmNs = 50'000'000;
  // A real-time thread may wait so often in a window, and once more for so many bytes. Else it is an ordinary one for a
  // while: twice as long each time in a row.
  static constexpr uint64_t kWindowNs = 40'000'000;
  static constexpr uint32_t kWaits = 80;
  static constexpr uint32_t kBytesAWait = 48 * 1024;
  static constexpr uint64_t kShortestBarNs = 64'000'000;
  static constexpr uint64_t kLongestBarNs = 2'048'000'000;
  // A large unit. It takes one of so many trusted bytes to become a real-time thread, or to stay one.
  static constexpr uint32_t kMuch = 8 * 1024;

  // `real_time`: whether it may be a real-time thread.
  explicit CpuShare(bool real_time) : may_be_real_time_(real_time) {}

  bool is_real_time() const { return thread_.as() == As::kRealTime; }
  // A unit of work is done, at `now`: one of at least kMuch bytes, or any by a real-time thread. `trusted_bytes` of it
  // came from peers or from the host, not from just anybody. Returns whether the thread gave way.
  bool worked(uint64_t now, uint32_t bytes, uint32_t trusted_bytes);
  // It waited, or asked and found that it need not.
  void waited(uint64_t from, uint64_t now);

 private:
  void become_busy(uint64_t now, uint32_t trusted_bytes);
  void calm_down(uint64_t now);
  void end_window(uint64_t now);
  void begin_window(uint64_t now);

  ThreadScheduling thread_;
  bool may_be_real_time_;  // until it is refused
  bool slices_ = true;     // the kernel knows them, and this is an ordinary thread
  uint64_t worked_ns_ = 0;
  uint64_t trusted_ns_ = 0;  // the same, of what was trusted
  uint64_t since_ns_ = 0;    // it runs without having given way
  uint64_t window_ns_ = 0;   // waits and trusted bytes are counted
  uint32_t waits_ = 0;
  uint64_t bytes_ = 0;
  uint64_t bar_ns_ = kShortestBarNs;  // the next one
  uint64_t barred_until_ns_ = 0;
};

}  // namespace weft
