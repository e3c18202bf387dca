#include "net/udp_socket.h"

#include <netinet/udp.h>

#include <algorithm>
#include <cerrno>
#include <ctime>

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#ifndef UDP_GRO
#define UDP_GRO 104
#endif

namespace weft::net {
namespace {

constexpr int kSocketBuffer = 8 << 20;
constexpr timeval kSendTimeout = {0, 50'000};
constexpr int kPortAttempts = 64;

void set_option(int fd, int level, int name, int value) { setsockopt(fd, level, name, &value, sizeof value); }

void set_buffers(int fd) {
  // The FORCE form ignores the system's limit but needs CAP_NET_ADMIN, which the TUN needs as well.
  if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &kSocketBuffer, sizeof kSocketBuffer) < 0)
    set_option(fd, SOL_SOCKET, SO_RCVBUF, kSocketBuffer);
  if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &kSocketBuffer, sizeof kSocketBuffer) < 0)
    set_option(fd, SOL_SOCKET, SO_SNDBUF, kSocketBuffer);
  setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &kSendTimeout, sizeof kSendTimeout);
}

uint64_t waited(const timespec& arrival, const timespec& now) {
  const int64_t ns = (now.tv_sec - arrival.tv_sec) * 1'000'000'000 + (now.tv_nsec - arrival.tv_nsec);
  constexpr int64_t kImplausible = 10'000'000'000;  // the wall clock was set meanwhile
  return ns > 0 && ns < kImplausible ? static_cast<uint64_t>(ns) : 0;
}

// What the kernel appended to one received datagram. Only bytes below msg_controllen are looked at.
void parse_control(msghdr& m, const timespec& now, Received& out) {
  for (cmsghdr* c = CMSG_FIRSTHDR(&m); c != nullptr; c = CMSG_NXTHDR(&m, c)) {
    const uint8_t* data = CMSG_DATA(c);
    if (c->cmsg_level == SOL_UDP && c->cmsg_type == UDP_GRO) {
      int segment;
      std::memcpy(&segment, data, sizeof segment);
      if (segment > 0) out.segment = static_cast<uint32_t>(segment);
    } else if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_TIMESTAMPNS) {
      timespec arrival;
      std::memcpy(&arrival, data, sizeof arrival);
      out.waited_ns = waited(arrival, now);
    } else if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
      in_pktinfo info;
      std::memcpy(&info, data, sizeof info);
      out.path.source.set = true;
      out.path.source.v4 = info.ipi_addr;
      out.path.source.interface_index = static_cast<uint32_t>(info.ipi_ifindex);
    } else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
      in6_pktinfo info;
      std::memcpy(&info, data, sizeof info);
      out.path.source.set = true;
      out.path.source.v6 = info.ipi6_addr;
      out.path.source.interface_index = info.ipi6_ifindex;
    } else if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_TOS) {
      out.ecn = *data & 3;
    } else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_TCLASS) {
      int traffic_class;
      std::memcpy(&traffic_class, data, sizeof traffic_class);
      out.ecn = static_cast<uint8_t>(traffic_class & 3);
    }
  }
}

// The address is gone, or is not one to send from (a broadcast address that a packet was sent to).
bool source_refused(int error) {
  return error == ENODEV || error == EADDRNOTAVAIL || error == ENETUNREACH || error == EINVAL;
}

// For good: the kernel or the device cannot segment. Older kernels say EINVAL where newer say EMSGSIZE, for a segment
// that does not fit this one path, so neither says anything of the socket.
bool segmentation_impossible(int error) { return error == EIO || error == EOPNOTSUPP || error == ENOPROTOOPT; }

bool segmentation_refused(int error) { return error == EMSGSIZE || error == EINVAL || segmentation_impossible(error); }

}  // namespace

ReceiveBuffer::ReceiveBuffer(uint32_t slots)
    : memory_(std::make_unique_for_overwrite<uint8_t[]>(slots * kSlotSize)),
      received_(slots),
      controls_(slots),
      iovecs_(slots),
      headers_(slots) {}

std::span<mmsghdr> ReceiveBuffer::messages(uint32_t first, uint32_t count) {
  for (uint32_t i = first; i < first + count; ++i) {
    iovecs_[i] = {memory_.get() + i * kSlotSize, kSlotSize};
    msghdr& m = headers_[i].msg_hdr;
    m.msg_name = &received_[i].path.remote.v6;
    m.msg_namelen = sizeof received_[i].path.remote.v6;
    m.msg_iov = &iovecs_[i];
    m.msg_iovlen = 1;
    m.msg_control = controls_[i].bytes;
    m.msg_controllen = sizeof controls_[i].bytes;
  }
  return {&headers_[first], count};
}

