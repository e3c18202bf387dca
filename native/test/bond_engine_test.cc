// A bond between two data planes: two veth pairs as uplinks between two namespaces, real TUN devices and sockets. Needs
// root; says so and skips otherwise.
#include <gtest/gtest.h>

#include <net/if.h>

#include <array>
#include <atomic>
#include <functional>
#include <thread>

#include "two_ends.h"

namespace weft::engine {
namespace {

net::Path way(const End& from, const char* interface, const char* local, const char* remote, uint16_t port) {
  from.ns.enter();
  net::Path path{v4_endpoint(remote, port), {}};
  path.source.set = path.source.pinned = true;
  path.source.interface_index = if_nametoindex(interface);
  inet_pton(AF_INET, local, &path.source.v4);
  from.ns.leave();
  return path;
}

struct BondEngineTest : testing::TestWithParam<Engine> {
  std::unique_ptr<End> a, b;

  void SetUp() override {
    if (geteuid() != 0 || access("/dev/net/tun", R_OK | W_OK) != 0) GTEST_SKIP() << "needs root and /dev/net/tun";
    a = std::make_unique<End>();
    b = std::make_unique<End>();
    ASSERT_TRUE(a->ns.ok() && b->ns.ok());
    a->ns.enter();
    shell("ip link set lo up");
    for (const char* i : {"0", "1"}) {
      const std::string n = i;
      shell("ip link add va" + n + " type veth peer name vb" + n + " && ip link set vb" + n + " netns " + b->ns.path() +
            " && ip address add 192.0." + n + ".1/24 dev va" + n + " && ip link set va" + n + " up");
    }
    b->ns.enter();
    shell("ip link set lo up");
    for (const char* i : {"0", "1"}) {
      const std::string n = i;
      shell("ip address add 192.0." + n + ".2/24 dev vb" + n + " && ip link set vb" + n + " up");
    }
    b->ns.leave();
    a->open("10.0.0.1", "10.0.0.2", GetParam());
    b->open("10.0.0.2", "10.0.0.1", GetParam());
    a->dataplane.set_endpoint(kPeer, v4_endpoint("192.0.0.2", b->port));
    install_keys(*a, *b, 1);
    a->say(1);
    ASSERT_EQ(b->hear(), 1u);
  }

  void bond() {
    a->dataplane.set_bond(kPeer, std::vector{way(*a, "va0", "192.0.0.1", "192.0.0.2", b->port),
                                             way(*a, "va1", "192.0.1.1", "192.0.1.2", b->port)});
    b->dataplane.set_bond(kPeer, std::vector<net::Path>{});  // it learns the ways
    ASSERT_TRUE(await_active(*a, 2));
    ASSERT_TRUE(await_active(*b, 2));
  }

