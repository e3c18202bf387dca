// Chance or congestion: the experiment against a path that loses by chance, and one behind a policer.
#include "bond/loss_judge.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "util/clock.h"

namespace weft::bond {
namespace {

constexpr uint64_t kMs = kNanosPerMilli;
constexpr double kPacketBits = 11'200;

struct LossyLink {
  LossJudge judge;
  std::mt19937 random{1};
  double chance = 0, policed = 1e12, rate = 40e6, ceiling = 40e6;
  uint64_t now = 1000 * kNanosPerSecond;
  double sent = 0, received = 0, owed = 0;

  void run(double seconds) {
    for (int i = 0; i < seconds * 40; ++i) {
      owed += rate * 0.025 / kPacketBits;
      const double packets = std::floor(owed);
      owed -= packets;
      double in = std::min(packets, std::round(policed * 0.025 / kPacketBits));
      in -= std::binomial_distribution<int>(static_cast<int>(in), chance)(random);
      sent += packets;
      received += in;
      now += 25 * kMs;
      LossJudge::Step step;
      step.now = now;
      step.sent = static_cast<uint64_t>(sent);
      step.received = static_cast<uint64_t>(received);
      step.rate = rate;
      step.delivered = in * kPacketBits / 0.025;
      step.offered = packets * kPacketBits / 0.025;
      step.rtt_ns = 20 * kMs;
      const double judged = judge.step(step);
      rate = judged < rate ? judged : std::min(std::max(judged, rate * 1.008), ceiling);
    }
  }
};

TEST(LossJudge, NoLossNoChange) {
  LossyLink link;
  link.run(30);
  EXPECT_EQ(link.rate, 40e6);
  EXPECT_EQ(link.judge.judged_random() + link.judge.judged_congested(), 0u);
}

TEST(LossJudge, ChanceDoesNotSlowDown) {
  for (const double chance : {0.01, 0.02}) {
    LossyLink link;
    link.chance = chance;
    link.run(5);
    EXPECT_GE(link.judge.judged_random(), 1u);
    const double before = link.sent;
    link.run(50);
    EXPECT_GT((link.sent - before) * kPacketBits / 50, 0.95 * 40e6) << chance;
  }
}

TEST(LossJudge, APolicerIsFoundAndItsRateKept) {
  LossyLink link;
  link.policed = 20e6;
  link.ceiling = 200e6;
  link.run(10);
  EXPECT_GE(link.judge.judged_congested(), 1u);
  const double sent = link.sent, received = link.received;
  link.run(60);
  const double loss = 1 - (link.received - received) / (link.sent - sent);
  EXPECT_LT(loss, 0.01);
  EXPECT_NEAR((link.sent - sent) * kPacketBits / 60 / 20e6, 1, 0.10);
}

TEST(LossJudge, APolicerThatIsLiftedIsLeftBehind) {
  LossyLink link;
  link.policed = 20e6;
  link.ceiling = 40e6;
  link.run(20);
  link.policed = 1e12;
  link.run(120);
  EXPECT_GT(link.rate, 30e6);
}

// A host that stood still, a radio that was gone for a moment: the loss is gone before it can be judged.
TEST(LossJudge, ABurstOfLossesIsForgottenWithinSeconds) {
  LossyLink link;
  link.run(2);
  link.policed = 6e6;
  link.run(0.3);
  link.policed = 1e12;
  link.run(1);
  ASSERT_EQ(link.judge.judged_congested(), 1u);
  ASSERT_LT(link.rate, 10e6);
  link.run(14);
  EXPECT_GT(link.rate, 30e6);
}

TEST(LossJudge, LossAtALowRateIsNotOurs) {
  LossyLink link;
  link.chance = 0.02;
  link.ceiling = link.rate = 5e6;
  LossJudge::Step step;
  for (int i = 1; i < 400; ++i) {
    step.now = static_cast<uint64_t>(i) * 25 * kMs;
    step.sent += 50;
    step.received += 49;
    step.rate = 40e6;
    step.offered = step.delivered = 20e6;
    ASSERT_EQ(link.judge.step(step), 40e6);
  }
  EXPECT_NEAR(link.judge.recent_loss(), 0.02, 0.001);
}

}  // namespace
}  // namespace weft::bond
