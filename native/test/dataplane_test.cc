// Two data planes with real TUN devices and sockets in two network namespaces, on each engine: a UDP message crosses
// the tunnel, staged packets wait for their key, many flows keep their order across rekeying and roaming, commands race
// with traffic. Also run under TSan, as the only test in which all threads meet. Needs root; says so and skips
// otherwise.
#include "engine/dataplane.h"

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <thread>

#include "two_ends.h"
#include "util/bytes.h"

namespace weft::engine {
namespace {

struct DataPlaneTest : testing::TestWithParam<Engine> {
  std::unique_ptr<End> a, b;

  void SetUp() override {
    if (geteuid() != 0 || access("/dev/net/tun", R_OK | W_OK) != 0) GTEST_SKIP() << "needs root and /dev/net/tun";
    a = std::make_unique<End>();
    b = std::make_unique<End>();
    ASSERT_TRUE(a->ns.ok() && b->ns.ok());
    a->ns.enter();
    shell("ip link add va type veth peer name vb && ip link set vb netns " + b->ns.path() +
          " && ip address add 192.0.2.1/24 dev va && ip link set va up && ip link set lo up");
    b->ns.enter();
    shell("ip address add 192.0.2.2/24 dev vb && ip link set vb up && ip link set lo up");
    b->ns.leave();
    a->open("10.0.0.1", "10.0.0.2", GetParam());
    b->open("10.0.0.2", "10.0.0.1", GetParam());
  }

