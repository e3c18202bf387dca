// The control queue between the engine thread and the control plane: bounds, coalescing, wake-ups. Also run under TSan.
#include "engine/control_queue.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "net/demux.h"

namespace weft::engine {
namespace {

const std::vector<uint8_t> kMessage(148, 7);

net::Endpoint endpoint(uint16_t port) {
  net::Endpoint e;
  e.v4.sin_family = AF_INET;
  e.v4.sin_port = htons(port);
  return e;
}

TEST(ControlQueue, RefusesDatagramsPastItsBound) {
  ControlQueue queue;
  for (size_t i = 0; i < ControlQueue::kMaxDatagrams; ++i) ASSERT_TRUE(queue.push({}, kMessage, false));
  EXPECT_FALSE(queue.push({}, kMessage, false));
  const ControlBatch batch = queue.take(64);
  EXPECT_EQ(batch.datagrams.size(), 64u);
  EXPECT_EQ(batch.backlog, ControlQueue::kMaxDatagrams - 64);
  EXPECT_TRUE(queue.push({}, kMessage, false));
}

TEST(ControlQueue, GossipAndHandshakesDoNotCrowdEachOtherOut) {
  const std::vector<uint8_t> gossip(100, 0x83);
  ControlQueue queue;
  for (size_t i = 0; i < ControlQueue::kMaxGossip; ++i) ASSERT_TRUE(queue.push_gossip({}, gossip));
  EXPECT_FALSE(queue.push_gossip({}, gossip));
  for (size_t i = 0; i < 40; ++i) ASSERT_TRUE(queue.push({}, kMessage, false));
  EXPECT_EQ(queue.queued(), 40u);
  ControlBatch batch = queue.take(64);
  EXPECT_EQ(batch.datagrams.size(), 64u);
  EXPECT_EQ(batch.datagrams[31].bytes, kMessage);
  EXPECT_EQ(batch.datagrams[32].bytes, gossip);
  EXPECT_EQ(batch.backlog, 8 + ControlQueue::kMaxGossip - 32);
  batch = queue.take(64);  // what one kind leaves free the other takes
  EXPECT_EQ(batch.datagrams[7].bytes, kMessage);
  EXPECT_EQ(batch.datagrams.size(), 64u);
  EXPECT_EQ(batch.backlog, ControlQueue::kMaxGossip - 32 - 56);
}

TEST(ControlQueue, StrangersLeaveRoomForOtherGossip) {
  const std::vector<uint8_t> hello(116, net::kMinGossipByte);
  const std::vector<uint8_t> data(100, 0x83);
  ControlQueue queue;
  for (size_t i = 0; i < ControlQueue::kMaxStrangers; ++i) ASSERT_TRUE(queue.push_gossip({}, hello));
  EXPECT_FALSE(queue.push_gossip({}, hello));
  EXPECT_TRUE(queue.push_gossip({}, data));
  EXPECT_EQ(queue.take(1).datagrams.size(), 1u);
  EXPECT_TRUE(queue.push_gossip({}, hello));
  EXPECT_FALSE(queue.push_gossip({}, hello));
}

TEST(ControlQueue, QueuesAnEventOfAPeerOnce) {
  ControlQueue queue;
  for (int i = 0; i < 3; ++i) {
    queue.peer_event(EventType::kHandshakeNeeded, 5);
    queue.peer_event(EventType::kKeypairConfirmed, 5);
  }
  queue.peer_event(EventType::kHandshakeNeeded, 6);
  EXPECT_EQ(queue.take(0).events.size(), 3u);
  queue.peer_event(EventType::kHandshakeNeeded, 5);
  EXPECT_EQ(queue.take(0).events.size(), 1u);
}

TEST(ControlQueue, KeepsTheNewestEndpoint) {
  ControlQueue queue;
  queue.endpoint_changed(3, endpoint(1));
  queue.endpoint_changed(3, endpoint(2));
  const ControlBatch batch = queue.take(0);
  ASSERT_EQ(batch.events.size(), 1u);
  EXPECT_EQ(batch.events[0].type, EventType::kEndpointChanged);
  EXPECT_EQ(batch.events[0].a, 3u);
  EXPECT_TRUE(batch.events[0].endpoint == endpoint(2));
}

TEST(ControlQueue, TellsOfLoadOnce) {
  ControlQueue queue;
  queue.push({}, kMessage, true);
  queue.push({}, kMessage, false);
  EXPECT_TRUE(queue.take(0).under_load);
  EXPECT_FALSE(queue.take(10).under_load);
}

TEST(ControlQueue, NotifiesOnceUntilRead) {
  ControlQueue queue;
  int calls = 0;
  queue.push({}, kMessage, false);
  queue.on_readable([&] { ++calls; });
  EXPECT_EQ(calls, 1);  // what came before counts
  queue.push({}, kMessage, false);
  queue.peer_event(EventType::kHandshakeNeeded, 1);
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(queue.take(1).backlog, 1u);
  queue.push({}, kMessage, false);
  EXPECT_EQ(calls, 1);  // the reader knows of the backlog and comes back
  EXPECT_EQ(queue.take(10).backlog, 0u);
  queue.push({}, kMessage, false);
  EXPECT_EQ(calls, 2);
}

TEST(ControlQueue, LosesNothingBetweenTwoThreads) {
  constexpr int kCount = 20'000;
  ControlQueue queue;
  std::atomic<bool> readable{false};
  queue.on_readable([&] { readable = true; });
  std::thread engine([&] {
    for (int i = 0; i < kCount;) {
      if (queue.push({}, kMessage, false)) ++i;
      queue.endpoint_changed(static_cast<uint32_t>(i % 7), endpoint(1));
    }
    queue.event({.type = EventType::kSynced, .a = 1, .endpoint = {}});
  });
  int seen = 0;
  bool synced = false;
  while (!synced || seen < kCount) {
    if (!readable.exchange(false)) {
      std::this_thread::yield();
      continue;
    }
    for (uint32_t backlog = 1; backlog != 0;) {
      const ControlBatch batch = queue.take(100);
      seen += static_cast<int>(batch.datagrams.size());
      for (const Event& e : batch.events) synced |= e.type == EventType::kSynced;
      backlog = batch.backlog;
    }
  }
  engine.join();
  EXPECT_EQ(seen, kCount);
}

}  // namespace
}  // namespace weft::engine