  static size_t active(End& end) {
    size_t count = 0;
    const auto snapshot = end.dataplane.bond_snapshot(kPeer);
    for (const auto& path : snapshot->paths) count += path.state.phase == bond::PathPhase::kActive ? 1 : 0;
    return count;
  }
  static bool await_active(End& end, size_t count) {
    for (int i = 0; i < 1000; ++i) {
      if (active(end) == count) return true;
      usleep(10'000);
    }
    return false;
  }

  // Numbered messages from A to B, at most `ahead` of what B heard. Returns how many arrived in order.
  uint32_t talk(uint32_t messages, const std::function<void(uint32_t)>& at) {
    constexpr uint32_t kAhead = 100;
    std::atomic<uint32_t> number = 0;
    std::atomic<bool> over = false;
    std::thread sender([&] {
      for (uint32_t i = 0; i < messages && !over; ++i) {
        while (i > number + kAhead && !over) usleep(100);
        std::array<uint8_t, 1000> message{};
        std::memcpy(message.data(), &i, sizeof i);
        EXPECT_EQ(send(a->application.get(), message.data(), message.size(), 0), ssize_t{1000});
        at(i);
      }
    });
    while (number < messages) {
      std::array<uint8_t, 1000> message;
      uint32_t heard = UINT32_MAX;
      if (recv(b->application.get(), message.data(), message.size(), 0) < 4) break;
      std::memcpy(&heard, message.data(), sizeof heard);
      if (heard != number) {
        ADD_FAILURE() << "heard " << heard << " instead of " << number;
        break;
      }
      ++number;
    }
    over = true;
    sender.join();
    return number;
  }
};

TEST_P(BondEngineTest, OneFlowOverTwoUplinksArrivesWholeAndInOrder) {
  bond();
  constexpr uint32_t kMessages = 4000;
  EXPECT_EQ(talk(kMessages, [](uint32_t) {}), kMessages);
}

TEST_P(BondEngineTest, ByEveryUplinkAtOnceItArrivesOnceAndInOrder) {
  bond();
  a->dataplane.set_bond_policy(kPeer, {.mode = bond::Mode::kRedundant});
  a->dataplane.sync(0);  // copies of the second message may come by the other uplink before a first without copies
  ASSERT_TRUE(a->await(EventType::kSynced));
  constexpr uint32_t kMessages = 2000;
  EXPECT_EQ(talk(kMessages, [](uint32_t) {}), kMessages);
  const auto snapshot = a->dataplane.bond_snapshot(kPeer);
  for (const auto& path : snapshot->paths) {
    EXPECT_GT(path.sending.sent_packets, kMessages / 100) << "path " << int{path.id};
  }
}

TEST_P(BondEngineTest, WhatNoDatagramHasRoomForIsDroppedAndCounted) {
  bond();
  a->ns.enter();
  shell("ip link set wt0 mtu 65535");
  a->ns.leave();
  ASSERT_TRUE(a->await(EventType::kLinkChanged));
  const auto count = [](End& end, Drop reason) {
    return end.dataplane.counters().drops[static_cast<size_t>(reason)].load();
  };
  const uint64_t malformed = count(*b, Drop::kMalformed);
  std::vector<uint8_t> largest(65507);
  EXPECT_EQ(send(a->application.get(), largest.data(), largest.size(), 0), ssize_t{65507});
  a->say(7);
  EXPECT_EQ(b->hear(), 7u);
  EXPECT_EQ(count(*a, Drop::kSendFailed), 1u);
  EXPECT_EQ(count(*b, Drop::kMalformed), malformed);  // nothing that was cut short
}

TEST_P(BondEngineTest, RekeyingWhileBondedLosesAndReordersNothing) {
  bond();
  constexpr uint32_t kMessages = 3000;
  uint32_t generation = 1;
  EXPECT_EQ(talk(kMessages,
                 [&](uint32_t i) {
                   if (i % 500 == 250) install_keys(*a, *b, ++generation);
                 }),
            kMessages);
}

TEST_P(BondEngineTest, WithoutTheBondItIsPlainWireGuardAgain) {
  bond();
  a->dataplane.set_bond(kPeer, {});
  b->dataplane.set_bond(kPeer, {});
  EXPECT_FALSE(a->dataplane.bond_snapshot(kPeer));
  constexpr uint32_t kMessages = 300;
  EXPECT_EQ(talk(kMessages, [](uint32_t) {}), kMessages);
}

TEST_P(BondEngineTest, APeerWithoutABondDropsFramesAndIsNotDisturbed) {
  a->dataplane.set_bond(kPeer, std::vector{way(*a, "va0", "192.0.0.1", "192.0.0.2", b->port),
                                           way(*a, "va1", "192.0.1.1", "192.0.1.2", b->port)});
  constexpr uint32_t kMessages = 300;
  EXPECT_EQ(talk(kMessages, [](uint32_t) {}), kMessages);
  EXPECT_EQ(active(*a), 0u);
}

INSTANTIATE_TEST_SUITE_P(Engines, BondEngineTest,
                         testing::Values(Engine{"single", 1, 1}, Engine{"workers", 1, 4}, Engine{"multiqueue", 4, 1},
                                         Engine{"single_io_uring", 1, 1, true}),
                         [](const auto& instance) { return instance.param.name; });

}  // namespace
}  // namespace weft::engine
