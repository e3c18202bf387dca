// What strangers, and those who name our tokens, may send to the control plane.
#include "engine/gossip_gate.h"

#include <gtest/gtest.h>

#include "crypto/blake2s.h"
#include "util/bytes.h"
#include "util/clock.h"

namespace weft::engine {
namespace {

using Verdict = GossipGate::Verdict;
using Message = std::vector<uint8_t>;

constexpr uint64_t kNow = 100 * kNanosPerSecond;
constexpr uint8_t kHello = 0x80;
constexpr uint8_t kCookie = 0x81;
constexpr uint8_t kAccept = 0x82;
constexpr uint8_t kData = 0x83;
constexpr uint8_t kUnknown = 0x84;

net::Endpoint source(uint32_t address) {
  net::Endpoint e;
  e.v4.sin_family = AF_INET;
  e.v4.sin_addr.s_addr = htonl(address);
  e.v4.sin_port = htons(51820);
  return e;
}

class GossipGateTest : public testing::Test {
 protected:
  GossipGateTest() { gate.open(key); }

  Message with_token(uint8_t type, uint32_t index) const {
    Message message(32);
    message[0] = type;
    store_le32(&message[4], index);
    uint8_t mac[crypto::kBlake2sMacSize];
    crypto::blake2s_mac(mac, key, std::span(message).subspan(4, 4));
    std::copy_n(mac, 4, &message[8]);
    return message;
  }

  uint32_t passed(const Message& message, uint32_t count, uint64_t now, bool one_source) {
    uint32_t n = 0;
    for (uint32_t i = 0; i < count; ++i) {
      n += gate.judge(message, source(one_source ? 1 : i), now) == Verdict::kPass ? 1 : 0;
    }
    return n;
  }

  const Message key = Message(32, 7);
  const Message hello = Message(116, kHello);
  GossipGate gate;
};

TEST_F(GossipGateTest, LimitsOneSource) {
  EXPECT_EQ(passed(hello, 10'000, kNow, true), 200u);
  EXPECT_EQ(passed(hello, 10'000, kNow + kNanosPerSecond / 2, true), 100u);
}

TEST_F(GossipGateTest, LimitsAllStrangersTogether) {
  EXPECT_EQ(passed(hello, 100'000, kNow, false), 250u);
  EXPECT_EQ(passed(Message(28, kUnknown), 100'000, kNow, false), 0u);
  EXPECT_EQ(passed(hello, 100'000, kNow + kNanosPerSecond / 10, false), 100u);
}

TEST_F(GossipGateTest, DropsTokensThatAreNotOurs) {
  for (const uint8_t type : {kCookie, kAccept, kData}) {
    Message message = with_token(type, 5);
    ++message[8];
    EXPECT_EQ(gate.judge(message, source(1), kNow), Verdict::kUnknownToken);
    --message[8];
    ++message[4];
    EXPECT_EQ(gate.judge(message, source(1), kNow), Verdict::kUnknownToken);
    message.resize(11);
    EXPECT_EQ(gate.judge(message, source(1), kNow), Verdict::kUnknownToken);
  }
}

TEST_F(GossipGateTest, FloodsOfStrangersDoNotShutOutWhoNamesOurToken) {
  passed(hello, 100'000, kNow, true);
  passed(hello, 100'000, kNow, false);
  passed(Message(28, kData), 100'000, kNow, true);
  for (const uint8_t type : {kCookie, kAccept, kData}) {
    EXPECT_EQ(gate.judge(with_token(type, 5), source(1), kNow), Verdict::kPass);
  }
}

TEST_F(GossipGateTest, LimitsOneToken) {
  EXPECT_EQ(passed(with_token(kData, 5), 10'000, kNow, false), 200u);
  EXPECT_EQ(gate.judge(with_token(kData, 6), source(1), kNow), Verdict::kPass);
  EXPECT_EQ(passed(with_token(kData, 5), 10'000, kNow + kNanosPerSecond / 2, true), 100u);
}

TEST_F(GossipGateTest, LimitsAllTokensTogether) {
  uint32_t n = 0;
  for (uint32_t i = 0; i < 10'000; ++i) n += passed(with_token(kData, i), 1, kNow, true);
  EXPECT_EQ(n, 1000u);
}

TEST_F(GossipGateTest, IsClosedWithoutAKey) {
  EXPECT_TRUE(gate.is_open());
  gate.open({});
  EXPECT_FALSE(gate.is_open());
}

}  // namespace
}  // namespace weft::engine
