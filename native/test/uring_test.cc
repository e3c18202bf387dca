// io_uring with real sockets: receives in order, sends that stop at the first that fails, writes that do not. Says so
// and skips where the kernel or the build has none.
#include "io/uring.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <numeric>
#include <vector>

#include "net/udp_socket.h"
#include "util/bytes.h"

namespace weft::io {
namespace {

TEST(UringMissingTest, SaysWhy) {
  rlimit descriptors;
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &descriptors), 0);
  const rlimit none{0, descriptors.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
  std::string why;
  EXPECT_EQ(Uring::open(why), nullptr);
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &descriptors), 0);
  EXPECT_NE(why, "");
}

struct UringTest : testing::Test {
  void SetUp() override {
    std::string why;
    uring = Uring::open(why);
    if (!uring) GTEST_SKIP() << why;
  }
  std::unique_ptr<Uring> uring;
};

// A pair of connected datagram sockets, whose queue is short.
struct Pair {
  Pair() {
    int fds[2];
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, fds), 0);
    a.reset(fds[0]);
    b.reset(fds[1]);
  }
  UniqueFd a;
  UniqueFd b;
};

net::Path loopback(const net::UdpSocket& socket) {
  net::Path path;
  if (socket.is_v4()) {
    path.remote.v4.sin_family = AF_INET;
    path.remote.v4.sin_port = htons(socket.port());
    path.remote.v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  } else {
    path.remote.v6.sin6_family = AF_INET6;
    path.remote.v6.sin6_port = htons(socket.port());
    path.remote.v6.sin6_addr = in6addr_loopback;
  }
  return path;
}

uint32_t receive(Uring& uring, net::UdpSocket& socket, net::ReceiveBuffer& buffer, uint32_t first, uint32_t count) {
  const uint32_t got = uring.receive(socket.fd(), buffer.messages(first, count));
  buffer.took(first, got);
  return got;
}

void say(net::UdpSocket& from, const net::Path& to, uint32_t first, uint32_t count) {
  for (uint32_t i = first; i < first + count; ++i) {
    std::array<uint8_t, 100> bytes{};
    store_le32(bytes.data(), i);
    ASSERT_EQ(from.send({bytes.data(), 100, 100, 1, 2, to}).failed_datagrams, 0u);
  }
}

TEST_F(UringTest, ReceivesWhatThereIsWithItsPath) {
  for (const int family : {AF_INET, AF_INET6}) {
    net::UdpSocket from;
    net::UdpSocket socket;
    ASSERT_EQ(from.open(family, 0, {}), 0);
    ASSERT_EQ(socket.open(family, 0, {}), 0);
    net::ReceiveBuffer buffer(64);
    EXPECT_EQ(receive(*uring, socket, buffer, 0, 64), 0u);
    const net::Path to = loopback(socket);
    // Fewer than asked for, as many, and more than one entry of the ring gives.
    say(from, to, 0, 50);
    ASSERT_EQ(receive(*uring, socket, buffer, 5, 1), 1u);
    ASSERT_EQ(receive(*uring, socket, buffer, 6, 40), 40u);
    ASSERT_EQ(receive(*uring, socket, buffer, 46, 18), 9u);
    EXPECT_EQ(receive(*uring, socket, buffer, 0, 1), 0u);
    for (uint32_t i = 0; i < 50; ++i) {
      const net::Received& received = buffer[5 + i];
      EXPECT_EQ(load_le32(received.data), i);
      EXPECT_EQ(received.length, 100u);
      EXPECT_EQ(received.segment, 100u);
      EXPECT_EQ(received.ecn, 2);
      EXPECT_EQ(received.path.remote.any.sa_family, family);
      const net::Endpoint& remote = received.path.remote;
      EXPECT_EQ(ntohs(remote.is_v4() ? remote.v4.sin_port : remote.v6.sin6_port), from.port());
      EXPECT_TRUE(received.path.source.set);
    }
  }
}

TEST_F(UringTest, ABurstOfTheLargestSizeFits) {
  net::UdpSocket from;
  net::UdpSocket socket;
  ASSERT_EQ(from.open(AF_INET, 0, {}), 0);
  ASSERT_EQ(socket.open(AF_INET, 0, {}), 0);
  constexpr uint32_t kSize = 1420;
  constexpr uint32_t kCount = 46;  // 65,320 bytes
  std::vector<uint8_t> bytes(kSize * kCount);
  std::iota(bytes.begin(), bytes.end(), uint8_t{0});
  net::ReceiveBuffer buffer(4);
  const auto length = static_cast<uint32_t>(bytes.size());
  for (int i = 0; i < 3; ++i) {
    ASSERT_EQ(from.send({bytes.data(), length, kSize, kCount, 0, loopback(socket)}).failed_datagrams, 0u);
  }
  ASSERT_EQ(receive(*uring, socket, buffer, 0, 4), 3u);
  for (uint32_t i = 0; i < 3; ++i) {
    ASSERT_EQ(buffer[i].length, length);
    EXPECT_EQ(buffer[i].segment, kSize);
    EXPECT_EQ(std::memcmp(buffer[i].data, bytes.data(), length), 0);
  }
}

