#include "util/cpu_share.h"

#include <sched.h>

#include <algorithm>
#include <ctime>

namespace weft {

bool CpuShare::worked(uint64_t now, uint32_t bytes, uint32_t trusted_bytes) {
  if (bytes >= kMuch) worked_ns_ = now;
  if (trusted_bytes >= kMuch) trusted_ns_ = now;
  calm_down(now);
  if (bytes >= kMuch) become_busy(now, trusted_bytes);
  bytes_ += trusted_bytes;
  if (now < since_ns_ + kTurnNs) return false;
  switch (thread_.as()) {
    case As::kFound:
      return false;
    case As::kShortSlice:
      sched_yield();
      since_ns_ = now;
      return true;
    case As::kRealTime:
      const timespec nap{0, kNapNs};
      nanosleep(&nap, nullptr);
      since_ns_ = now + kNapNs;
      return true;
  }
  return false;
}

void CpuShare::waited(uint64_t from, uint64_t now) {
  if (now >= from + kPauseNs) since_ns_ = now;
  ++waits_;
  if (thread_.as() == As::kRealTime && now >= window_ns_ + kWindowNs) end_window(now);
  calm_down(now);
}

void CpuShare::calm_down(uint64_t now) {
  const uint64_t last = thread_.as() == As::kRealTime ? trusted_ns_ : worked_ns_;
  if (now >= last + kCalmNs) thread_.become(As::kFound);
}

void CpuShare::become_busy(uint64_t now, uint32_t trusted_bytes) {
  if (thread_.as() == As::kRealTime) return;
  if (may_be_real_time_ && trusted_bytes >= kMuch && now >= barred_until_ns_) {
    may_be_real_time_ = thread_.become(As::kRealTime);
    if (may_be_real_time_) {
      since_ns_ = now;
      begin_window(now);
      return;
    }
  }
  if (slices_) slices_ = thread_.become(As::kShortSlice);
}

void CpuShare::end_window(uint64_t now) {
  if (waits_ > kWaits + bytes_ / kBytesAWait) {
    barred_until_ns_ = now + bar_ns_;
    bar_ns_ = std::min(2 * bar_ns_, kLongestBarNs);
    thread_.become(As::kFound);
  } else {
    bar_ns_ = kShortestBarNs;
  }
  begin_window(now);
}

void CpuShare::begin_window(uint64_t now) {
  window_ns_ = now;
  waits_ = bytes_ = 0;
}

}  // namespace weft
