#include "io/poller.h"

#include <sys/eventfd.h>

#include <algorithm>
#include <cerrno>
#include <climits>

#include "util/clock.h"

namespace weft::io {

int Poller::open() {
  epoll_.reset(epoll_create1(EPOLL_CLOEXEC));
  if (!epoll_) return errno;
  event_.reset(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!event_) return errno;
  return add(event_.get(), kWake);
}

int Poller::add(int fd, Ready bit) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u32 = bit;
  return epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) == 0 ? 0 : errno;
}

void Poller::remove(int fd) { epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr); }

Ready Poller::wait(uint64_t timeout_ns) {
  constexpr int kMaxEvents = 16;
  epoll_event events[kMaxEvents];
  const int n = wait_for(events, kMaxEvents, timeout_ns);
  Ready ready = 0;
  for (int i = 0; i < n; ++i) ready |= events[i].data.u32;
  if ((ready & kWake) != 0) {
    uint64_t count;
    [[maybe_unused]] const ssize_t r = read(event_.get(), &count, sizeof count);
  }
  return ready & ~kWake;
}

// Before Linux 5.11 in whole milliseconds, rather late than early.
int Poller::wait_for(epoll_event* events, int count, uint64_t timeout_ns) {
  if (timeout_ns != 0 && timeout_ns != kForever && has_pwait2_) {
    const timespec timeout{static_cast<time_t>(timeout_ns / kNanosPerSecond),
                           static_cast<long>(timeout_ns % kNanosPerSecond)};
    const int n = epoll_pwait2(epoll_.get(), events, count, &timeout, nullptr);
    if (n >= 0 || errno != ENOSYS) return n;
    has_pwait2_ = false;
  }
  constexpr uint64_t kMost = INT_MAX;
  const uint64_t ms = timeout_ns / kNanosPerMilli + (timeout_ns % kNanosPerMilli != 0 ? 1 : 0);
  return epoll_wait(epoll_.get(), events, count, timeout_ns == kForever ? -1 : static_cast<int>(std::min(ms, kMost)));
}

void Poller::wake() {
  constexpr uint64_t kOne = 1;
  [[maybe_unused]] const ssize_t r = write(event_.get(), &kOne, sizeof kOne);
}

}  // namespace weft::io