void ReceiveBuffer::took(uint32_t first, uint32_t count) {
  timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  for (uint32_t i = first; i < first + count; ++i) {
    Received& received = received_[i];
    msghdr& m = headers_[i].msg_hdr;
    received.data = static_cast<uint8_t*>(iovecs_[i].iov_base);
    received.length = received.segment = headers_[i].msg_len;
    received.ecn = 0;
    received.waited_ns = 0;
    sockaddr_in6& remote = received.path.remote.v6;
    if (m.msg_name != &remote) std::memcpy(&remote, m.msg_name, std::min<size_t>(m.msg_namelen, sizeof remote));
    received.path.source = {};
    parse_control(m, now, received);
  }
}

OutgoingMessage::OutgoingMessage(const Outgoing& out, bool with_source, bool segmented)
    : iov_{const_cast<uint8_t*>(out.data), out.length} {
  header_.msg_name = const_cast<sockaddr*>(&out.path.remote.any);
  header_.msg_namelen = out.path.remote.size();
  header_.msg_iov = &iov_;
  header_.msg_iovlen = 1;
  const bool v4 = out.path.remote.is_v4();
  if (with_source) {
    const Source& source = out.path.source;
    // Naming the interface pins the route to it: else the address alone.
    const uint32_t interface_index = source.pinned ? source.interface_index : 0;
    if (v4) {
      add(IPPROTO_IP, IP_PKTINFO, in_pktinfo{static_cast<int>(interface_index), source.v4, {}});
    } else {
      add(IPPROTO_IPV6, IPV6_PKTINFO, in6_pktinfo{source.v6, interface_index});
    }
  }
  if (out.traffic_class != 0) {
    const int traffic_class = out.traffic_class;
    if (v4) {
      add(IPPROTO_IP, IP_TOS, traffic_class);
    } else {
      add(IPPROTO_IPV6, IPV6_TCLASS, traffic_class);
    }
  }
  if (segmented) add(SOL_UDP, UDP_SEGMENT, static_cast<uint16_t>(out.segment));
}

template <typename T>
void OutgoingMessage::add(int level, int type, const T& value) {
  auto* c = reinterpret_cast<cmsghdr*>(control_ + header_.msg_controllen);
  c->cmsg_level = level;
  c->cmsg_type = type;
  c->cmsg_len = CMSG_LEN(sizeof value);
  std::memcpy(CMSG_DATA(c), &value, sizeof value);
  header_.msg_control = control_;
  header_.msg_controllen += CMSG_SPACE(sizeof value);
}

