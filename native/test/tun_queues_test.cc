// Steering and the order of the TUN's queues, on a real TUN in a namespace of its own: what is sparse overtakes the
// bulk, flows take turns, and within a flow order is kept whatever the sizes. Needs root; says so and skips otherwise.
#include "engine/tun_queues.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
#include <thread>
#include <vector>

#include "util/bytes.h"

namespace weft::engine {
namespace {

constexpr uint32_t kPayload = sizeof(tun::VirtioHeader) + 20 + 8;

struct Datagram {
  uint16_t port;
  uint32_t number;
  uint32_t size;
};

struct TunQueuesTest : testing::Test {
  tun::TunDevice tun;
  std::unique_ptr<TunQueues> queues;
  std::vector<uint8_t> buffer = std::vector<uint8_t>(70'000);

  // The namespace is the test thread's own, and ends with the process.
  void SetUp() override {
    if (geteuid() != 0 || access("/dev/net/tun", R_OK | W_OK) != 0) GTEST_SKIP() << "needs root and /dev/net/tun";
    ASSERT_EQ(unshare(CLONE_NEWNET), 0);
    ASSERT_EQ(tun.create("wq0", 1420).code, 0);
    if (tun.steering() == nullptr) GTEST_SKIP() << "this kernel does not let us steer TUN queues by BPF";
    ASSERT_EQ(std::system("sysctl -qw net.ipv6.conf.wq0.disable_ipv6=1 2>/dev/null; "
                          "ip address add 10.1.0.1/24 dev wq0 && ip link set wq0 up"),
              0);
    queues = std::make_unique<TunQueues>(tun);
  }

  // A datagram of `size` bytes of payload that carries its number; one source port, so the port tells the flow.
  void send(uint16_t port, uint32_t number, uint32_t size) {
    if (!socket_) socket_.reset(socket(AF_INET, SOCK_DGRAM, 0));
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(port);
    to.sin_addr.s_addr = inet_addr("10.1.0.2");
    std::vector<uint8_t> payload(size);
    store_le32(payload.data(), number);
    ASSERT_EQ(sendto(socket_.get(), payload.data(), size, 0, reinterpret_cast<sockaddr*>(&to), sizeof to),
              static_cast<ssize_t>(size));
  }

  Datagram parse(uint32_t length) const {
    return {load_be16(buffer.data() + sizeof(tun::VirtioHeader) + 22), load_le32(buffer.data() + kPayload),
            length - kPayload};
  }

  // Everything, as Outbound would take it.
  std::vector<Datagram> drain() {
    queues->set_ready((1u << queues->count()) - 1);
    std::vector<Datagram> out;
    TunQueues::Packet packet;
    for (;;) {
      while (queues->read_sparse(buffer, packet)) out.push_back(parse(packet.length));
      if (!queues->read_bulk(now_ns(), buffer, packet)) return out;
      out.push_back(parse(packet.length));
    }
  }

  UniqueFd socket_;
};

TEST_F(TunQueuesTest, SparseOvertakesBulk) {
  for (uint32_t i = 0; i < 20; ++i) send(5000, i, 1300);
  send(53, 99, 40);
  const auto out = drain();
  ASSERT_EQ(out.size(), 21u);
  EXPECT_EQ(out[0].number, 99u);
}

TEST_F(TunQueuesTest, NothingOvertakesWithinAFlowOfMixedSizes) {
  for (uint32_t round = 0; round < 50; ++round) {
    for (uint32_t i = 0; i < 20; ++i) {
      const uint32_t number = round * 20 + i;
      send(static_cast<uint16_t>(7000 + number % 3), number, (number * 7919) % 5 == 0 ? 1300 : 32);
    }
    uint32_t last[3] = {};
    for (const Datagram& d : drain()) {
      uint32_t& seen = last[d.port - 7000];
      EXPECT_LE(seen, d.number);
      seen = d.number;
    }
  }
}

TEST_F(TunQueuesTest, WhatAFlowSentAsSparseIsFoundBeforeItsBulk) {
  send(5000, 0, 1300);
  queues->set_ready((1u << tun.queue_count()) - 1);
  TunQueues::Packet packet;
  ASSERT_FALSE(queues->read_sparse(buffer, packet));
  // It was seen empty; then comes a flow's first packet, and its second, in other queues.
  send(7000, 1, 32);
  send(7000, 2, 1300);
  uint32_t found = 0;
  while (queues->read_bulk(now_ns(), buffer, packet)) {
    if (parse(packet.length).number != 2) continue;
    EXPECT_EQ(queues->sparse_waiting(), 1u);
    ASSERT_TRUE(queues->read_sparse(buffer, packet));
    EXPECT_EQ(parse(packet.length).number, 1u);
    ++found;
  }
  EXPECT_EQ(found, 1u);
  EXPECT_EQ(queues->sparse_waiting(), 0u);
}

TEST_F(TunQueuesTest, AFlowMaySendForMillisecondsWhileNobodyReads) {
  constexpr uint32_t kSparse = 64;  // of a flow, before it is bulk
  constexpr uint32_t kAll = kSparse + tun::Steering::kQueuePackets;
  for (uint32_t i = 0; i < kAll; ++i) send(6000, i, 32);
  const auto out = drain();
  ASSERT_EQ(out.size(), kAll);
  for (uint32_t i = 0; i < out.size(); ++i) ASSERT_EQ(out[i].number, i);
}

TEST_F(TunQueuesTest, AFloodOfSmallPacketsIsBulk) {
  for (uint32_t i = 0; i < 300; ++i) send(6000, i, 32);
  send(53, 999, 40);
  const auto out = drain();
  ASSERT_EQ(out.size(), 301u);
  size_t place = 0;
  for (uint32_t number = 0; const Datagram& d : out) {
    if (d.port == 53) {
      place = static_cast<size_t>(&d - out.data());
    } else {
      EXPECT_EQ(d.number, number++);
    }
  }
  EXPECT_LE(place, 130u);  // behind what counted as sparse in at most two windows
}

// Each lane has a set of queues, and all packets of a flow, small and large, are in one of them.
TEST_F(TunQueuesTest, AFlowStaysInItsLane) {
  constexpr uint32_t kLanes = 3;
  tun = {};
  ASSERT_EQ(tun.create("wq1", 1420, kLanes).code, 0);
  ASSERT_EQ(tun.queue_count(), kLanes * tun::Steering::kQueues);
  ASSERT_EQ(std::system("sysctl -qw net.ipv6.conf.wq1.disable_ipv6=1 2>/dev/null; "
                        "ip address add 10.1.0.1/24 dev wq1 && ip link set wq1 up"),
            0);
  constexpr uint32_t kFlows = 24;
  for (uint32_t number = 0; number < 10; ++number) {
    for (uint16_t flow = 0; flow < kFlows; ++flow) send(8000 + flow, number, number % 2 == 0 ? 32 : 1300);
  }
  std::vector<uint32_t> lanes_of(kFlows);
  uint32_t used = 0;
  for (uint32_t lane = 0; lane < kLanes; ++lane) {
    queues = std::make_unique<TunQueues>(tun, lane);
    const auto out = drain();
    used += out.empty() ? 0 : 1;
    std::vector<uint32_t> packets(kFlows);
    for (const Datagram& d : out) ++packets.at(d.port - 8000);
    for (uint32_t flow = 0; flow < kFlows; ++flow) {
      EXPECT_TRUE(packets[flow] == 0 || packets[flow] == 10) << "flow " << flow;
      lanes_of[flow] += packets[flow] != 0 ? 1 : 0;
    }
  }
  EXPECT_EQ(lanes_of, std::vector<uint32_t>(kFlows, 1));
  EXPECT_GT(used, 1u);
}

TEST_F(TunQueuesTest, BulkFlowsTakeTurns) {
  // Find two flows that wait in different queues.
  uint16_t other = 0;
  for (uint16_t port = 5001; other == 0; ++port) {
    std::vector<uint64_t> entered(tun::Steering::kQueues);
    for (uint32_t q = 0; q < entered.size(); ++q) entered[q] = tun.steering()->entered(q);
    send(5000, 0, 1300);
    uint32_t first = 0;
    for (uint32_t q = 0; q < entered.size(); ++q) {
      if (tun.steering()->entered(q) != entered[q]) first = q;
    }
    send(port, 0, 1300);
    if (tun.steering()->entered(first) == entered[first] + 1) other = port;
  }
  drain();
  for (uint32_t i = 0; i < 200; ++i) send(5000, i, 1300);
  for (uint32_t i = 0; i < 200; ++i) send(other, i, 1300);
  const auto out = drain();
  ASSERT_EQ(out.size(), 400u);
  uint32_t of_other_in_first_half = 0;
  for (uint32_t i = 0; i < 200; ++i) of_other_in_first_half += out[i].port == other;
  EXPECT_GT(of_other_in_first_half, 50u);
  EXPECT_LT(of_other_in_first_half, 150u);
}

}  // namespace
}  // namespace weft::engine
