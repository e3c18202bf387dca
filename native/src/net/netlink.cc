#include "net/netlink.h"

#include <fcntl.h>
#include <linux/if_link.h>
#include <linux/if_tun.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

#ifndef TUNGETDEVNETNS
#define TUNGETDEVNETNS _IO('T', 227)
#endif

namespace weft::net {
namespace {

int open_netlink(UniqueFd& out, uint32_t groups, bool blocking) {
  UniqueFd fd(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | (blocking ? 0 : SOCK_NONBLOCK), NETLINK_ROUTE));
  if (!fd) return errno;
  sockaddr_nl address{};
  address.nl_family = AF_NETLINK;
  address.nl_groups = groups;
  if (bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) < 0) return errno;
  if (blocking) {
    constexpr timeval kReplyTimeout = {0, 100'000};
    setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &kReplyTimeout, sizeof kReplyTimeout);
  }
  out = std::move(fd);
  return 0;
}

// A request with a fixed body and attributes appended.
template <typename Body>
class Request {
 public:
  Request(uint16_t type, uint16_t flags) {
    header()->nlmsg_len = NLMSG_LENGTH(sizeof(Body));
    header()->nlmsg_type = type;
    header()->nlmsg_flags = NLM_F_REQUEST | flags;
  }
  Body& body() { return *static_cast<Body*>(NLMSG_DATA(header())); }
  void add(uint16_t type, const void* data, size_t size) {
    auto* attribute = reinterpret_cast<rtattr*>(buffer_ + NLMSG_ALIGN(header()->nlmsg_len));
    attribute->rta_type = type;
    attribute->rta_len = static_cast<uint16_t>(RTA_LENGTH(size));
    std::memcpy(RTA_DATA(attribute), data, size);
    header()->nlmsg_len = NLMSG_ALIGN(header()->nlmsg_len) + RTA_ALIGN(attribute->rta_len);
  }
  bool send_to(int fd) { return send(fd, buffer_, header()->nlmsg_len, 0) >= 0; }

 private:
  nlmsghdr* header() { return reinterpret_cast<nlmsghdr*>(buffer_); }
  alignas(nlmsghdr) uint8_t buffer_[256] = {};
};

template <typename Visit>
void for_each_attribute(const rtattr* first, int length, Visit visit) {
  for (auto* a = const_cast<rtattr*>(first); RTA_OK(a, length); a = RTA_NEXT(a, length)) visit(*a);
}

LinkState parse_link(nlmsghdr* message) {
  auto* info = static_cast<ifinfomsg*>(NLMSG_DATA(message));
  LinkState state;
  state.up = (info->ifi_flags & IFF_UP) != 0;
  for_each_attribute(IFLA_RTA(info), static_cast<int>(IFLA_PAYLOAD(message)), [&](rtattr& a) {
    if (a.rta_type == IFLA_MTU) std::memcpy(&state.mtu, RTA_DATA(&a), sizeof state.mtu);
  });
  return state;
}

// For its lifetime the thread is in the network namespace of the TUN interface, which others may move about.
class InNamespaceOf {
 public:
  explicit InNamespaceOf(int tun_fd) {
    const UniqueFd target(ioctl(tun_fd, TUNGETDEVNETNS));
    if (!target) return;  // an older kernel, or the interface is going away
    UniqueFd home(open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
    struct stat there, here;
    if (!home || fstat(target.get(), &there) < 0 || fstat(home.get(), &here) < 0) {
      error_ = errno;
    } else if (there.st_dev != here.st_dev || there.st_ino != here.st_ino) {
      // Only now, as it takes CAP_SYS_ADMIN.
      if (setns(target.get(), CLONE_NEWNET) < 0) {
        error_ = errno;
      } else {
        home_ = std::move(home);
      }
    }
  }
  ~InNamespaceOf() {
    if (home_ && setns(home_.get(), CLONE_NEWNET) < 0) std::abort();  // sockets would open in the wrong place
  }
  InNamespaceOf(const InNamespaceOf&) = delete;
  InNamespaceOf& operator=(const InNamespaceOf&) = delete;

  int error() const { return error_; }

 private:
  UniqueFd home_;
  int error_ = 0;
};

}  // namespace

int LinkMonitor::open(int tun_fd) {
  tun_fd_ = tun_fd;
  const InNamespaceOf entered(tun_fd);
  return entered.error() != 0 ? entered.error() : open_in_its_namespace();
}

int LinkMonitor::open_in_its_namespace() {
  ifreq request{};
  if (ioctl(tun_fd_, TUNGETIFF, &request) < 0) return errno;
  index_ = if_nametoindex(request.ifr_name);
  if (index_ == 0) return ENODEV;
  if (const int error = open_netlink(fd_, RTMGRP_LINK, false); error != 0) return error;
  return query() ? 0 : EIO;
}

