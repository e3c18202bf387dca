// One order over several sessions.
#include "bond/session_order.h"

#include <gtest/gtest.h>

namespace weft::bond {
namespace {

constexpr uint64_t kGap = SessionOrder::kGap;

TEST(BondSessionOrder, ASessionMustBeAnnounced) {
  SessionOrder sessions;
  EXPECT_FALSE(sessions.order(1, 0));
  sessions.start(1);
  EXPECT_EQ(sessions.order(1, 5), 5u);
  EXPECT_EQ(sessions.newest(), 1u);
}

TEST(BondSessionOrder, ANewOneBeginsBehindAGap) {
  SessionOrder sessions;
  sessions.start(1);
  sessions.order(1, 99);
  sessions.start(2);
  EXPECT_EQ(sessions.order(1, 199), 199u);  // announced is not begun
  const uint64_t base = 200 + kGap;
  EXPECT_EQ(sessions.order(2, 7), base + 7);
  EXPECT_EQ(sessions.newest(), 2u);
  EXPECT_EQ(sessions.order(1, 250), 250u);  // still on its way
  EXPECT_EQ(sessions.order(2, 3), base + 3);
  EXPECT_FALSE(sessions.order(1, base));  // beyond the gap: no place is left
  EXPECT_EQ(sessions.counter_in_newest(base + 9), 9u);
  EXPECT_EQ(sessions.counter_in_newest(200), 0u);
}

TEST(BondSessionOrder, GapsHoldNoPackets) {
  SessionOrder sessions;
  sessions.start(1);
  sessions.order(1, 99);
  sessions.start(2);
  const uint64_t base = *sessions.order(2, 0);
  EXPECT_EQ(sessions.gap_within(0, 100), 0u);
  EXPECT_EQ(sessions.gap_within(50, base + 50), kGap);
  EXPECT_EQ(sessions.gap_within(100, 110), 10u);
  EXPECT_EQ(sessions.gap_within(base - 5, base + 1), 5u);
  EXPECT_EQ(sessions.gap_within(base, base + 100), 0u);
  EXPECT_EQ(sessions.extent_from(99)->session, 1u);
  EXPECT_EQ(sessions.extent_from(100)->session, 2u);
  EXPECT_FALSE(sessions.extent_from(base + 1));
}

TEST(BondSessionOrder, TheOldestAreForgotten) {
  SessionOrder sessions;
  for (SessionIndex i = 1; i <= 4; ++i) {
    sessions.start(i);
    sessions.order(i, 0);
  }
  EXPECT_FALSE(sessions.order(1, 1));
  EXPECT_TRUE(sessions.order(2, 1));
  for (SessionIndex i = 5; i <= 8; ++i) sessions.start(i);
  EXPECT_FALSE(sessions.order(5, 0));  // never used, and three were announced since
  EXPECT_TRUE(sessions.order(6, 0));
}

TEST(BondSessionOrder, ACounterNearItsEndDoesNoHarm) {
  SessionOrder sessions;
  sessions.start(1);
  sessions.order(1, UINT64_MAX - (uint64_t{1} << 13) - 1);
  sessions.start(2);
  const uint64_t base = *sessions.order(2, 0);
  EXPECT_EQ(*sessions.order(2, 1) - base, 1u);
  EXPECT_EQ(sessions.counter_in_newest(base + 1), 1u);
}

}  // namespace
}  // namespace weft::bond
