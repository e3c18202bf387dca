// What the kernel's ways to send and to receive datagrams cost, the variants that were considered for the data plane
// side by side: cycles of the time stamp counter a datagram, over a veth pair between two namespaces of this process's
// own (over loopback where it may not make them). Rounds alternate between the variants, so that all see the same
// machine. Sending includes what the receiver's kernel does with a datagram, as on any veth.
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/errqueue.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "measure.h"
#include "util/unique_fd.h"

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#ifndef UDP_GRO
#define UDP_GRO 104
#endif
#ifndef SO_ZEROCOPY
#define SO_ZEROCOPY 60
#endif

namespace {

using weft::UniqueFd;
using weft::bench::ticks;

constexpr uint32_t kBatch = 45;  // what one super-packet of a TCP stream gives
constexpr uint32_t kRounds = 1500;
constexpr uint32_t kWarmUp = 50;
constexpr uint32_t kStride = 2048;
constexpr int kBusyPollMicros = 50;

[[noreturn]] void fail(const char* what) {
  std::perror(what);
  std::exit(1);
}

void set_option(int fd, int level, int name, int value) { setsockopt(fd, level, name, &value, sizeof value); }

// --- the wire -----------------------------------------------------------------------------------------------------

// Sockets stay in the namespace that they were made in, so one thread can hold both ends.
struct Wire {
  UniqueFd sender_namespace;
  UniqueFd receiver_namespace;
  const char* address = "127.0.0.1";
  bool veth = false;
};

UniqueFd this_namespace() { return UniqueFd(open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC)); }

Wire make_wire() {
  Wire wire;
  if (unshare(CLONE_NEWNET) < 0) return wire;
  wire.receiver_namespace = this_namespace();
  if (unshare(CLONE_NEWNET) < 0) fail("unshare");
  wire.sender_namespace = this_namespace();
  const std::string other =
      "/proc/" + std::to_string(getpid()) + "/fd/" + std::to_string(wire.receiver_namespace.get());
  const std::string commands =
      "ip link add veth0 type veth peer name veth1 netns " + other +
      " && ip addr add 10.0.0.1/24 dev veth0 && ip link set veth0 up && nsenter --net=" + other +
      " sh -c 'ip addr add 10.0.0.2/24 dev veth1 && ip link set veth1 up'";
  if (std::system(commands.c_str()) != 0) fail("ip link add");
  wire.address = "10.0.0.2";
  wire.veth = true;
  return wire;
}

void enter(const UniqueFd& network_namespace) {
  if (network_namespace && setns(network_namespace.get(), CLONE_NEWNET) < 0) fail("setns");
}

UniqueFd udp_socket() {
  UniqueFd fd(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!fd) fail("socket");
  set_option(fd.get(), SOL_SOCKET, SO_RCVBUFFORCE, 8 << 20);
  set_option(fd.get(), SOL_SOCKET, SO_SNDBUFFORCE, 8 << 20);
  return fd;
}

// --- sending ------------------------------------------------------------------------------------------------------

struct Sender {
  UniqueFd fd = udp_socket();
  sockaddr_in to{};
  in_addr from{};
  bool connected = false;
  std::vector<uint8_t> data;
  std::array<iovec, kBatch> iov{};
  std::array<mmsghdr, kBatch> messages{};
};

// One sendmsg of `length` bytes from `data`, with the control messages that are asked for.
void send_message(Sender& s, uint8_t* data, size_t length, uint16_t segment, bool source, int flags) {
  iovec iov{data, length};
  msghdr m{};
  m.msg_iov = &iov;
  m.msg_iovlen = 1;
  if (!s.connected) {
    m.msg_name = &s.to;
    m.msg_namelen = sizeof s.to;
  }
  alignas(cmsghdr) uint8_t control[CMSG_SPACE(sizeof(in_pktinfo)) + CMSG_SPACE(sizeof(uint16_t))] = {};
  size_t used = 0;
  const auto add = [&](int level, int type, const auto& value) {
    auto* c = reinterpret_cast<cmsghdr*>(control + used);
    c->cmsg_level = level;
    c->cmsg_type = type;
    c->cmsg_len = CMSG_LEN(sizeof value);
    std::memcpy(CMSG_DATA(c), &value, sizeof value);
    used += CMSG_SPACE(sizeof value);
  };
  if (source) add(IPPROTO_IP, IP_PKTINFO, in_pktinfo{0, s.from, {}});
  if (segment != 0) add(SOL_UDP, UDP_SEGMENT, segment);
  if (used != 0) {
    m.msg_control = control;
    m.msg_controllen = used;
  }
  if (sendmsg(s.fd.get(), &m, flags) < 0) fail("sendmsg");
}

enum class Send { kOneByOne, kWithSource, kConnected, kMany, kSegmented, kSegmentedConnected, kSegmentedZeroCopy };