// Asks for the state as it is now. What the monitoring socket still holds is older, so it must be read before.
bool LinkMonitor::query() {
  const InNamespaceOf entered(tun_fd_);
  if (entered.error() != 0) return false;
  UniqueFd fd;
  if (open_netlink(fd, 0, true) != 0) return false;
  Request<ifinfomsg> request(RTM_GETLINK, 0);
  request.body().ifi_index = static_cast<int>(index_);
  if (!request.send_to(fd.get())) return false;
  alignas(nlmsghdr) uint8_t buffer[8192];
  const ssize_t n = recv(fd.get(), buffer, sizeof buffer, 0);
  auto* message = reinterpret_cast<nlmsghdr*>(buffer);
  if (n < 0 || !NLMSG_OK(message, static_cast<uint32_t>(n)) || message->nlmsg_type != RTM_NEWLINK) return false;
  state_ = parse_link(message);
  return true;
}

// Takes the state of the last message.
void LinkMonitor::read_pending(bool& deleted) {
  alignas(nlmsghdr) uint8_t buffer[16384];
  bool lost = false;
  for (;;) {
    const ssize_t n = recv(fd_.get(), buffer, sizeof buffer, MSG_DONTWAIT);
    if (n < 0 && errno == ENOBUFS) {
      lost = true;
      continue;
    }
    if (n <= 0) break;
    auto left = static_cast<uint32_t>(n);
    for (auto* m = reinterpret_cast<nlmsghdr*>(buffer); NLMSG_OK(m, left); m = NLMSG_NEXT(m, left)) {
      if (m->nlmsg_type != RTM_NEWLINK && m->nlmsg_type != RTM_DELLINK) continue;
      if (static_cast<ifinfomsg*>(NLMSG_DATA(m))->ifi_index != static_cast<int>(index_)) continue;
      if (m->nlmsg_type == RTM_DELLINK) {
        deleted = true;
      } else {
        state_ = parse_link(m);
      }
    }
  }
  if (lost && !query()) deleted = true;
}

bool LinkMonitor::update() {
  const LinkState before = state_;
  bool deleted = false;
  read_pending(deleted);
  // Gone from this namespace: either moved (the descriptor still leads to it) or deleted for good.
  if (deleted && open(tun_fd_) != 0) state_.up = false;
  return before.up != state_.up || before.mtu != state_.mtu;
}

void LinkMonitor::set_gso_max_size(uint32_t bytes) const {
  const InNamespaceOf entered(tun_fd_);
  UniqueFd fd;
  if (entered.error() != 0 || open_netlink(fd, 0, true) != 0) return;
  Request<ifinfomsg> request(RTM_NEWLINK, NLM_F_ACK);
  request.body().ifi_index = static_cast<int>(index_);
  request.add(IFLA_GSO_MAX_SIZE, &bytes, sizeof bytes);
  if (!request.send_to(fd.get())) return;
  uint8_t reply[512];
  [[maybe_unused]] const ssize_t n = recv(fd.get(), reply, sizeof reply, 0);  // waits until it is done
}

int RouteMonitor::open() {
  if (const int error = open_netlink(query_, 0, true); error != 0) return error;
  return open_netlink(fd_, RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR, false);
}

bool RouteMonitor::drain() {
  uint8_t buffer[16384];
  bool any = false;
  for (;;) {
    const ssize_t n = recv(fd_.get(), buffer, sizeof buffer, MSG_DONTWAIT);
    if (n <= 0 && errno != ENOBUFS) return any;
    any = true;
  }
}

uint32_t RouteMonitor::route_interface(const Endpoint& remote, const Source& source, uint32_t mark) {
  Request<rtmsg> request(RTM_GETROUTE, 0);
  const bool v4 = remote.is_v4();
  request.body().rtm_family = static_cast<uint8_t>(remote.any.sa_family);
  const uint8_t bits = v4 ? 32 : 128;
  request.body().rtm_dst_len = bits;
  request.body().rtm_src_len = bits;
  if (v4) {
    request.add(RTA_DST, &remote.v4.sin_addr, sizeof remote.v4.sin_addr);
    request.add(RTA_SRC, &source.v4, sizeof source.v4);
  } else {
    request.add(RTA_DST, &remote.v6.sin6_addr, sizeof remote.v6.sin6_addr);
    request.add(RTA_SRC, &source.v6, sizeof source.v6);
    if (remote.v6.sin6_scope_id != 0) request.add(RTA_OIF, &remote.v6.sin6_scope_id, sizeof(uint32_t));
  }
  if (mark != 0) request.add(RTA_MARK, &mark, sizeof mark);
  if (!request.send_to(query_.get())) return 0;
  alignas(nlmsghdr) uint8_t buffer[4096];
  const ssize_t n = recv(query_.get(), buffer, sizeof buffer, 0);
  auto* message = reinterpret_cast<nlmsghdr*>(buffer);
  if (n < 0 || !NLMSG_OK(message, static_cast<uint32_t>(n)) || message->nlmsg_type != RTM_NEWROUTE) return 0;
  uint32_t interface_index = 0;
  for_each_attribute(RTM_RTA(NLMSG_DATA(message)), static_cast<int>(RTM_PAYLOAD(message)), [&](rtattr& a) {
    if (a.rta_type == RTA_OIF) std::memcpy(&interface_index, RTA_DATA(&a), sizeof interface_index);
  });
  return interface_index;
}

}  // namespace weft::net
