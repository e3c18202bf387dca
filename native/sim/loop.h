// Virtual time: a heap of what happens next. Everything of a simulation runs from here, in one thread; events of the
// same nanosecond run in the order in which they were asked for.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

namespace weft::sim {

inline constexpr uint64_t kNever = UINT64_MAX;
inline constexpr uint64_t kMicro = 1'000;
inline constexpr uint64_t kMilli = 1'000'000;
inline constexpr uint64_t kSecond = 1'000'000'000;
// Simulations begin here, not at 0: the code under test may take 0 for "never".
inline constexpr uint64_t kStart = 1'000 * kSecond;

inline constexpr uint64_t millis(double ms) { return static_cast<uint64_t>(ms * 1e6); }
inline constexpr uint64_t seconds(double s) { return static_cast<uint64_t>(s * 1e9); }
inline constexpr double to_seconds(uint64_t ns) { return static_cast<double>(ns) / 1e9; }
inline constexpr double to_ms(uint64_t ns) { return static_cast<double>(ns) / 1e6; }

class Alarm;

class Loop {
 public:
  uint64_t now() const { return now_; }
  // Since the beginning of the simulation.
  double elapsed() const { return to_seconds(now_ - kStart); }
  // `at`: not in the past, else now.
  void at(uint64_t at, std::function<void()> action);
  // Until the clock shows `end`, or there is nothing left to happen.
  void run_until(uint64_t end);
  // When something happens next; kNever: nothing is waiting.
  uint64_t next() const { return events_.empty() ? kNever : events_.front().at; }

 private:
  friend class Alarm;
  struct Event {
    uint64_t at;
    uint64_t order;
    Alarm* alarm;     // null: the action
    uint32_t action;  // index
    bool operator<(const Event& o) const { return at != o.at ? at > o.at : order > o.order; }
  };
  void push(Event event);

  uint64_t now_ = kStart;
  uint64_t order_ = 0;
  std::vector<Event> events_;
  std::vector<std::function<void()>> actions_;
  std::vector<uint32_t> free_actions_;
};

// The next deadline of one part of the simulation. It lives as long as the loop.
class Alarm {
 public:
  Alarm(Loop& loop, std::function<void()> ring) : loop_(loop), ring_(std::move(ring)) {}
  Alarm(const Alarm&) = delete;
  Alarm& operator=(const Alarm&) = delete;

  // Instead of what was set before; kNever: not at all.
  void set(uint64_t at);

 private:
  friend class Loop;
  void fire(uint64_t at);

  Loop& loop_;
  std::function<void()> ring_;
  uint64_t at_ = kNever;       // when it is to ring
  uint64_t pending_ = kNever;  // the earliest event in the heap; those behind it are stale
};

}  // namespace weft::sim
