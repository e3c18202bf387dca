// Which paths the sending half uses: those it leaves because they are dead, lossy, far or thin, and how they come back.
#include "bond_sender_rig.h"

namespace weft::bond {
namespace {

TEST(BondSender, ADeadPathIsLeftAndItsPacketsGoByTheOther) {
  Rig rig({{}, {}});
  rig.load(60e6, 3 * kNanosPerSecond);
  rig.links[1].dead = true;
  rig.load(30e6, 120 * kMs);
  EXPECT_EQ(rig.sender.active(), 0b01);
  EXPECT_EQ(rig.sender.status(rig.now, 1).reason, Reason::kSilent);
  rig.load(20e6, 500 * kMs);
  uint64_t missing = 0;
  for (uint64_t c = 0; c + 100 < rig.counter; ++c) missing += !rig.arrived.contains(c);
  EXPECT_EQ(missing, 0u);
  // And it is taken again when it lives.
  rig.links[1].dead = false;
  rig.load(60e6, 2500 * kMs);
  EXPECT_EQ(rig.sender.active(), 0b11);
}

TEST(BondSender, ALossyPathIsLeftAndComesBack) {
  Rig rig({{}, {}});
  rig.load(60e6, 3 * kNanosPerSecond);
  rig.links[1].lose_every = 10;
  rig.load(60e6, 400 * kMs);
  EXPECT_EQ(rig.sender.active(), 0b01);
  EXPECT_EQ(rig.sender.status(rig.now, 1).reason, Reason::kLoss);
  rig.load(60e6, 3 * kNanosPerSecond);
  EXPECT_EQ(rig.sender.active(), 0b01);
  rig.links[1].lose_every = 0;
  rig.load(60e6, 2 * kNanosPerSecond);
  EXPECT_EQ(rig.sender.active(), 0b11);
}

// The last of what a full queue dropped is missed when the queue has gone.
TEST(BondSender, WhatAFullQueueDroppedIsNoReasonToLeave) {
  for (const uint64_t queue_ms : {40, 50, 70, 100}) {
    for (uint64_t thin_ms = 40; thin_ms <= 150; thin_ms += 10) {
      Rig rig({{}, {}});
      rig.links[1].queue_ns = queue_ms * kMs;
      rig.load(100e6, 3 * kNanosPerSecond);
      rig.links[1].rate = 10e6;
      rig.load(100e6, thin_ms * kMs);
      rig.links[1].rate = 40e6;
      for (uint64_t ms = 0; ms < 500; ms += 5) {
        rig.load(100e6, 5 * kMs);
        ASSERT_EQ(rig.sender.active(), 0b11)
            << "queue of " << queue_ms << " ms, full after " << thin_ms << " ms, " << ms << " ms later";
      }
    }
  }
}

TEST(BondSender, AFarPathIsLeftOutAndTakesOver) {
  Rig rig({link(40e6, 10), link(40e6, 300)});
  rig.load(60e6, 2 * kNanosPerSecond);
  EXPECT_EQ(rig.sender.status(rig.now, 0).reason, Reason::kActive);
  EXPECT_EQ(rig.sender.status(rig.now, 1).reason, Reason::kApart);
  EXPECT_EQ(rig.sender.active(), 0b01);
  rig.sender.remove_path(rig.now, 0);
  EXPECT_EQ(rig.sender.active(), 0b10);
}

// What a hiccup cuts a rate to says little of the path, and neither does what was lost then.
TEST(BondSender, AHiccupIsNoReasonToStandApart) {
  for (uint64_t stuck_ms = 50; stuck_ms <= 400; stuck_ms += 25) {
    Rig rig({link(40e6, 10), link(40e6, 25)});
    rig.load(60e6, 500 * kMs);
    rig.links[0].rate = 0.3e6;
    rig.load(60e6, stuck_ms * kMs);
    rig.links[0].rate = 40e6;
    for (uint64_t ms = 0; ms < 3000; ms += 10) {
      rig.load(60e6, 10 * kMs);
      ASSERT_NE(rig.sender.status(rig.now, 0).reason, Reason::kApart) << stuck_ms << " ms, " << ms << " ms later";
    }
    rig.load(60e6, 2 * kNanosPerSecond);
    EXPECT_EQ(rig.sender.active(), 0b11) << stuck_ms << " ms";
  }
}

TEST(BondSender, APathThatHasBecomeLossyAndThinIsLeftOut) {
  Rig rig({link(40e6, 10), link(40e6, 25)});
  rig.load(60e6, 3 * kNanosPerSecond);
  rig.links[0].rate = 4e6;
  rig.links[0].lose_every = 100;
  rig.load(60e6, 14 * kNanosPerSecond);
  EXPECT_EQ(rig.sender.status(rig.now, 0).reason, Reason::kApart);
  EXPECT_EQ(rig.sender.active(), 0b10);
}

TEST(BondSender, APathWithoutAQueueIsKeptAtWhatItCarries) {
  Rig rig({link(40e6, 10), link(20e6, 25)});
  rig.links[1].queue_ns = kMs;
  EXPECT_FALSE(rig.sender.status(rig.now, 1).capped);
  rig.load(100e6, 5 * kNanosPerSecond);
  EXPECT_TRUE(rig.sender.status(rig.now, 1).capped);
  EXPECT_FALSE(rig.sender.status(rig.now, 0).capped);
  EXPECT_EQ(rig.sender.active(), 0b11);
}

// What it carries beside a path that is thin itself says nothing of what it adds to the best.
TEST(BondSender, AThinLossyPathIsLeftOutBesideAnotherThinOne) {
  Rig rig({link(100e6, 10), link(40e6, 25), link(6e6, 25)});
  rig.load(150e6, 3 * kNanosPerSecond);
  rig.links[1].rate = 4e6;
  rig.links[1].lose_every = 100;
  rig.load(150e6, 14 * kNanosPerSecond);
  EXPECT_EQ(rig.sender.status(rig.now, 1).reason, Reason::kApart);
}

// What a flow gets over the near one is little: bulk goes by the far one, calls do not.
TEST(BondSender, AFarPathThatCarriesMuchMoreThanALossyOneGetsTheBulk) {
  Rig rig({link(4e6, 10), link(40e6, 300)});
  rig.links[0].lose_every = 100;
  rig.load(8e6, 500 * kMs);
  rig.load(3e6, 5 * kNanosPerSecond);
  EXPECT_EQ(rig.sender.status(rig.now, 0).reason, Reason::kApart);
  EXPECT_EQ(rig.sender.active(), 0b10);
  EXPECT_EQ(rig.sender.choose(rig.now, Class::kBulk, kPacket)->path, 1);
  EXPECT_EQ(rig.sender.choose(rig.now, Class::kLatency, 200)->path, 0);
  rig.sender.remove_path(rig.now, 1);
  EXPECT_EQ(rig.sender.active(), 0b01);
}

TEST(BondSender, ARefusedPathIsLeftAtOnce) {
  Rig rig({{}, {}});
  rig.load(60e6, kNanosPerSecond);
  rig.wire.down = 0b10;
  rig.load(60e6, 5 * kMs);
  EXPECT_EQ(rig.sender.status(rig.now, 1).reason, Reason::kRefused);
  EXPECT_EQ(rig.sender.active(), 0b01);
}

// Of a call on a path from which nothing is heard any more: what is sent now, and what was under way, goes by another.
TEST(BondSender, ACallIsCopiedWhenItsPathFallsSilent) {
  Rig rig({link(40e6, 10), link(40e6, 40)});
  rig.load(60e6, kNanosPerSecond);
  const auto call = [&rig] {
    const uint64_t mine = rig.counter;
    rig.offer(Class::kLatency, 200);
    return mine;
  };
  const auto hear = [&rig](uint64_t duration_ns) {
    for (const uint64_t end = rig.now + duration_ns; rig.now < end;) {
      rig.sender.heard(rig.now, 0);
      rig.advance(kMs);
    }
  };
  const auto goes_by = [&rig](uint64_t counter) {
    PathSet set = 0;
    for (const auto& d : rig.wire.sent) {
      if (d.counter == counter) set |= static_cast<PathSet>(1u << d.path);
    }
    return set;
  };
  hear(kNanosPerSecond);
  call();
  hear(100 * kMs);
  call();
  rig.step();
  rig.links[0].dead = true;
  rig.advance(5 * kMs);
  const uint64_t lost = call();
  rig.step();
  EXPECT_EQ(goes_by(lost), 0b01);
  rig.advance(15 * kMs);
  const uint64_t next = call();
  rig.step();
  EXPECT_EQ(goes_by(next), 0b11);
  EXPECT_EQ(goes_by(lost), 0b10);
  rig.advance(kMs);
  const uint64_t third = call();
  rig.step();
  EXPECT_EQ(goes_by(third), 0b11);
  EXPECT_EQ(goes_by(lost), 0);  // once is enough
  rig.sender.heard(rig.now, 0);
  const uint64_t fourth = call();
  rig.step();
  EXPECT_EQ(goes_by(fourth), 0b01);
}

// Where there is no bulk there are no copies of it that could prove a path, however busy it is otherwise.
TEST(BondSender, WithoutBulkPingsBringAPathBack) {
  Rig rig({{}, {}});
  const auto acknowledge = [&rig](uint64_t duration_ns) {
    for (const uint64_t end = rig.now + duration_ns; rig.now < end; rig.advance(2 * kMs))
      rig.offer(Class::kSparse, 100);
  };
  acknowledge(kNanosPerSecond);
  rig.wire.down = 0b01;
  acknowledge(100 * kMs);
  EXPECT_EQ(rig.sender.active(), 0b10);
  rig.wire.down = 0;
  for (int i = 0; i < 4; ++i) rig.sender.on_rtt(rig.now, 0, 20 * kMs);
  acknowledge(2 * kNanosPerSecond);
  EXPECT_EQ(rig.sender.active(), 0b11);
}

// A queue grows on the path of a call: what is in it would come after what then goes by the other path.
TEST(BondSender, ACallThatLeavesAPathIsHeardWhole) {
  Rig rig({{}, {.delay_ns = 20 * kMs}});
  rig.load(60e6, 2 * kNanosPerSecond);
  uint64_t said = 0;
  for (int i = 0; i < 300; ++i, ++said) {
    if (i == 100) rig.links[0].busy_ns += 90 * kMs;
    rig.offer(Class::kLatency, 250);
    rig.load(60e6, 3 * kMs);
  }
  rig.advance(200 * kMs);
  EXPECT_GT(rig.chosen[1], 0u);
  EXPECT_EQ(rig.heard, said);
}

TEST(BondSender, AllSilentAtOnceExcludesNone) {
  Rig rig({{}, {}});
  rig.load(60e6, 2 * kNanosPerSecond);
  rig.links[0].dead = rig.links[1].dead = true;
  rig.load(60e6, 500 * kMs);
  EXPECT_EQ(rig.sender.active(), 0b11);
}

TEST(BondSender, IdleIsNoEvidence) {
  Rig rig({{}, {}});
  rig.load(100e6, 2 * kNanosPerSecond);
  rig.advance(300 * kMs);
  rig.now += 600 * kNanosPerSecond;
  EXPECT_EQ(rig.sender.active(), 0b11);
  rig.load(100e6, 500 * kMs);
  EXPECT_EQ(rig.sender.active(), 0b11);
  rig.chosen.clear();
  rig.load(100e6, 500 * kMs);
  EXPECT_GT(rig.chosen[0], 100u);
  EXPECT_GT(rig.chosen[1], 100u);
}

TEST(BondSender, WithoutReportsBothPathsGoOn) {
  Rig rig({{}, {}});
  rig.load(100e6, 2 * kNanosPerSecond);
  rig.reporting = false;
  rig.load(100e6, 5 * kNanosPerSecond);
  rig.chosen.clear();
  rig.load(100e6, kNanosPerSecond);
  EXPECT_GT(rig.chosen[0], 1000u);
  EXPECT_GT(rig.chosen[1], 1000u);
}

}  // namespace
}  // namespace weft::bond
