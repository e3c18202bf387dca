// When faster paths are made as slow as the slowest.
#include "bond/equaliser.h"

#include <gtest/gtest.h>

#include "util/clock.h"

namespace weft::bond {
namespace {

constexpr uint64_t kMs = kNanosPerMilli;

class Pads : public testing::Test {
 protected:
  Pads() {
    step.now = 1000 * kNanosPerSecond;
    step.fast_rtt_ns = 10 * kMs;
    step.path[0] = {true, false, 0, 40e6, 40e6, 0, 0};
    step.path[1] = {true, false, 35 * kMs, 40e6, 40e6, 0, 0};
  }
  void run(double seconds) {
    for (int i = 0; i < seconds * 40; ++i) {
      step.now += 25 * kMs;
      if (full) step.waited_ns = step.now;
      if (established) equaliser.on_established_bulk(step.now);
      equaliser.step(step);
    }
  }
  void fast_is_full() {
    full = true;
    step.path[0].offered = step.path[0].delivered = 39e6;
  }
  void idle() {
    full = established = false;
    for (auto& p : step.path) p.offered = p.delivered = 0;
  }
  Equaliser equaliser;
  Equaliser::Step step;
  bool full = false, established = false;
};

TEST_F(Pads, NothingWithoutDemand) {
  run(30);
  EXPECT_EQ(equaliser.pad_ns(), 0u);
}

TEST_F(Pads, AFlowIsPaddedFromItsFirstPacketAndGivenUpIfItNeedsNone) {
  run(0.1);
  ASSERT_TRUE(equaliser.wants_early());
  equaliser.on_early_flow(step.now);
  EXPECT_EQ(equaliser.pad_ns(), 35 * kMs);
  run(4);
  EXPECT_EQ(equaliser.pad_ns(), 0u);
}

TEST_F(Pads, FlowsThatNeverNeedItEndIt) {
  run(0.1);
  int flows = 0;
  for (; equaliser.wants_early() && flows < 100; ++flows) {
    equaliser.on_early_flow(step.now);
    run(4);
  }
  EXPECT_LE(flows, 16);
  // One that does brings it back.
  fast_is_full();
  established = true;
  run(15);
  EXPECT_EQ(equaliser.phase(), Equaliser::Phase::kFull);
  idle();
  run(5);
  EXPECT_EQ(equaliser.pad_ns(), 0u);
  EXPECT_TRUE(equaliser.wants_early());
}

TEST_F(Pads, AnEarlyFlowThatFillsThePathKeepsIt) {
  run(0.1);
  equaliser.on_early_flow(step.now);
  fast_is_full();
  step.path[1].offered = step.path[1].delivered = 39e6;
  run(60);
  EXPECT_EQ(equaliser.phase(), Equaliser::Phase::kFull);
  EXPECT_EQ(equaliser.pad_ns(), 35 * kMs);
}

TEST_F(Pads, AnEstablishedFlowIsNotSurprised) {
  established = true;
  fast_is_full();
  run(0.4);
  EXPECT_FALSE(equaliser.wants_early());
  EXPECT_EQ(equaliser.pad_ns(), 0u);
  run(2);
  // Only what is free, until BBR measures its round trip anew.
  EXPECT_EQ(equaliser.phase(), Equaliser::Phase::kRung);
  EXPECT_EQ(equaliser.pad_ns(), 9 * kMs);
  run(10);
  EXPECT_EQ(equaliser.pad_ns(), 35 * kMs);
}

TEST_F(Pads, ASmallDifferenceCostsNothing) {
  step.path[1].delay_ns = 8 * kMs;
  established = true;
  fast_is_full();
  run(2);
  EXPECT_EQ(equaliser.phase(), Equaliser::Phase::kFull);
  EXPECT_EQ(equaliser.pad_ns(), 8 * kMs);
}

TEST_F(Pads, WhatMadeItWorseIsTakenBack) {
  step.path[1].delay_ns = 8 * kMs;
  established = true;
  fast_is_full();
  run(2);
  step.path[0].offered = step.path[0].delivered = 25e6;
  run(5);
  EXPECT_EQ(equaliser.pad_ns(), 0u);
}

TEST_F(Pads, AThinPathIsNotWorthIt) {
  step.path[1].rate = step.path[1].best = 1e6;
  established = true;
  fast_is_full();
  run(30);
  EXPECT_EQ(equaliser.pad_ns(), 0u);
  EXPECT_FALSE(equaliser.wants_early());
}

TEST_F(Pads, APathThatIsAwayForAMomentChangesNothing) {
  run(0.1);
  equaliser.on_early_flow(step.now);
  fast_is_full();
  run(5);
  step.path[1].usable = false;
  run(5);
  EXPECT_EQ(equaliser.pad_ns(), 35 * kMs);
  run(12);
  EXPECT_EQ(equaliser.pad_ns(), 0u);
}

}  // namespace
}  // namespace weft::bond
