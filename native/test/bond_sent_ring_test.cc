// What is remembered of sent packets, over sessions and across the ring's end.
#include "bond/sent_ring.h"

#include <gtest/gtest.h>

#include <vector>

namespace weft::bond {
namespace {

TEST(SentRing, FindsWhatWasAddedUntilItIsOverwritten) {
  SentRing ring;
  ring.start_session(1);
  std::vector<uint64_t> orders;
  for (uint64_t counter = 0; counter < 3 * kRemembered; ++counter) {
    uint64_t order;
    ring.add(counter, order).length = static_cast<uint16_t>(counter);
    orders.push_back(order);
    ASSERT_EQ(ring.order_of(1, counter), order);
    if (counter >= kRemembered) {
      ASSERT_EQ(ring.find(orders[counter - kRemembered]), nullptr);
      ASSERT_NE(ring.find(orders[counter - kRemembered + 1]), nullptr);
    }
    ASSERT_EQ(ring.find(order)->length, static_cast<uint16_t>(counter));
  }
}

TEST(SentRing, SessionsFollowEachOther) {
  SentRing ring;
  ring.start_session(10);
  uint64_t a, b, c;
  ring.add(0, a);
  ring.skip(1);
  ring.add(2, b);
  ring.start_session(11);
  ring.add(0, c);
  EXPECT_LT(b, c);
  EXPECT_EQ(ring.order_of(10, 2), b);
  EXPECT_EQ(ring.order_of(11, 0), c);
  EXPECT_FALSE(ring.order_of(10, 3));
  EXPECT_FALSE(ring.order_of(11, 1));
  EXPECT_FALSE(ring.order_of(12, 0));
  EXPECT_EQ(ring.find(*ring.order_of(10, 1)), nullptr);  // a control frame's
  ring.start_session(12);
  EXPECT_FALSE(ring.order_of(10, 2));
  EXPECT_EQ(ring.order_of(11, 0), c);
}

TEST(PathLog, CountsAsALinearSearchDoesAcrossTheWrap) {
  PathLog log;
  std::vector<uint64_t> orders;
  uint64_t order = 0, seed = 1;
  for (uint64_t n = 0; n < 2 * kRemembered + 1000; ++n) {
    seed = seed * 6364136223846793005ull + 1442695040888963407ull;
    order += 1 + (seed >> 62);
    orders.push_back(order);
    log.push(order, 0);
    log.pop(1000 + n);
  }
  const uint64_t oldest = orders.size() - kRemembered;
  for (uint64_t n = oldest; n < orders.size(); n += 97) {
    ASSERT_EQ(log.count_until(orders[n]), n + 1);
    ASSERT_EQ(log.left_at(orders[n]), 1000 + n);
    if (n + 1 < orders.size() && orders[n + 1] > orders[n] + 1) {
      ASSERT_EQ(log.count_until(orders[n] + 1), n + 1);
      ASSERT_FALSE(log.left_at(orders[n] + 1));
    }
  }
  EXPECT_FALSE(log.count_until(orders[oldest] - 1));
  EXPECT_EQ(log.count_until(order + 1000), orders.size());
}

TEST(PathLog, WhatWaitsIsNotCountedAndCanBeTakenBack) {
  PathLog log;
  EXPECT_FALSE(log.count_until(5));
  for (uint64_t order = 1; order <= 10; ++order) log.push(order, 100 * order);
  for (int i = 0; i < 4; ++i) log.pop(50);
  EXPECT_EQ(log.count_until(9), 4u);
  EXPECT_EQ(log.front_order(), 5u);
  EXPECT_EQ(log.front_earliest(), 500u);
  std::vector<uint64_t> taken;
  log.drop_waiting(taken);
  EXPECT_EQ(taken, (std::vector<uint64_t>{5, 6, 7, 8, 9, 10}));
  EXPECT_FALSE(log.waiting());
  log.push(11, 0);
  log.pop(60);
  EXPECT_EQ(log.count_until(11), 5u);
}

}  // namespace
}  // namespace weft::bond
