// Which handshake messages pass to the control plane, and how many under a flood.
#include "engine/handshake_gate.h"

#include <gtest/gtest.h>
#include <sodium.h>

#include "crypto/blake2s.h"

namespace weft::engine {
namespace {

using Verdict = HandshakeGate::Verdict;
constexpr uint64_t kStart = 1000 * kNanosPerSecond;
constexpr uint32_t kMac1 = net::kInitiationSize - 32;
constexpr uint32_t kMac2 = net::kInitiationSize - 16;

net::Endpoint from(uint32_t address, uint16_t port) {
  net::Endpoint e;
  e.v4.sin_family = AF_INET;
  e.v4.sin_addr.s_addr = htonl(address);
  e.v4.sin_port = htons(port);
  return e;
}

struct HandshakeGateTest : testing::Test {
  std::vector<uint8_t> public_key = std::vector<uint8_t>(32, 7);
  std::vector<uint8_t> secret = std::vector<uint8_t>(32, 9);
  HandshakeGate gate;
  uint64_t now = kStart;

  void SetUp() override { gate.set_public_key(public_key); }

  std::vector<uint8_t> initiation() const {
    std::vector<uint8_t> message(net::kInitiationSize, 1);
    std::vector<uint8_t> input{'m', 'a', 'c', '1', '-', '-', '-', '-'};
    input.insert(input.end(), public_key.begin(), public_key.end());
    uint8_t key[32];
    crypto::blake2s_256(key, input);
    crypto::blake2s_mac(message.data() + kMac1, key, {message.data(), kMac1});
    return message;
  }

  // With the mac2 that a cookie for `place` (address and port in network order) gives.
  std::vector<uint8_t> with_cookie(const net::Endpoint& e) const {
    std::vector<uint8_t> message = initiation();
    uint8_t place[6];
    std::memcpy(place, &e.v4.sin_addr, 4);
    std::memcpy(place + 4, &e.v4.sin_port, 2);
    uint8_t cookie[16];
    crypto::blake2s_mac(cookie, secret, place);
    crypto::blake2s_mac(message.data() + kMac2, cookie, {message.data(), kMac2});
    return message;
  }

  Verdict judge(const std::vector<uint8_t>& message, const net::Endpoint& source, size_t queued = 0) {
    return gate.judge(net::Kind::kHandshake, message, source, queued, now);
  }

  uint32_t passed_of(uint32_t count, const std::vector<uint8_t>& message, const net::Endpoint& source) {
    uint32_t passed = 0;
    for (uint32_t i = 0; i < count; ++i) passed += judge(message, source) == Verdict::kPass;
    return passed;
  }
};

TEST_F(HandshakeGateTest, NothingPassesWithoutOurKeyOrItsMac) {
  auto message = initiation();
  EXPECT_EQ(judge(message, from(1, 1)), Verdict::kPass);
  message[kMac1 + 3] ^= 1;
  EXPECT_EQ(judge(message, from(1, 1)), Verdict::kBadMac1);
  gate.set_public_key({});
  EXPECT_EQ(judge(initiation(), from(1, 1)), Verdict::kBadMac1);
}

TEST_F(HandshakeGateTest, AFullQueueIsLoadForASecond) {
  EXPECT_EQ(judge(initiation(), from(1, 1), 511), Verdict::kPass);
  EXPECT_FALSE(gate.under_load(now));
  judge(initiation(), from(1, 1), 512);
  EXPECT_TRUE(gate.under_load(now + kNanosPerSecond - 1));
  EXPECT_FALSE(gate.under_load(now + kNanosPerSecond));
}

TEST_F(HandshakeGateTest, AFloodWithoutASecretPassesAtASmallRate) {
  EXPECT_LT(passed_of(100'000, initiation(), from(1, 1)), 500u);
  EXPECT_TRUE(gate.under_load(now));
  now += kNanosPerSecond / 2;
  EXPECT_EQ(passed_of(100'000, initiation(), from(1, 1)), 5u);
}

TEST_F(HandshakeGateTest, AFloodIsAnsweredWithCookiesHere) {
  gate.set_cookie_secret(secret, now);
  EXPECT_LT(passed_of(1000, initiation(), from(1, 1)), 100u);  // until the load was noticed
  now += 10 * kNanosPerMilli;
  EXPECT_EQ(judge(initiation(), from(2, 2)), Verdict::kNeedsCookie);
  now += 120 * kNanosPerSecond;  // the secret is old: the control plane is to make another
  passed_of(1000, initiation(), from(1, 1));
  now += kNanosPerSecond / 2;
  EXPECT_EQ(passed_of(1000, initiation(), from(1, 1)), 5u);
}

TEST_F(HandshakeGateTest, ACookieReplyOpensToTheCookie) {
  gate.set_cookie_secret(secret, now);
  const auto source = from(0xc0000201, 51820);
  const auto message = initiation();
  uint8_t reply[net::kCookieReplySize];
  gate.make_cookie_reply(message, source, reply);
  EXPECT_EQ(load_le32(reply), 3u);
  EXPECT_EQ(load_le32(reply + 4), load_le32(message.data() + 4));
  std::vector<uint8_t> input{'c', 'o', 'o', 'k', 'i', 'e', '-', '-'};
  input.insert(input.end(), public_key.begin(), public_key.end());
  uint8_t key[32];
  crypto::blake2s_256(key, input);
  uint8_t cookie[16];
  ASSERT_EQ(crypto_aead_xchacha20poly1305_ietf_decrypt(cookie, nullptr, nullptr, reply + 32, 32, message.data() + kMac1,
                                                       16, reply + 8, key),
            0);
  // What a peer makes of it passes.
  auto answer = message;
  crypto::blake2s_mac(answer.data() + kMac2, cookie, {answer.data(), kMac2});
  EXPECT_EQ(answer, with_cookie(source));
}

TEST_F(HandshakeGateTest, AGoodCookiePassesDuringAFlood) {
  gate.set_cookie_secret(secret, now);
  passed_of(100'000, initiation(), from(1, 1));
  const auto honest = from(0xc0000201, 51820);
  EXPECT_EQ(judge(with_cookie(honest), honest), Verdict::kPass);
  // A cookie is bound to address and port.
  now += 10 * kNanosPerMilli;
  EXPECT_EQ(judge(with_cookie(honest), from(0xc0000202, 51820)), Verdict::kNeedsCookie);
  EXPECT_EQ(judge(with_cookie(honest), from(0xc0000201, 51821)), Verdict::kNeedsCookie);
}

TEST_F(HandshakeGateTest, ASourceWithCookiesHasARateOfItsOwn) {
  gate.set_cookie_secret(secret, now);
  passed_of(100'000, initiation(), from(1, 1));
  const auto greedy = from(0xc0000201, 5);
  const auto honest = from(0xc6336401, 5);
  EXPECT_EQ(passed_of(1000, with_cookie(greedy), greedy), 10u);
  EXPECT_EQ(judge(with_cookie(honest), honest), Verdict::kPass);
  now += 100 * kNanosPerMilli;
  EXPECT_EQ(passed_of(1000, with_cookie(greedy), greedy), 5u);
}

TEST_F(HandshakeGateTest, CookieRepliesAreLimited) {
  const std::vector<uint8_t> reply(net::kCookieReplySize, 3);
  uint32_t passed = 0;
  for (int i = 0; i < 10'000; ++i) {
    passed += gate.judge(net::Kind::kCookieReply, reply, from(1, 1), 0, now) == Verdict::kPass;
  }
  EXPECT_EQ(passed, 256u);
}

}  // namespace
}  // namespace weft::engine
