// The key slots and timer marks of a peer, against the kernel module's rules (wireguard.md "Key slots", "Timers").
#include "peer/peer.h"

#include <gtest/gtest.h>

namespace weft::peer {
namespace {

std::unique_ptr<Keypair> keypair(uint32_t index, bool initiator) {
  auto k = std::make_unique<Keypair>();
  k->local_index = index;
  k->initiator = initiator;
  return k;
}

uint32_t index_of(const std::unique_ptr<Keypair>& k) { return k ? k->local_index : 0; }

struct PeerTest : testing::Test {
  PeerStats stats{};
  Peer peer{1, stats};

  void expect_slots(uint32_t current, uint32_t previous, uint32_t next) {
    EXPECT_EQ(index_of(peer.current), current);
    EXPECT_EQ(index_of(peer.previous), previous);
    EXPECT_EQ(index_of(peer.next), next);
  }
};

TEST_F(PeerTest, InitiatorRotatesAtOnce) {
  install_keypair(peer, keypair(1, true));
  expect_slots(1, 0, 0);
  install_keypair(peer, keypair(2, true));
  expect_slots(2, 1, 0);
  const Retired retired = install_keypair(peer, keypair(3, true));
  expect_slots(3, 2, 0);
  EXPECT_EQ(index_of(retired[0]), 1u);
}

TEST_F(PeerTest, ResponderWaitsForTheFirstPacket) {
  install_keypair(peer, keypair(1, true));
  install_keypair(peer, keypair(2, true));
  const Retired retired = install_keypair(peer, keypair(3, false));
  expect_slots(2, 0, 3);
  EXPECT_EQ(index_of(retired[1]), 1u);
  EXPECT_EQ(promote_next(peer), nullptr);
  expect_slots(3, 2, 0);
}

TEST_F(PeerTest, ANewResponderKeyReplacesAnUnconfirmedOne) {
  install_keypair(peer, keypair(1, false));
  const Retired retired = install_keypair(peer, keypair(2, false));
  expect_slots(0, 0, 2);
  EXPECT_EQ(index_of(retired[0]), 1u);
}

TEST_F(PeerTest, InitiatorKeyMovesAnUnconfirmedNextToPrevious) {
  install_keypair(peer, keypair(1, true));
  install_keypair(peer, keypair(2, false));
  const Retired retired = install_keypair(peer, keypair(3, true));
  expect_slots(3, 2, 0);
  EXPECT_EQ(index_of(retired[1]), 1u);
}

TEST_F(PeerTest, UnansweredStartsWithTheFirstDataAndEndsWithAnyAnswer) {
  peer.data_sent(100);
  peer.data_sent(200);
  EXPECT_EQ(stats.unanswered_since_ms, 100);
  EXPECT_EQ(stats.last_data_sent_ms, 200);
  peer.any_authenticated_packet_received(300);
  EXPECT_EQ(stats.unanswered_since_ms, 0);
  EXPECT_EQ(stats.last_received_ms, 300);
}

TEST_F(PeerTest, AKeepaliveIsOwedForDataUntilAnythingIsSent) {
  peer.data_received(100);
  EXPECT_FALSE(peer.another_keepalive);
  peer.data_received(200);
  EXPECT_EQ(stats.owes_keepalive_since_ms, 100);
  EXPECT_TRUE(peer.another_keepalive);
  peer.any_authenticated_packet_sent(300);
  EXPECT_EQ(stats.owes_keepalive_since_ms, 0);
}

TEST(Keypair, LimitsOfUse) {
  Keypair k;
  k.created_ns = 1;
  k.initiator = true;
  EXPECT_TRUE(k.reserve(kRejectAfterNs, 1));
  EXPECT_FALSE(k.reserve(kRejectAfterNs + 1, 1));
  EXPECT_FALSE(k.wants_rekey_on_send(kRekeyAfterNs));
  EXPECT_TRUE(k.wants_rekey_on_send(kRekeyAfterNs + 1));
  EXPECT_FALSE(k.wants_rekey_on_receive(kRekeyOnReceiveNs));
  EXPECT_TRUE(k.wants_rekey_on_receive(kRekeyOnReceiveNs + 1));
  k.initiator = false;
  EXPECT_FALSE(k.wants_rekey_on_send(kRekeyAfterNs + 1));
  EXPECT_FALSE(k.wants_rekey_on_receive(kRekeyOnReceiveNs + 1));
  k.send_counter = kRekeyAfterMessages + 1;
  EXPECT_TRUE(k.wants_rekey_on_send(1));
  k.send_counter = kRejectAfterMessages - 3;
  EXPECT_FALSE(k.reserve(1, 4));
  EXPECT_EQ(k.reserve(1, 3), kRejectAfterMessages - 3);
  EXPECT_FALSE(k.reserve(1, 1));
}

TEST(Keypair, CountersAreTakenInBlocks) {
  Keypair k;
  EXPECT_EQ(k.reserve(1, 45), 0u);
  EXPECT_EQ(k.reserve(1, 1), 45u);
  EXPECT_EQ(k.reserve(1, 2), 46u);
}

TEST(StagedQueue, DropsTheOldestPackets) {
  StagedQueue queue;
  const uint8_t bytes[] = {1, 2, 3};
  EXPECT_EQ(queue.push(bytes, 3, 100), 0u);
  EXPECT_EQ(queue.push(bytes, 2, 28), 0u);
  EXPECT_EQ(queue.push(bytes, 1, 1), 100u);
  EXPECT_EQ(queue.front().bytes.size(), 2u);
  EXPECT_EQ(queue.clear(), 29u);
  EXPECT_TRUE(queue.empty());
}

TEST(StagedQueue, TakesASuperPacketLargerThanItsBound) {
  StagedQueue queue;
  const uint8_t byte = 0;
  queue.push(&byte, 1, 1);
  EXPECT_EQ(queue.push(&byte, 1, StagedQueue::kMaxPackets + 1), 1u);
  EXPECT_FALSE(queue.empty());
  EXPECT_EQ(queue.push(&byte, 1, 1), StagedQueue::kMaxPackets + 1);
}

}  // namespace
}  // namespace weft::peer