int UdpSocket::open(int family, uint16_t port, const SocketOptions& options) {
  UniqueFd fd(socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!fd) return errno;
  is_v4_ = family == AF_INET;

  Endpoint local;
  if (is_v4_) {
    local.v4.sin_family = AF_INET;
    local.v4.sin_port = htons(port);
    set_option(fd.get(), IPPROTO_IP, IP_PKTINFO, 1);
    set_option(fd.get(), IPPROTO_IP, IP_RECVTOS, 1);
    // As the kernel module: outer packets may be fragmented.
    set_option(fd.get(), IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DONT);
  } else {
    local.v6.sin6_family = AF_INET6;
    local.v6.sin6_port = htons(port);
    set_option(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, 1);
    set_option(fd.get(), IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
    set_option(fd.get(), IPPROTO_IPV6, IPV6_RECVTCLASS, 1);
    set_option(fd.get(), IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_DONT);
  }
  set_buffers(fd.get());
  set_option(fd.get(), SOL_SOCKET, SO_TIMESTAMPNS, 1);
  set_option(fd.get(), SOL_UDP, UDP_GRO, 1);
  if (options.busy_poll_us != 0) {
    set_option(fd.get(), SOL_SOCKET, SO_BUSY_POLL, static_cast<int>(options.busy_poll_us));
  }
  if (options.share_port) set_option(fd.get(), SOL_SOCKET, SO_REUSEPORT, 1);
  if (bind(fd.get(), &local.any, local.size()) < 0) return errno;

  socklen_t size = sizeof local.v6;
  if (getsockname(fd.get(), &local.any, &size) < 0) return errno;
  port_ = ntohs(is_v4_ ? local.v4.sin_port : local.v6.sin6_port);
  fd_ = std::move(fd);
  segmentation_ = true;
  set_firewall_mark(options.firewall_mark);
  return 0;
}

void UdpSocket::set_firewall_mark(uint32_t mark) {
  if (fd_) setsockopt(fd_.get(), SOL_SOCKET, SO_MARK, &mark, sizeof mark);
}

uint32_t UdpSocket::receive(ReceiveBuffer& buffer, uint32_t first, uint32_t count) {
  const std::span<mmsghdr> messages = buffer.messages(first, count);
  int n;
  do {
    if (count == 1) {
      const ssize_t length = recvmsg(fd_.get(), &messages[0].msg_hdr, MSG_DONTWAIT);
      messages[0].msg_len = static_cast<uint32_t>(length);
      n = length < 0 ? -1 : 1;
    } else {
      n = recvmmsg(fd_.get(), messages.data(), count, MSG_DONTWAIT, nullptr);
    }
  } while (n < 0 && errno == EINTR);
  if (n <= 0) return 0;
  buffer.took(first, static_cast<uint32_t>(n));
  return static_cast<uint32_t>(n);
}

// Returns 0 or an errno.
int UdpSocket::send_message(const Outgoing& out, bool with_source, bool segmented) const {
  const OutgoingMessage message(out, with_source, segmented);
  const int flags = out.path.source.pinned ? MSG_DONTWAIT : 0;
  for (;;) {
    if (sendmsg(fd_.get(), &message.header(), flags) >= 0) return 0;
    if (errno != EINTR) return errno;
  }
}

// Returns 0 or an errno. Without the source address where that is refused.
int UdpSocket::send_from(const Outgoing& out, bool segmented, SendResult& result) const {
  const bool with_source = out.path.source.set && !result.source_gone;
  ++result.calls;
  const int error = send_message(out, with_source, segmented);
  if (error == 0 || !with_source || out.path.source.pinned || !source_refused(error)) return error;
  if (segmented && error == EINVAL) return error;  // what was refused, the datagrams one by one will tell
  // Measured on Linux 6.18: ENETUNREACH (IPv4), EINVAL (IPv6), ENODEV (dead interface). Send the same datagram again.
  ++result.calls;
  result.source_gone = true;
  return send_message(out, false, segmented);
}

void UdpSocket::send_one_by_one(const Outgoing& out, SendResult& result) const {
  Outgoing one = out;
  one.count = 1;
  for (uint32_t offset = 0; offset < out.length; offset += out.segment) {
    one.data = out.data + offset;
    one.length = std::min(out.segment, out.length - offset);
    one.segment = one.length;
    if (const int error = send_from(one, false, result); error == 0) {
      result.sent_bytes += one.length;
    } else {
      ++result.failed_datagrams;
      result.error = error;
    }
  }
}

SendResult UdpSocket::send(const Outgoing& out) {
  SendResult result;
  if (!fd_) {
    result.failed_datagrams = out.count;
    result.error = EBADF;
    return result;
  }
  const bool segmented = out.count > 1;
  if (segmented && !segmentation_) {
    send_one_by_one(out, result);
    return result;
  }
  const int error = send_from(out, segmented, result);
  if (error == 0) {
    result.sent_bytes = out.length;
  } else if (segmented && segmentation_refused(error)) {
    segmentation_ = !segmentation_impossible(error);
    result.segmentation_off = true;
    send_one_by_one(out, result);
  } else {
    result.failed_datagrams = out.count;
    result.error = error;
  }
  return result;
}

int UdpSockets::open(uint16_t port, const SocketOptions& options) {
  for (int attempt = 0; attempt < kPortAttempts; ++attempt) {
    UdpSocket v4;
    UdpSocket v6;
    const int error4 = v4.open(AF_INET, port, options);
    if (error4 != 0 && error4 != EAFNOSUPPORT) return error4;
    const int error6 = v6.open(AF_INET6, error4 == 0 ? v4.port() : port, options);
    if (error6 == EADDRINUSE && port == 0) continue;
    const bool no_ipv6 = error6 == EAFNOSUPPORT || error6 == EADDRNOTAVAIL;
    if (error6 != 0 && (!no_ipv6 || error4 != 0)) return error6;
    v4_ = std::move(v4);
    v6_ = std::move(v6);
    return 0;
  }
  return EADDRINUSE;
}

void UdpSockets::set_firewall_mark(uint32_t mark) {
  v4_.set_firewall_mark(mark);
  v6_.set_firewall_mark(mark);
}

int open_sockets(std::vector<UdpSockets>& sockets, uint32_t count, uint16_t port, SocketOptions options) {
  if (count > 1) {
    UdpSockets probe;
    if (const int error = probe.open(port, options); error != 0) return error;
    port = probe.port();
    options.share_port = true;
  }
  sockets.resize(count);
  for (UdpSockets& pair : sockets) {
    if (const int error = pair.open(port, options); error != 0) return error;
  }
  return 0;
}

}  // namespace weft::net
