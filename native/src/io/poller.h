// Waits for descriptors to become readable, and for another thread's wake-up: epoll and an eventfd.
#pragma once

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

  // What is readable, waiting until there is something or `timeout_ms` is over (0: not at all, -1: for ever).
  Ready wait(int timeout_ms);

  // From any thread: ends the current or the next wait().
  void wake();

 private:
  static constexpr Ready kWake = Ready{1} << 31;

  UniqueFd epoll_;
  UniqueFd event_;
};

}  // namespace weft::io