  void install(uint32_t generation) { install_keys(*a, *b, generation); }
};

TEST_P(DataPlaneTest, StagedPacketsCrossOnceThereIsAKey) {
  a->dataplane.set_endpoint(kPeer, v4_endpoint("192.0.2.2", b->port));
  for (uint32_t i = 0; i < 10; ++i) a->say(i);
  ASSERT_TRUE(a->await(EventType::kHandshakeNeeded));
  install(1);
  for (uint32_t i = 0; i < 10; ++i) EXPECT_EQ(b->hear(), i);
  EXPECT_TRUE(b->await(EventType::kKeypairConfirmed));
  // b was never told an endpoint: it learnt it from the first packet.
  b->say(77);
  EXPECT_EQ(a->hear(), 77u);
}

TEST_P(DataPlaneTest, RekeyingUnderTrafficLosesAndReordersNothing) {
  constexpr uint32_t kMessages = 3000;
  a->dataplane.set_endpoint(kPeer, v4_endpoint("192.0.2.2", b->port));
  install(1);
  a->say(kMessages);  // neighbours are found and the key is confirmed
  ASSERT_EQ(b->hear(), kMessages);
  constexpr uint32_t kAhead = 200;  // the TUN's queue holds more
  std::atomic<uint32_t> number = 0;
  std::atomic<bool> over = false;
  std::thread sender([&] {
    for (uint32_t i = 0; i < kMessages && !over; ++i) {
      while (i > number + kAhead && !over) usleep(100);
      a->say(i);
      if (i % 16 == 0) usleep(500);
    }
  });
  std::thread rekeyer([&] {
    for (uint32_t generation = 2; generation < 8; ++generation) {
      usleep(10'000);
      install(generation);
      EXPECT_TRUE(b->await(EventType::kKeypairConfirmed));
    }
  });
  uint32_t heard = 0;
  while (number < kMessages && (heard = b->hear()) == number) ++number;
  over = true;
  sender.join();
  rekeyer.join();
  EXPECT_EQ(number, kMessages) << "heard " << heard;
}

// Messages of many flows, each numbered and of varying size, from A to B.
class Flows {
 public:
  static constexpr uint32_t kFlows = 12;
  static constexpr uint32_t kMessages = 250;  // of each flow
  static constexpr uint16_t kFirstPort = 21'000;

  Flows(End& a, End& b) {
    for (uint16_t i = 0; i < kFlows; ++i) {
      const auto port = static_cast<uint16_t>(kFirstPort + i);
      out_[i] = socket_in(a, "10.0.0.1", port);
      in_[i] = socket_in(b, "10.0.0.2", port);
      const net::Endpoint to = v4_endpoint("10.0.0.2", port);
      EXPECT_EQ(connect(out_[i].get(), &to.any, to.size()), 0);
      prefer_marks(out_[i].get());
    }
  }

  // Message `number` of every flow. Sizes alternate between what counts as sparse and as bulk.
  void send_all(uint32_t number) {
    std::array<uint8_t, 1300> message{};
    store_le32(message.data(), number);
    for (uint32_t flow = 0; flow < kFlows; ++flow) {
      const size_t size = (number * 7 + flow) % 3 == 0 ? message.size() : 40;
      ASSERT_EQ(send(out_[flow].get(), message.data(), size, 0), static_cast<ssize_t>(size));
    }
  }

  // Takes the messages up to `number` of every flow and checks that none is missing or out of order.
  void expect_all(uint32_t number) {
    for (uint32_t flow = 0; flow < kFlows; ++flow) {
      for (uint32_t& next = expected_[flow]; next <= number; ++next) {
        uint8_t message[1300];
        ASSERT_GT(recv(in_[flow].get(), message, sizeof message, 0), 0) << "flow " << flow << " message " << next;
        ASSERT_EQ(load_le32(message), next) << "flow " << flow;
      }
    }
  }

 private:
  static UniqueFd socket_in(const End& end, const char* address, uint16_t port) {
    end.ns.enter();
    UniqueFd fd(socket(AF_INET, SOCK_DGRAM, 0));
    end.ns.leave();
    const net::Endpoint local = v4_endpoint(address, port);
    EXPECT_EQ(bind(fd.get(), &local.any, local.size()), 0);
    const timeval timeout{5, 0};
    setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
    constexpr int kReceiveBuffer = 8 << 20;
    setsockopt(fd.get(), SOL_SOCKET, SO_RCVBUFFORCE, &kReceiveBuffer, sizeof kReceiveBuffer);
    return fd;
  }

  std::array<UniqueFd, kFlows> out_;
  std::array<UniqueFd, kFlows> in_;
  std::array<uint32_t, kFlows> expected_{};
};

TEST_P(DataPlaneTest, FlowsKeepTheirOrderAcrossRekeyingAndRoaming) {
  a->dataplane.set_endpoint(kPeer, v4_endpoint("192.0.2.2", b->port));
  install(1);
  a->say(1);
  ASSERT_EQ(b->hear(), 1u);
  Flows flows(*a, *b);
  constexpr uint32_t kBurst = 10;  // messages a flow on their way at a time: what the TUN's queues hold for sure
  uint32_t generation = 1;
  for (uint32_t number = 0; number < Flows::kMessages; ++number) {
    flows.send_all(number);
    if (number % 40 == 13) install(++generation);
    // The kernel gives the lanes' sockets their datagrams by the sender's address: only with one lane is there an order
    // between the old and the new.
    if (number % 50 == 27) {
      if (GetParam().lanes > 1) {
        ASSERT_NO_FATAL_FAILURE(flows.expect_all(number));
      }
      uint16_t port = 0;
      a->ns.enter();
      ASSERT_EQ(a->dataplane.listen(port), 0);
      a->ns.leave();
    }
    if (number % kBurst == 0) {
      ASSERT_NO_FATAL_FAILURE(flows.expect_all(number));
    }
  }
  ASSERT_NO_FATAL_FAILURE(flows.expect_all(Flows::kMessages - 1));
  // B's answers find A where it is now.
  b->say(77);
  EXPECT_EQ(a->hear(), 77u);
}

TEST_P(DataPlaneTest, CommandsRaceWithTraffic) {
  a->dataplane.set_endpoint(kPeer, v4_endpoint("192.0.2.2", b->port));
  install(1);
  std::thread sender([&] {
    for (uint32_t i = 0; i < 2000; ++i) a->say(i);
  });
  for (uint32_t i = 0; i < 200; ++i) {
    const uint32_t other = 100 + i;
    a->dataplane.add_peer(other);
    a->dataplane.set_endpoint(other, v4_endpoint("192.0.2.2", 9));
    a->dataplane.update_allowed_ips(other, {{4, 24, {198, 51, 100}}}, {});
    a->dataplane.send_keepalive(other);
    a->dataplane.set_firewall_mark(i);
    uint16_t port = 0;
    ASSERT_EQ(a->dataplane.listen(port), 0);
    a->dataplane.sync(i);
    a->dataplane.control().take(100);
    a->dataplane.remove_peer(other);
  }
  sender.join();
  a->dataplane.remove_peer(kPeer);
  EXPECT_TRUE(a->await(EventType::kPeerRemoved));
  a->dataplane.unlisten();
  a->dataplane.close();
}

INSTANTIATE_TEST_SUITE_P(Engines, DataPlaneTest,
                         testing::Values(Engine{"single", 1, 1}, Engine{"workers", 1, 4}, Engine{"multiqueue", 4, 1},
                                         Engine{"single_io_uring", 1, 1, true}, Engine{"workers_io_uring", 1, 4, true},
                                         Engine{"multiqueue_io_uring", 4, 1, true}),
                         [](const auto& instance) { return instance.param.name; });

}  // namespace
}  // namespace weft::engine
