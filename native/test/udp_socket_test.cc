// Receiving in batches, whatever the datagrams are like, and several sockets on one port. On the loopback interface of
// a namespace of its own, which needs root; says so and skips otherwise.
#include "net/udp_socket.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <unistd.h>

#include <cstdlib>
#include <set>
#include <vector>

#include "util/bytes.h"

namespace weft::net {
namespace {

struct UdpSocketTest : testing::Test {
  void SetUp() override {
    if (geteuid() != 0) GTEST_SKIP() << "needs root";
    ASSERT_EQ(unshare(CLONE_NEWNET), 0);
    ASSERT_EQ(std::system("ip link set lo up"), 0);
  }

  static Path to(uint16_t port) {
    Path path;
    path.remote.v4.sin_family = AF_INET;
    path.remote.v4.sin_port = htons(port);
    path.remote.v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return path;
  }
  // `count` datagrams of `size` bytes that begin with their number.
  static std::vector<uint8_t> datagrams(uint32_t count, uint32_t size) {
    std::vector<uint8_t> bytes(count * size);
    for (uint32_t i = 0; i < count; ++i) store_le32(bytes.data() + i * size, i);
    return bytes;
  }
};

TEST_F(UdpSocketTest, ReceivesManySingleDatagramsInOneCall) {
  UdpSocket from;
  UdpSocket socket;
  ASSERT_EQ(from.open(AF_INET, 0, {}), 0);
  ASSERT_EQ(socket.open(AF_INET, 0, {}), 0);
  const auto bytes = datagrams(20, 100);
  for (uint32_t i = 0; i < 20; ++i) {
    ASSERT_EQ(from.send({bytes.data() + i * 100, 100, 100, 1, 2, to(socket.port())}).failed_datagrams, 0u);
  }
  ReceiveBuffer buffer(32);
  ASSERT_EQ(socket.receive(buffer, 3, 16), 16u);
  ASSERT_EQ(socket.receive(buffer, 19, 13), 4u);  // fewer than asked for: empty
  EXPECT_EQ(socket.receive(buffer, 0, 1), 0u);
  for (uint32_t i = 0; i < 20; ++i) {
    const Received& received = buffer[3 + i];
    EXPECT_EQ(load_le32(received.data), i);
    EXPECT_EQ(received.length, 100u);
    EXPECT_EQ(received.datagrams(), 1u);
    EXPECT_EQ(received.ecn, 2);
    EXPECT_EQ(ntohs(received.path.remote.v4.sin_port), from.port());
    EXPECT_TRUE(received.path.source.set);
    EXPECT_EQ(received.path.source.v4.s_addr, htonl(INADDR_LOOPBACK));
  }
}

TEST_F(UdpSocketTest, ABurstFitsAnySlot) {
  UdpSocket from;
  UdpSocket socket;
  ASSERT_EQ(from.open(AF_INET, 0, {}), 0);
  ASSERT_EQ(socket.open(AF_INET, 0, {}), 0);
  constexpr uint32_t kSize = 1400;
  constexpr uint32_t kCount = 46;  // 64,400 bytes
  const auto bytes = datagrams(kCount, kSize);
  const auto length = static_cast<uint32_t>(bytes.size());
  for (int burst = 0; burst < 3; ++burst) {
    ASSERT_EQ(from.send({bytes.data(), length, kSize, kCount, 0, to(socket.port())}).failed_datagrams, 0u);
  }
  ReceiveBuffer buffer(4);
  const uint32_t received = socket.receive(buffer, 0, 4);
  ASSERT_EQ(received, 3u);
  for (uint32_t i = 0; i < received; ++i) {
    ASSERT_EQ(buffer[i].length, length);
    EXPECT_EQ(buffer[i].segment, kSize);
    EXPECT_EQ(buffer[i].datagrams(), kCount);
    EXPECT_EQ(load_le32(buffer[i].data + length - kSize), kCount - 1);
  }
}

TEST_F(UdpSocketTest, SeveralSocketsShareAPortThatNobodyElseHas) {
  std::vector<UdpSockets> sockets;
  ASSERT_EQ(open_sockets(sockets, 4, 0, {}), 0);
  ASSERT_EQ(sockets.size(), 4u);
  const uint16_t port = sockets.front().port();
  for (UdpSockets& pair : sockets) EXPECT_EQ(pair.port(), port);
  // Not even another node that would share it.
  std::vector<UdpSockets> others;
  EXPECT_EQ(open_sockets(others, 4, port, {}), EADDRINUSE);
  EXPECT_EQ(open_sockets(others, 1, port, {}), EADDRINUSE);
}

TEST_F(UdpSocketTest, ASenderStaysWithOneOfTheSockets) {
  std::vector<UdpSockets> sockets;
  ASSERT_EQ(open_sockets(sockets, 4, 0, {}), 0);
  const auto bytes = datagrams(8, 64);
  std::set<size_t> used;
  for (int sender = 0; sender < 16; ++sender) {
    UdpSocket from;
    ASSERT_EQ(from.open(AF_INET, 0, {}), 0);
    for (uint32_t i = 0; i < 8; ++i) {
      ASSERT_EQ(from.send({bytes.data() + i * 64, 64, 64, 1, 0, to(sockets.front().port())}).failed_datagrams, 0u);
    }
    uint32_t lanes = 0;
    ReceiveBuffer buffer(16);
    for (size_t lane = 0; lane < sockets.size(); ++lane) {
      const uint32_t received = sockets[lane].v4().receive(buffer, 0, 16);
      if (received == 0) continue;
      EXPECT_EQ(received, 8u);
      ++lanes;
      used.insert(lane);
    }
    EXPECT_EQ(lanes, 1u);
  }
  EXPECT_GT(used.size(), 1u);
}

}  // namespace
}  // namespace weft::net
