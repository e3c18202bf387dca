// Waits for descriptors to become readable, and for another thread's wake-up: epoll and an eventfd.
#pragma once

#include <sys/epoll.h>

#include <cstdint>

#include "util/unique_fd.h"

namespace weft::io {

// What became readable, as bits. Each bit is one registered descriptor.
using Ready = uint32_t;

class Poller {
 public:
  // Returns 0 or an errno.
  int open();

  // `bit` must be a single bit other than kWake. An old descriptor of the bit must be closed or removed before.
  int add(int fd, Ready bit);
  void remove(int fd);

  // What is readable, waiting until there is something or `timeout_ns` is over (0: not at all, kForever).
  static constexpr uint64_t kForever = UINT64_MAX;
  Ready wait(uint64_t timeout_ns);

  // From any thread: ends the current or the next wait().
  void wake();

 private:
  static constexpr Ready kWake = Ready{1} << 31;

  int wait_for(epoll_event* events, int count, uint64_t timeout_ns);

  UniqueFd epoll_;
  UniqueFd event_;
  bool has_pwait2_ = true;
};

}  // namespace weft::io