// More often than the ring has entries, and with what was provided but not taken in between.
TEST_F(UringTest, BuffersComeBackForEver) {
  net::UdpSocket from;
  net::UdpSocket socket;
  ASSERT_EQ(from.open(AF_INET, 0, {}), 0);
  ASSERT_EQ(socket.open(AF_INET, 0, {}), 0);
  net::ReceiveBuffer buffer(64);
  const net::Path to = loopback(socket);
  uint32_t number = 0;
  for (uint32_t round = 0; round < 3000; ++round) {  // 2^16 buffers and more
    const uint32_t count = round % 40;
    say(from, to, number, count);
    ASSERT_EQ(receive(*uring, socket, buffer, round % 8, 56 - round % 8), count);
    for (uint32_t i = 0; i < count; ++i) ASSERT_EQ(load_le32(buffer[round % 8 + i].data), number++);
  }
}

TEST_F(UringTest, AClosedSocketGivesItsPortBackAtOnce) {
  net::ReceiveBuffer buffer(8);
  uint16_t port = 0;
  for (int i = 0; i < 50; ++i) {
    net::UdpSocket socket;
    ASSERT_EQ(socket.open(AF_INET, port, {}), 0);
    port = socket.port();
    say(socket, loopback(socket), 0, 3);
    ASSERT_EQ(receive(*uring, socket, buffer, 0, 8), 3u);
  }
}

TEST_F(UringTest, SendsInOrder) {
  net::UdpSocket from;
  net::UdpSocket socket;
  ASSERT_EQ(from.open(AF_INET, 0, {}), 0);
  ASSERT_EQ(socket.open(AF_INET, 0, {}), 0);
  std::array<uint8_t, 4 * 64> numbers;
  std::vector<std::unique_ptr<net::OutgoingMessage>> messages;
  std::vector<Uring::Send> sends;
  const net::Path to = loopback(socket);
  std::vector<net::Outgoing> outgoing;  // the messages refer to them
  for (uint32_t i = 0; i < 64; ++i) {
    store_le32(&numbers[4 * i], i);
    outgoing.push_back({&numbers[4 * i], 4, 4, 1, 0, to});
  }
  for (const net::Outgoing& out : outgoing) {
    messages.push_back(std::make_unique<net::OutgoingMessage>(out, false, false));
    sends.push_back({from.fd(), &messages.back()->header()});
  }
  ASSERT_EQ(uring->send(sends), 64u);
  net::ReceiveBuffer buffer(64);
  ASSERT_EQ(receive(*uring, socket, buffer, 0, 64), 64u);
  for (uint32_t i = 0; i < 64; ++i) EXPECT_EQ(load_le32(buffer[i].data), i);
}

msghdr message_of(iovec& iov) {
  msghdr m{};
  m.msg_iov = &iov;
  m.msg_iovlen = 1;
  return m;
}

TEST_F(UringTest, NothingIsSentAfterWhatWasRefused) {
  const Pair pair;
  const UniqueFd closed(open("/dev/null", O_RDWR | O_CLOEXEC));  // no socket: ENOTSOCK
  std::array<char, 3> bytes{'a', 'b', 'c'};
  std::array<iovec, 3> iovs{{{&bytes[0], 1}, {&bytes[1], 1}, {&bytes[2], 1}}};
  std::array<msghdr, 3> m{message_of(iovs[0]), message_of(iovs[1]), message_of(iovs[2])};
  const std::array<Uring::Send, 3> sends{{{pair.a.get(), &m[0]}, {closed.get(), &m[1]}, {pair.a.get(), &m[2]}}};
  EXPECT_EQ(uring->send(sends), 1u);
  char got = 0;
  EXPECT_EQ(recv(pair.b.get(), &got, 1, MSG_DONTWAIT), 1);
  EXPECT_EQ(got, 'a');
  EXPECT_EQ(recv(pair.b.get(), &got, 1, MSG_DONTWAIT), -1);
}

TEST_F(UringTest, AFullQueueEndsTheSends) {
  const Pair pair;
  char byte = 'x';
  iovec iov{&byte, 1};
  const msghdr m = message_of(iov);
  const std::vector<Uring::Send> sends(64, {pair.a.get(), &m});
  uint32_t sent = 0;
  for (;;) {
    const uint32_t now = uring->send(sends);
    sent += now;
    if (now < sends.size()) break;
    ASSERT_LT(sent, 1'000'000u);
  }
  uint32_t received = 0;
  while (recv(pair.b.get(), &byte, 1, MSG_DONTWAIT) == 1) ++received;
  EXPECT_EQ(received, sent);
}

TEST_F(UringTest, WritesInOrderAndCountsWhatIsRefused) {
  const Pair pair;
  ASSERT_EQ(fcntl(pair.a.get(), F_SETFL, O_NONBLOCK), 0);
  std::array<char, 4> bytes{'a', 'b', 'c', 'd'};
  const std::array<iovec, 4> iovs{{{&bytes[0], 1}, {&bytes[1], 1}, {&bytes[2], 1}, {&bytes[3], 1}}};
  // Of one, of two and of too many pieces.
  const std::array<Uring::Write, 3> writes{{{&iovs[0], 1}, {&iovs[0], 5000}, {&iovs[2], 2}}};
  EXPECT_EQ(uring->write(pair.a.get(), writes), 1u);
  char got[4] = {};
  EXPECT_EQ(recv(pair.b.get(), got, sizeof got, MSG_DONTWAIT), 1);
  EXPECT_EQ(got[0], 'a');
  EXPECT_EQ(recv(pair.b.get(), got, sizeof got, MSG_DONTWAIT), 2);
  EXPECT_EQ(got[0], 'c');
  EXPECT_EQ(got[1], 'd');
}

}  // namespace
}  // namespace weft::io
