// When a path is left, and when it is taken again.
#include "bond/exclusion.h"

#include <gtest/gtest.h>

#include "util/clock.h"

namespace weft::bond {
namespace {

constexpr uint64_t kMs = kNanosPerMilli;
constexpr uint64_t kStart = 1000 * kNanosPerSecond;

TEST(Exclusion, MuchLossOverEnoughPackets) {
  Exclusion e;
  uint64_t sent = 0, received = 0;
  for (int i = 0; i < 40; ++i) EXPECT_FALSE(e.too_lossy(sent += 80, received += 79));  // 1.3 %
  int steps = 0;
  while (!e.too_lossy(sent += 80, received += 72)) ASSERT_LT(++steps, 12);  // 10 %: within 0.3 s
}

TEST(Exclusion, AFewLossesOfFewPacketsAreNone) {
  Exclusion e;
  uint64_t sent = 0, received = 0;
  for (int i = 0; i < 40; ++i) {
    sent += 2;
    received += i % 4 != 0 ? 2 : 1;  // 12 %, but 3 of 24
    EXPECT_FALSE(e.too_lossy(sent, received));
  }
}

TEST(Exclusion, AReceiverThatBeginsAnewIsNoLoss) {
  Exclusion e;
  for (uint64_t i = 1; i < 20; ++i) EXPECT_FALSE(e.too_lossy(100 * i, 100 * i));
  for (uint64_t i = 1; i < 20; ++i) EXPECT_FALSE(e.too_lossy(2000 + 100 * i, 100 * i));
}

TEST(Exclusion, RejoinsByProbesAfterASecond) {
  Exclusion e;
  e.exclude(kStart, Reason::kLoss);
  EXPECT_EQ(e.reason(), Reason::kLoss);
  uint64_t sent = 0;
  for (uint64_t ms = 25; ms < 1000; ms += 25) {
    sent += 2;
    e.too_lossy(sent, sent);
    EXPECT_FALSE(e.may_rejoin(kStart + ms * kMs, true));
  }
  EXPECT_FALSE(e.may_rejoin(kStart + 1001 * kMs, false));
  EXPECT_TRUE(e.may_rejoin(kStart + 1001 * kMs, true));
  e.rejoin();
  EXPECT_FALSE(e.excluded());
}

TEST(Exclusion, ProbesThatAreLostKeepItOut) {
  Exclusion e;
  e.exclude(kStart, Reason::kLoss);
  uint64_t sent = 0, received = 0;
  for (uint64_t ms = 25; ms < 5000; ms += 25) {
    e.too_lossy(sent += 4, received += (ms / 25) % 3 != 0 ? 4 : 3);
    ASSERT_FALSE(e.may_rejoin(kStart + ms * kMs, true));
  }
}

TEST(Exclusion, WithoutTrafficPongsAreEnough) {
  Exclusion e;
  e.exclude(kStart, Reason::kSilent);
  EXPECT_FALSE(e.may_rejoin_idle(kStart + 5000 * kMs));
  for (int i = 0; i < 3; ++i) e.on_pong();
  EXPECT_FALSE(e.may_rejoin_idle(kStart + 500 * kMs));
  EXPECT_TRUE(e.may_rejoin_idle(kStart + 1500 * kMs));
}

TEST(Exclusion, SilenceNeedsPacketsThatShouldHaveCome) {
  Exclusion e;
  const uint64_t gap = 40 * kMs;
  EXPECT_FALSE(e.too_silent(kStart, kStart + 500 * kMs, 500 * kMs, gap));  // nothing was sent: idle, not dead
  for (uint64_t ms = 0; ms < 100; ++ms) e.left().add(kStart + ms * kMs);
  EXPECT_FALSE(e.too_silent(kStart, kStart + 60 * kMs, 30 * kMs, gap));
  EXPECT_TRUE(e.too_silent(kStart, kStart + 60 * kMs, 45 * kMs, gap));
  EXPECT_FALSE(e.too_silent(kStart + 100 * kMs, kStart + 160 * kMs, 45 * kMs, gap));
}

TEST(Exclusion, ACallAloneTakesALittleLonger) {
  Exclusion e;
  for (uint64_t ms = 0; ms < 100; ms += 20) e.left().add(kStart + ms * kMs);
  EXPECT_FALSE(e.too_silent(kStart + 1 * kMs, kStart + 46 * kMs, 45 * kMs, 40 * kMs));
  EXPECT_TRUE(e.too_silent(kStart + 1 * kMs, kStart + 51 * kMs, 50 * kMs, 40 * kMs));
}

TEST(LeaveHistory, ForgetsAfterItsRing) {
  LeaveHistory h;
  for (uint64_t ms = 0; ms < 3000; ++ms) h.add(kStart + ms * kMs);
  EXPECT_NEAR(h.between(kStart + 2900 * kMs, kStart + 2996 * kMs), 96, 8);
  EXPECT_EQ(h.between(kStart, kStart + 1000 * kMs), 0u);
}

}  // namespace
}  // namespace weft::bond
