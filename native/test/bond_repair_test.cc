// What is sent again, how often, and when not.
#include "bond/repair.h"

#include <gtest/gtest.h>

#include "util/clock.h"

namespace weft::bond {
namespace {

constexpr uint64_t kMs = kNanosPerMilli;
constexpr uint64_t kNow = 1000 * kNanosPerSecond;
constexpr uint64_t kRtt = 20 * kMs;
using Verdict = Repair::Verdict;

SentPacket packet(uint64_t left_ns) {
  SentPacket p;
  p.left_ns = left_ns;
  return p;
}

TEST(Repair, OnlyOnceItsOwnPathHasPassedIt) {
  const Repair repair;
  const SentPacket p = packet(kNow - 50 * kMs);
  EXPECT_EQ(repair.judge(kNow, p, {kNow - 60 * kMs, kMs, 0}, kRtt), Verdict::kWait);
  EXPECT_EQ(repair.judge(kNow, p, {kNow - 49 * kMs - kMs / 2, kMs, 0}, kRtt), Verdict::kWait);
  EXPECT_EQ(repair.judge(kNow, p, {kNow - 49 * kMs, kMs, 0}, kRtt), Verdict::kResend);
  EXPECT_EQ(repair.judge(kNow, packet(kNever), {kNow, kMs, 0}, kRtt), Verdict::kWait);
}

// A burst's last but one: nothing left after it for longer than a straggler takes, and nothing came.
TEST(Repair, OrPassedItByLittleLongAgo) {
  const Repair repair;
  const SentPacket p = packet(kNow - 50 * kMs);
  const uint64_t just_after = kNow - 50 * kMs + kMs / 2;
  EXPECT_EQ(repair.judge(kNow, p, {just_after, kMs, 0, kMs / 2}, kRtt), Verdict::kWait);
  EXPECT_EQ(repair.judge(kNow, p, {just_after, kMs, 0, kMs}, kRtt), Verdict::kResend);
  EXPECT_EQ(repair.judge(kNow, p, {kNow - 60 * kMs, kMs, 0, 20 * kMs}, kRtt), Verdict::kWait);
  // Under jitter: 2 * 10 - 2 ms.
  EXPECT_EQ(repair.judge(kNow, p, {just_after, 10 * kMs, 0, 17 * kMs}, kRtt), Verdict::kWait);
  EXPECT_EQ(repair.judge(kNow, p, {just_after, 10 * kMs, 0, 18 * kMs}, kRtt), Verdict::kResend);
}

TEST(Repair, AtMostTwice) {
  const Repair repair;
  SentPacket p = packet(kNow - 100 * kMs);
  p.resent = 1;
  p.resent_ns = kNow - 28 * kMs;
  EXPECT_EQ(repair.judge(kNow, p, {kNow, kMs, 0}, kRtt), Verdict::kWait);
  EXPECT_EQ(repair.judge(kNow + kMs, p, {kNow, kMs, 0}, kRtt), Verdict::kResend);
  p.resent = 2;
  EXPECT_EQ(repair.judge(kNow + kNanosPerSecond, p, {kNow, kMs, 0}, kRtt), Verdict::kRefuse);
}

TEST(Repair, DoesNotHideCongestion) {
  const Repair repair;
  EXPECT_EQ(repair.judge(kNow, packet(kNow - 50 * kMs), {kNow, kMs, 16 * kMs}, kRtt), Verdict::kRefuse);
}

TEST(Repair, ThreePerCentOfWhatIsSent) {
  Repair repair;
  const SentPacket p = packet(kNow - 50 * kMs);
  const Repair::Origin origin{kNow, kMs, 0};
  for (int i = 0; i < 64; ++i) {
    ASSERT_EQ(repair.judge(kNow, p, origin, kRtt), Verdict::kResend);
    repair.spend();
  }
  EXPECT_EQ(repair.judge(kNow, p, origin, kRtt), Verdict::kRefuse);
  for (int i = 0; i < 34; ++i) repair.earn();
  EXPECT_EQ(repair.judge(kNow, p, origin, kRtt), Verdict::kResend);
}

}  // namespace
}  // namespace weft::bond
