#include "bond/path_delay.h"

#include "util/clock.h"

namespace weft::bond {
namespace {

// Two windows of this length are remembered: clocks that drift by 50 ppm move by 3 ms meanwhile.
constexpr uint64_t kWindowNs = 30 * kNanosPerSecond;
// Of a slow path's few samples the least still has jitter, which would be taken for a queue.
constexpr uint32_t kEnoughSamples = 16;
constexpr int64_t kSteadyNs = kNanosPerMilli;  // with less jitter one is enough
constexpr uint64_t kLongestIntervalNs = 250 * kNanosPerMilli;
// Whatever times a peer reports.
constexpr int64_t kMostDifferenceNs = 10 * int64_t{kNanosPerSecond};

}  // namespace

void PathDelay::add(uint64_t now, int64_t delay_ns) {
  if (window_least_ == kNone) window_began_ns_ = now;
  if (!known()) current_ = delay_ns;
  if (samples_++ == 0) interval_began_ns_ = now;
  interval_least_ = std::min(interval_least_, delay_ns);
  window_least_ = std::min(window_least_, delay_ns);
  base_ = std::min(base_, delay_ns);
  if (last_ != kNone) {
    const int64_t difference = std::min(delay_ns > last_ ? delay_ns - last_ : last_ - delay_ns, kMostDifferenceNs);
    jitter_ += difference - jitter_ / 16;
  }
  last_ = delay_ns;
  longest_ = std::max(longest_, delay_ns);
}

void PathDelay::end_step(uint64_t now) {
  const bool enough =
      samples_ >= kEnoughSamples || jitter_ns() < kSteadyNs || now - interval_began_ns_ >= kLongestIntervalNs;
  fresh_ = samples_ != 0 && enough;
  if (!fresh_) {
    if (!pending()) recent_queue_ = recent_queue_ * 6 / 10;
    return;
  }
  if (now - window_began_ns_ > kWindowNs) {
    previous_least_ = window_least_;
    window_least_ = interval_least_;
    window_began_ns_ = now;
    base_ = std::min(previous_least_, window_least_);
  }
  current_ = interval_least_;
  interval_least_ = kNone;
  samples_ = 0;
  recent_queue_ = std::max(current_ - base_, recent_queue_ * 6 / 10);
  longest_ -= (longest_ - current_) / 16;
}

void PathDelay::rebase() {
  base_ = window_least_ = current_;
  previous_least_ = kNone;
  recent_queue_ = 0;
}

}  // namespace weft::bond
