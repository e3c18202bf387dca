// A UDP socket of one family with everything the tunnel needs: UDP_GRO receives, UDP_SEGMENT sends, the local address
// and the ECN bits of each datagram both ways.
#pragma once

#include <sys/socket.h>

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "net/endpoint.h"
#include "util/unique_fd.h"

namespace weft::net {

// Largest UDP payload over IPv4, and so the most one UDP_SEGMENT send or GRO receive carries.
inline constexpr uint32_t kMaxUdpPayload = 65507;
// UDP_MAX_SEGMENTS of older kernels.
inline constexpr uint32_t kMaxSegments = 64;

// One receive: `length` bytes that are datagrams of `segment` bytes each, the last one possibly shorter.
struct Received {
  uint8_t* data;
  uint32_t length;
  uint32_t segment;
  uint8_t ecn;
  uint64_t waited_ns;  // in the socket's queue
  Path path;

  uint32_t datagrams() const { return length > segment ? (length + segment - 1) / segment : 1; }
};

// Memory for a number of receives, each as large as can be, and what they gave. Pages are touched, and so take memory,
// only as far as receives fill them.
class ReceiveBuffer {
 public:
  explicit ReceiveBuffer(uint32_t slots);
  ReceiveBuffer(const ReceiveBuffer&) = delete;
  ReceiveBuffer& operator=(const ReceiveBuffer&) = delete;

  // What the last receive into this slot gave; `data` is writable until the next.
  const Received& operator[](uint32_t slot) const { return received_[slot]; }

  // Messages for recvmmsg, or what does the same, into so many slots from `first` on: one iovec each, the whole slot.
  std::span<mmsghdr> messages(uint32_t first, uint32_t count);
  // So many of them came in. Their pointers may have been set to elsewhere in their slot.
  void took(uint32_t first, uint32_t count);

 private:
  // 64 KiB and what may come before them, and an odd number of cache lines so that short datagrams in all slots do not
  // share the same sets.
  static constexpr size_t kSlotSize = 65536 + 25 * 64;
  // Source address, ECN, segment size and time stamp.
  struct alignas(cmsghdr) Control {
    uint8_t bytes[160];
  };

  std::unique_ptr<uint8_t[]> memory_;
  std::vector<Received> received_;
  std::vector<Control> controls_;
  std::vector<iovec> iovecs_;
  std::vector<mmsghdr> headers_;
};

// One send: `count` datagrams of `segment` bytes each (the last possibly shorter) to one place. With a pinned source it
// does not wait for room in the socket's queue: other uplinks share that.
struct Outgoing {
  const uint8_t* data;
  uint32_t length;
  uint32_t segment;
  uint32_t count;
  uint8_t traffic_class;  // DSCP and ECN
  Path path;
};

// A message for sendmsg that refers to an Outgoing's datagrams.
class OutgoingMessage {
 public:
  // `segmented`: several datagrams, by UDP_SEGMENT.
  OutgoingMessage(const Outgoing& out, bool with_source, bool segmented);
  OutgoingMessage(const OutgoingMessage&) = delete;
  OutgoingMessage& operator=(const OutgoingMessage&) = delete;

  const msghdr& header() const { return header_; }

 private:
  template <typename T>
  void add(int level, int type, const T& value);

  msghdr header_{};
  iovec iov_;
  alignas(cmsghdr)
      uint8_t control_[CMSG_SPACE(sizeof(in6_pktinfo)) + CMSG_SPACE(sizeof(int)) + CMSG_SPACE(sizeof(uint16_t))] = {};
};

struct SendResult {
  uint32_t sent_bytes = 0;
  uint32_t failed_datagrams = 0;
  uint32_t calls = 0;
  int error = 0;                  // errno of what failed last
  bool source_gone = false;       // the cached source was refused; sent without it, and to be forgotten
  bool segmentation_off = false;  // UDP_SEGMENT was refused; sent one by one
};

struct SocketOptions {
  uint32_t firewall_mark = 0;
  uint32_t busy_poll_us = 0;  // SO_BUSY_POLL; 0 = the system's default
  bool share_port = false;    // SO_REUSEPORT: the kernel spreads senders over the sockets of a port
};

class UdpSocket {
 public:
  // Binds to the wildcard address of `family` (AF_INET or AF_INET6, the latter IPv6 only).
  // Returns 0 or an errno. `port` 0 takes a free one.
  int open(int family, uint16_t port, const SocketOptions& options);

  bool is_v4() const { return is_v4_; }
  int fd() const { return fd_.get(); }
  bool is_open() const { return static_cast<bool>(fd_); }
  uint16_t port() const { return port_; }
  void set_firewall_mark(uint32_t mark);

  // At most `count` receives, into the slots of `buffer` from `first` on. Never blocks. Returns how many there were;
  // fewer than `count`: the socket is empty.
  uint32_t receive(ReceiveBuffer& buffer, uint32_t first, uint32_t count);

  // Whether one sendmsg may send all of `out`.
  bool sends_at_once(const Outgoing& out) const { return fd_ && (out.count == 1 || segmentation_); }

  // Sends all of `out`, waiting a bounded time for room in the socket's queue. Several datagrams in one call: one
  // thread at a time; single ones: any number of threads.
  SendResult send(const Outgoing& out);

 private:
  int send_message(const Outgoing& out, bool with_source, bool segmented) const;
  int send_from(const Outgoing& out, bool segmented, SendResult& result) const;
  void send_one_by_one(const Outgoing& out, SendResult& result) const;

  UniqueFd fd_;
  uint16_t port_ = 0;
  bool is_v4_ = true;
  bool segmentation_ = true;
};

// IPv4 and IPv6 on one port. A host without IPv6 has IPv4 alone.
class UdpSockets {
 public:
  // Returns 0 or an errno. With port 0 it retries until both families got the same port.
  int open(uint16_t port, const SocketOptions& options);

  uint16_t port() const { return v4_.is_open() ? v4_.port() : v6_.port(); }
  void set_firewall_mark(uint32_t mark);
  UdpSocket& v4() { return v4_; }
  UdpSocket& v6() { return v6_; }
  UdpSocket& for_endpoint(const Endpoint& e) { return e.is_v4() ? v4_ : v6_; }

 private:
  UdpSocket v4_;
  UdpSocket v6_;
};

// `count` pairs on one port, `port` or a free one. Several share it; that it is free is found out before, as sharing
// would hide another's use of it. Returns 0 or an errno.
int open_sockets(std::vector<UdpSockets>& sockets, uint32_t count, uint16_t port, SocketOptions options);

}  // namespace weft::net
