// The order in which messages that wait in the socket reach the host: small packets pass the bursts of other flows, and
// nothing passes a packet of its own flow. A real TUN and a real socket, filled before the data thread begins. Needs
// root; says so and skips otherwise.
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>

#include <map>
#include <random>

#include "packet_builder.h"
#include "two_ends.h"

namespace weft::engine {
namespace {

using test::Bytes;

constexpr uint32_t kSmall = 40;  // payload
constexpr uint32_t kLarge = 1200;

struct Packet {
  uint16_t flow;  // its port
  uint32_t payload = kLarge;
  uint16_t fragment = 0x4000;
};
// In one send; all but the last of one size.
using Burst = std::vector<Packet>;

// What is large enough to be taken for a burst.
Burst bulk(uint16_t flow) { return Burst(40, {flow}); }

// What the host was given: a packet, or several of one flow merged.
struct Heard {
  uint16_t flow;
  uint32_t number;  // of the first packet
};

class InboundOrder : public testing::Test {
 protected:
  void SetUp() override {
    if (geteuid() != 0 || access("/dev/net/tun", R_OK | W_OK) != 0) GTEST_SKIP() << "needs root and /dev/net/tun";
  }

  // Packets are numbered through all bursts.
  std::vector<Heard> deliver(const std::vector<Burst>& bursts) {
    const Namespace ns;
    ns.enter();
    DataPlane node;
    EXPECT_EQ(node.open({.name = "wt0"}).code, 0);
    shell("ip link set lo up && ip link set wt0 up");
    uint16_t port = 0;
    EXPECT_EQ(node.listen(port), 0);
    const UniqueFd host(socket(AF_PACKET, SOCK_DGRAM, 0));
    sockaddr_ll wt0{};
    wt0.sll_family = AF_PACKET;
    wt0.sll_protocol = htons(ETH_P_IP);
    wt0.sll_ifindex = static_cast<int>(if_nametoindex("wt0"));
    EXPECT_EQ(bind(host.get(), reinterpret_cast<sockaddr*>(&wt0), sizeof wt0), 0);
    const timeval timeout{5, 0};
    setsockopt(host.get(), SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
    constexpr int kReceiveBuffer = 32 << 20;
    setsockopt(host.get(), SOL_SOCKET, SO_RCVBUFFORCE, &kReceiveBuffer, sizeof kReceiveBuffer);
    node.add_peer(kPeer);
    node.update_allowed_ips(kPeer, {{4, 8, {10}}}, {});
    node.install_keypair(kPeer, keypair(kIndex, 1, kKey, kKey, false));

    uint32_t payload = 0;
    net::UdpSocket from;
    EXPECT_EQ(from.open(AF_INET, 0, {}), 0);
    for (const Burst& burst : bursts) {
      send(from, burst, port);
      for (const Packet& packet : burst) payload += packet.payload;
    }
    node.start();
    std::vector<Heard> heard;
    while (payload > 0) {
      uint8_t packet[65536];
      sockaddr_ll way{};
      socklen_t size = sizeof way;
      const auto n = recvfrom(host.get(), packet, sizeof packet, 0, reinterpret_cast<sockaddr*>(&way), &size);
      if (n < 0) break;
      if (way.sll_pkttype == PACKET_OUTGOING) continue;  // what the host answers
      heard.push_back({load_be16(packet + kHeaders - 6), load_le32(packet + kHeaders)});
      payload -= static_cast<uint32_t>(n) - kHeaders;
    }
    EXPECT_EQ(payload, 0u) << "bytes are missing";
    passed_ = node.counters().stats[static_cast<size_t>(Stat::kReceivedFirst)];
    ns.leave();
    return heard;
  }
  uint64_t passed() const { return passed_; }

 private:
  static constexpr uint32_t kIndex = 7;
  static constexpr uint8_t kKey = 3;
  static constexpr uint32_t kHeaders = 28;

  void send(net::UdpSocket& from, const Burst& burst, uint16_t port) {
    Bytes all;
    uint32_t segment = 0;
    for (const Packet& packet : burst) {
      const Bytes message = seal(packet);
      segment = std::max(segment, static_cast<uint32_t>(message.size()));
      all.insert(all.end(), message.begin(), message.end());
    }
    const auto length = static_cast<uint32_t>(all.size());
    const auto count = static_cast<uint32_t>(burst.size());
    const auto result = from.send({all.data(), length, segment, count, 0, {v4_endpoint("127.0.0.1", port), {}}});
    EXPECT_EQ(result.failed_datagrams, 0u);
  }

  Bytes seal(const Packet& packet) {
    constexpr uint8_t kEct0 = 2;  // where this machine is slow CoDel then marks packets, which it would drop otherwise
    test::PacketSpec spec{
        .protocol = test::kUdp, .tos = kEct0, .fragment = packet.fragment, .destination_port = packet.flow};
    spec.payload.resize(packet.payload);
    store_le32(spec.payload.data(), number_++);
    const Bytes inner = test::build(spec);
    const auto length = net::padded_length(static_cast<uint32_t>(inner.size()), 1420);
    Bytes message(net::kDataOverhead + length);
    store_le32(message.data(), net::kDataType);
    store_le32(message.data() + 4, kIndex);
    store_le64(message.data() + 8, counter_);
    std::copy(inner.begin(), inner.end(), message.begin() + net::kDataHeaderSize);
    const std::vector<uint8_t> key(crypto::kAeadKeySize, kKey);
    crypto::AeadJob job{key.data(), counter_++, message.data() + net::kDataHeaderSize, length, false};
    crypto::default_aead().seal({&job, 1});
    return message;
  }

  uint32_t number_ = 0;
  uint64_t counter_ = 0;
  uint64_t passed_ = 0;
};

void expect_order_in_flows(const std::vector<Heard>& heard) {
  std::map<uint16_t, uint32_t> last;
  for (const Heard& h : heard) {
    const auto [at, first] = last.try_emplace(h.flow, h.number);
    EXPECT_TRUE(first || at->second < h.number) << "flow " << h.flow << ": " << h.number << " after " << at->second;
    at->second = h.number;
  }
}

TEST_F(InboundOrder, ASmallPacketPassesTheBurstsOfOthers) {
  const auto heard = deliver({bulk(1), bulk(1), bulk(2), {{3, kSmall}}, bulk(1)});
  EXPECT_EQ(heard.front().flow, 3);
  EXPECT_EQ(passed(), 1u);
  expect_order_in_flows(heard);
}

TEST_F(InboundOrder, NothingPassesItsOwnFlow) {
  const auto heard = deliver({bulk(1), bulk(2), {{2, kSmall}}, bulk(1), {{1, kSmall}}});
  EXPECT_EQ(heard.front().flow, 1);
  EXPECT_EQ(passed(), 0u);
  expect_order_in_flows(heard);
}

TEST_F(InboundOrder, AFlowThatHasPassedWaitsForItsBulk) {
  const auto heard = deliver({bulk(1), {{3, kSmall}}, bulk(3), {{3, kSmall}}, bulk(1)});
  EXPECT_EQ(heard.front().flow, 3);
  EXPECT_EQ(passed(), 1u);
  expect_order_in_flows(heard);
}

TEST_F(InboundOrder, NothingPassesAFragment) {
  constexpr uint16_t kMoreFragments = 0x2000;
  const auto heard = deliver({bulk(1), {{2, 400, kMoreFragments}}, {{3, kSmall}}, bulk(1)});
  EXPECT_EQ(heard.front().flow, 1);
  EXPECT_EQ(passed(), 0u);
}

TEST_F(InboundOrder, FlowsOfMixedSizesKeepTheirOrder) {
  uint64_t all_passed = 0;
  for (uint32_t seed = 1; seed <= 20; ++seed) {
    std::mt19937 random(seed);
    std::vector<Burst> bursts;
    for (uint32_t i = 0; i < 60; ++i) {
      const auto flow = [&] { return static_cast<uint16_t>(1 + random() % 12); };
      if (random() % 2 == 0) {
        bursts.push_back({{flow(), kSmall}});
        continue;
      }
      Burst& burst = bursts.emplace_back();
      const uint16_t one = flow();
      const bool mixed = random() % 3 == 0;
      for (uint32_t n = 2 + random() % 45; n > 0; --n) burst.push_back({mixed ? flow() : one});
      if (random() % 2 == 0) burst.push_back({flow(), kSmall});
    }
    SCOPED_TRACE(seed);
    expect_order_in_flows(deliver(bursts));
    all_passed += passed();
  }
  EXPECT_GT(all_passed, 0u);
}

}  // namespace
}  // namespace weft::engine
