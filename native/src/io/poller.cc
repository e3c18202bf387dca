#include "io/poller.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>

#include <cerrno>

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

Ready Poller::wait(int timeout_ms) {
  constexpr int kMaxEvents = 16;
  epoll_event events[kMaxEvents];
  const int n = epoll_wait(epoll_.get(), events, kMaxEvents, timeout_ms);
  Ready ready = 0;
  for (int i = 0; i < n; ++i) ready |= events[i].data.u32;
  if ((ready & kWake) != 0) {
    uint64_t count;
    [[maybe_unused]] const ssize_t r = read(event_.get(), &count, sizeof count);
  }
  return ready & ~kWake;
}

void Poller::wake() {
  constexpr uint64_t kOne = 1;
  [[maybe_unused]] const ssize_t r = write(event_.get(), &kOne, sizeof kOne);
}

}  // namespace weft::io