struct SendVariant {
  const char* name;
  Send how;
};

constexpr SendVariant kSendVariants[] = {
    {"send: sendmsg", Send::kOneByOne},
    {"send: sendmsg, source address named", Send::kWithSource},
    {"send: connected socket", Send::kConnected},
    {"send: sendmmsg of 45", Send::kMany},
    {"send: UDP_SEGMENT, 45", Send::kSegmented},
    {"send: UDP_SEGMENT, 45, connected", Send::kSegmentedConnected},
    {"send: UDP_SEGMENT, 45, MSG_ZEROCOPY", Send::kSegmentedZeroCopy},
};

Sender make_sender(Send how, const sockaddr_in& to, uint32_t size) {
  Sender s;
  s.to = to;
  s.data.resize(size_t{kBatch} * size, 0x5a);
  s.connected = how == Send::kConnected || how == Send::kSegmentedConnected;
  if (connect(s.fd.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to) < 0) fail("connect");
  sockaddr_in local{};
  socklen_t length = sizeof local;
  getsockname(s.fd.get(), reinterpret_cast<sockaddr*>(&local), &length);
  s.from = local.sin_addr;
  if (!s.connected) {
    const sockaddr none{AF_UNSPEC, {}};
    connect(s.fd.get(), &none, sizeof none);
  }
  if (how == Send::kSegmentedZeroCopy) set_option(s.fd.get(), SOL_SOCKET, SO_ZEROCOPY, 1);
  return s;
}

// The buffers are ours again once the kernel has said so on the error queue.
void wait_for_zero_copy(int fd) {
  alignas(cmsghdr) uint8_t control[128];
  msghdr m{};
  do {
    m.msg_control = control;
    m.msg_controllen = sizeof control;
  } while (recvmsg(fd, &m, MSG_ERRQUEUE) < 0 && errno == EAGAIN);
}

void send_batch(Sender& s, Send how, uint32_t size) {
  const auto each = [&](bool source) {
    for (uint32_t i = 0; i < kBatch; ++i) send_message(s, s.data.data() + size_t{i} * size, size, 0, source, 0);
  };
  const auto segmented = [&](int flags) {
    send_message(s, s.data.data(), s.data.size(), static_cast<uint16_t>(size), true, flags);
  };
  switch (how) {
    case Send::kOneByOne:
    case Send::kConnected:
      return each(false);
    case Send::kWithSource:
      return each(true);
    case Send::kMany:
      for (uint32_t i = 0; i < kBatch; ++i) {
        s.iov[i] = {s.data.data() + size_t{i} * size, size};
        s.messages[i].msg_hdr = {&s.to, sizeof s.to, &s.iov[i], 1, nullptr, 0, 0};
      }
      if (sendmmsg(s.fd.get(), s.messages.data(), kBatch, 0) != kBatch) fail("sendmmsg");
      return;
    case Send::kSegmented:
    case Send::kSegmentedConnected:
      return segmented(0);
    case Send::kSegmentedZeroCopy:
      segmented(MSG_ZEROCOPY);
      wait_for_zero_copy(s.fd.get());
  }
}

// --- receiving ----------------------------------------------------------------------------------------------------

enum class Control { kNone, kNoTime, kAll };  // kAll: arrival time, local address and ECN, as the data plane asks for

struct ReceiveVariant {
  const char* name;
  bool many;  // recvmmsg
  bool gro;   // datagrams sent as one super-packet, received with UDP_GRO
  Control control;
  bool busy_poll;
};

constexpr ReceiveVariant kReceiveVariants[] = {
    {"receive: recvmsg", false, false, Control::kAll, false},
    {"receive: recvmsg, no arrival time", false, false, Control::kNoTime, false},
    {"receive: recvmsg, no control messages", false, false, Control::kNone, false},
    {"receive: recvmsg, SO_BUSY_POLL", false, false, Control::kAll, true},
    {"receive: recvmmsg of 45", true, false, Control::kAll, false},
    {"receive: recvmmsg of 45, no arrival time", true, false, Control::kNoTime, false},
    {"receive: recvmmsg of 45, no control messages", true, false, Control::kNone, false},
    {"receive: UDP_GRO", false, true, Control::kAll, false},
};

struct Receiver {
  UniqueFd fd = udp_socket();
  sockaddr_in address{};
  std::vector<uint8_t> buffer = std::vector<uint8_t>(65536 + kBatch * kStride);
  std::array<std::array<uint8_t, 256>, kBatch> controls;
  std::array<sockaddr_in, kBatch> names;
  std::array<iovec, kBatch> iov{};
  std::array<mmsghdr, kBatch> messages{};
};

Receiver make_receiver(const ReceiveVariant& variant, const char* address) {
  Receiver r;
  const int fd = r.fd.get();
  if (variant.control != Control::kNone) {
    set_option(fd, IPPROTO_IP, IP_PKTINFO, 1);
    set_option(fd, IPPROTO_IP, IP_RECVTOS, 1);
  }
  if (variant.control == Control::kAll) set_option(fd, SOL_SOCKET, SO_TIMESTAMPNS, 1);
  if (variant.gro) set_option(fd, SOL_UDP, UDP_GRO, 1);
  if (variant.busy_poll) set_option(fd, SOL_SOCKET, SO_BUSY_POLL, kBusyPollMicros);
  r.address.sin_family = AF_INET;
  inet_pton(AF_INET, address, &r.address.sin_addr);
  socklen_t length = sizeof r.address;
  if (bind(fd, reinterpret_cast<sockaddr*>(&r.address), length) < 0) fail("bind");
  getsockname(fd, reinterpret_cast<sockaddr*>(&r.address), &length);
  return r;
}

// Until the socket is empty, as the data plane does. Returns the bytes.
size_t receive_all(Receiver& r, bool many) {
  size_t bytes = 0;
  for (;;) {
    const uint32_t count = many ? kBatch : 1;
    for (uint32_t i = 0; i < count; ++i) {
      r.iov[i] = {r.buffer.data() + size_t{i} * kStride, many ? kStride : 65536};
      r.messages[i].msg_hdr = {&r.names[i],          sizeof r.names[i],    &r.iov[i], 1,
                               r.controls[i].data(), r.controls[i].size(), 0};
    }
    if (many) {
      const int n = recvmmsg(r.fd.get(), r.messages.data(), count, MSG_DONTWAIT, nullptr);
      if (n <= 0) return bytes;
      for (int i = 0; i < n; ++i) bytes += r.messages[static_cast<size_t>(i)].msg_len;
      if (n < static_cast<int>(count)) return bytes;
    } else {
      const ssize_t n = recvmsg(r.fd.get(), &r.messages[0].msg_hdr, MSG_DONTWAIT);
      if (n < 0) return bytes;
      bytes += static_cast<size_t>(n);
    }
  }
}

// --- rounds -------------------------------------------------------------------------------------------------------

class Table {
 public:
  explicit Table(size_t rows) : rows_(rows) {}
  void add(size_t row, uint64_t cycles) { rows_[row].push_back(static_cast<double>(cycles) / kBatch); }
  void print(weft::bench::Report& report, size_t row, const std::string& name) {
    report.add(name, std::string(weft::bench::kTickUnit) + "/datagram", weft::bench::Samples(rows_[row]));
  }

 private:
  std::vector<std::vector<double>> rows_;
};

void run(weft::bench::Report& report, const Wire& wire, uint32_t size) {
  std::vector<Sender> senders;
  std::vector<Receiver> receivers;
  enter(wire.receiver_namespace);
  for (const auto& variant : kReceiveVariants) receivers.push_back(make_receiver(variant, wire.address));
  Receiver sink = make_receiver({"", true, true, Control::kNone, false}, wire.address);
  enter(wire.sender_namespace);
  for (const auto& variant : kSendVariants) senders.push_back(make_sender(variant.how, sink.address, size));
  Sender feeder = make_sender(Send::kOneByOne, sink.address, size);

  Table sent(std::size(kSendVariants));
  Table received(std::size(kReceiveVariants));
  for (uint32_t round = 0; round < kWarmUp + kRounds; ++round) {
    for (size_t i = 0; i < senders.size(); ++i) {
      const uint64_t start = ticks();
      send_batch(senders[i], kSendVariants[i].how, size);
      const uint64_t cycles = ticks() - start;
      if (receive_all(sink, false) != size_t{kBatch} * size) continue;  // the machine dropped some
      if (round >= kWarmUp) sent.add(i, cycles);
    }
    for (size_t i = 0; i < receivers.size(); ++i) {
      feeder.to = receivers[i].address;
      send_batch(feeder, kReceiveVariants[i].gro ? Send::kSegmented : Send::kOneByOne, size);
      const uint64_t start = ticks();
      const size_t bytes = receive_all(receivers[i], kReceiveVariants[i].many);
      const uint64_t cycles = ticks() - start;
      if (round >= kWarmUp && bytes == size_t{kBatch} * size) received.add(i, cycles);
    }
  }
  const std::string suffix = ", " + std::to_string(size) + " B, " + (wire.veth ? "veth" : "loopback");
  for (size_t i = 0; i < senders.size(); ++i) sent.print(report, i, kSendVariants[i].name + suffix);
  for (size_t i = 0; i < receivers.size(); ++i) received.print(report, i, kReceiveVariants[i].name + suffix);
}

}  // namespace

int main() {
  const Wire wire = make_wire();
  weft::bench::Report report;
  for (const uint32_t size : {128u, 1452u}) run(report, wire, size);  // messages of 64 and 1420 bytes inside the tunnel
}
