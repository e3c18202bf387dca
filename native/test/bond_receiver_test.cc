// The receiving half: when a hole is given up, what is reported, what is listed as missing.
#include "bond/receiver.h"

#include <gtest/gtest.h>

#include <random>
#include <set>

#include "bond_receiving_end.h"

namespace weft::bond {
namespace {

constexpr SessionIndex kSession = ReceivingEnd::kSession;

Numbers listed(const std::optional<Nack>& nack) {
  Numbers out;
  if (!nack) return out;
  for (const Nack::Range& range : nack->ranges) {
    for (uint32_t i = 0; i < range.count; ++i) out.push_back(range.first + i);
  }
  return out;
}

PathReport of_path(const Report& report, PathId path) {
  for (const PathReport& p : std::span(report.path).first(report.paths)) {
    if (p.path == path) return p;
  }
  return {};
}

TEST(BondReceiver, AHoleIsLostOnceEveryPathHasPassedIt) {
  ReceivingEnd end;
  end.state(kStart, 250'000);
  end.bulk(kStart, 0, 0);
  end.bulk(kStart, 1, 1);
  end.bulk(kStart + 1 * kMs, 0, 3);
  EXPECT_EQ(end.take(), (Numbers{0, 1}));
  end.bulk(kStart + 2 * kMs, 1, 4);
  EXPECT_EQ(end.take(), (Numbers{3, 4}));
  EXPECT_EQ(end.receiver.status().proven_lost, 1u);
}

TEST(BondReceiver, SlackAndRepairPutTheProofOff) {
  ReceivingEnd end;
  end.state(kStart, 250'000, 4'000, 30'000);
  end.bulk(kStart, 0, 0);
  end.bulk(kStart, 1, 1);
  end.bulk(kStart + 10 * kMs, 0, 3);
  end.bulk(kStart + 12 * kMs, 1, 4);
  end.take();
  EXPECT_EQ(end.when_released(), kStart + 46 * kMs);
  EXPECT_EQ(end.take(), (Numbers{3, 4}));
}

TEST(BondReceiver, APathThatCarriesNothingIsNotWaitedFor) {
  ReceivingEnd end;
  end.state(kStart, 250'000, 0, 0, 0b01);
  end.bulk(kStart, 1, 0);
  end.bulk(kStart, 0, 1);
  end.bulk(kStart, 0, 3);
  EXPECT_EQ(end.take(), (Numbers{0, 1, 3}));
}

// It has died: what it was given comes by the other, behind what that was given before.
TEST(BondReceiver, WhatADeadPathWasGivenIsWaitedFor) {
  ReceivingEnd end;
  end.state(kStart, 120'000, 0, 33'000);
  end.bulk(kStart, 0, 0);
  end.bulk(kStart, 1, 1);
  end.bulk(kStart + 10 * kMs, 1, 3);
  end.state(kStart + 100 * kMs, 120'000, 0, 0, 0b10);
  end.bulk(kStart + 101 * kMs, 1, 4);
  EXPECT_EQ(end.take(), (Numbers{0, 1}));
  end.bulk(kStart + 160 * kMs, 1, 2);
  EXPECT_EQ(end.take(), (Numbers{2, 3, 4}));
  // But not for ever.
  end.state(kStart + 200 * kMs, 120'000, 0, 33'000);
  end.bulk(kStart + 201 * kMs, 1, 6);
  end.state(kStart + 210 * kMs, 120'000, 0, 0, 0b10);
  end.take();
  EXPECT_EQ(end.when_released(), kStart + 303 * kMs);
  EXPECT_EQ(end.receiver.status().proven_lost, 1u);
}

TEST(BondReceiver, ClassesThatOvertakeProveNothing) {
  ReceivingEnd end;
  end.state(kStart, 250'000);
  end.bulk(kStart, 0, 0);
  end.bulk(kStart, 1, 1);
  end.bulk(kStart, 0, 3);
  end.sparse(kStart, 1, 5);
  end.latency(kStart, 1, 6, 0);
  end.control(kStart, 1, 7);
  EXPECT_EQ(end.take(), (Numbers{0, 1, 5, 6}));
  EXPECT_EQ(end.receiver.status().buffered, 1u);
}

TEST(BondReceiver, WithoutAWordFromTheSenderPathsThatCarriedLatelyCount) {
  ReceivingEnd end;
  end.bulk(kStart, 0, 0);
  end.bulk(kStart, 1, 1);
  end.bulk(kStart, 0, 3);
  EXPECT_EQ(end.take(), (Numbers{0, 1}));
  end.bulk(kStart + kMs, 1, 4);
  EXPECT_EQ(end.take(), (Numbers{3, 4}));
  end.bulk(kStart + 600 * kMs, 0, 6);  // the other has been quiet for long
  EXPECT_EQ(end.take(), (Numbers{6}));
}

TEST(BondReceiver, AnOlderPathStateIsNotTaken) {
  ReceivingEnd end;
  end.receiver.on_path_state(kStart, {.sequence = UINT32_MAX, .hold_us = 50'000});
  end.receiver.on_path_state(kStart, {.sequence = 0, .hold_us = 55'000});  // across the wrap
  end.receiver.on_path_state(kStart, {.sequence = UINT32_MAX - 5, .hold_us = 70'000});
  end.bulk(kStart, 0, 0);
  end.state(kStart, 60'000);  // number 1
  end.receiver.on_path_state(kStart + kMs, {.sequence = UINT32_MAX, .hold_us = 70'000});
  end.bulk(kStart, 0, 2);
  end.take();
  EXPECT_EQ(end.when_released(), kStart + 60 * kMs);
  end.take();
  // A peer that restarted counts anew.
  const uint64_t later = kStart + 3001 * kMs;
  end.receiver.on_path_state(
      later, {.sequence = 0, .hold_us = 70'000, .paths = 1, .path = {{{.path = 1, .carries_bulk = true}}}});
  end.bulk(later, 0, 4);
  EXPECT_EQ(end.when_released(), later + 70 * kMs);
}

TEST(BondReceiver, CountsEachPacketOnceAPath) {
  ReceivingEnd end;
  for (uint64_t i = 0; i < 10; ++i) end.bulk(kStart, 0, i);
  end.copy(kStart, 0, 9);                                       // doubled by the network
  for (uint64_t i = 0; i < 10; i += 2) end.copy(kStart, 1, i);  // the sender's copies
  end.control(kStart, 1, 10);
  const Report report = *end.receiver.report_due(kStart);
  EXPECT_EQ(report.session, kSession);
  EXPECT_EQ(report.next, 11u);
  EXPECT_EQ(of_path(report, 0).received, 10u);
  EXPECT_EQ(of_path(report, 0).highest, 9u);
  EXPECT_EQ(of_path(report, 0).bytes, 11'000u);
  EXPECT_EQ(of_path(report, 1).received, 5u);
  EXPECT_EQ(of_path(report, 1).highest, 8u);
  EXPECT_EQ(of_path(report, 1).bytes, 5'064u);
}

TEST(BondReceiver, ARepairCountsOnNoPath) {
  ReceivingEnd end;
  end.state(kStart, 250'000, 1'000, 100'000);
  for (const uint64_t c : {0, 2, 3}) end.bulk(kStart, 0, c);
  for (const uint64_t c : {1, 6}) end.bulk(kStart, 1, c);
  const auto report = end.receiver.report_due(kStart);
  ASSERT_TRUE(report);
  EXPECT_EQ(listed(end.receiver.nack_due(kStart)), (Numbers{4, 5}));
  end.bulk(kStart + 500'000, 1, 5);  // within the slack: only reordered by its path
  end.bulk(kStart + 30 * kMs, 0, 7);
  end.bulk(kStart + 30 * kMs, 1, 4);  // sent again
  EXPECT_EQ(end.take(), (Numbers{0, 1, 2, 3, 4, 5, 6, 7}));
  const Report after = *end.receiver.report_due(kStart + 30 * kMs);
  EXPECT_EQ(of_path(after, 0).received, 4u);
  EXPECT_EQ(of_path(after, 1).received, 3u);
}

TEST(BondReceiver, ARepairThatIsAheadOnItsPathIsTakenForBulk) {
  // What the path has not passed cannot be told from its own: the mark may then prove more than is true, but never
  // less.
  ReceivingEnd end;
  end.state(kStart, 250'000, 0, 100'000);
  end.bulk(kStart, 0, 0);
  end.bulk(kStart, 0, 2);
  ASSERT_TRUE(end.receiver.report_due(kStart));
  ASSERT_EQ(listed(end.receiver.nack_due(kStart)), (Numbers{1}));
  end.bulk(kStart + 40 * kMs, 1, 1);
  EXPECT_EQ(of_path(*end.receiver.report_due(kStart + 40 * kMs), 1).received, 1u);
}

TEST(BondReceiver, SamplesSpreadOverTheInterval) {
  ReceivingEnd end;
  for (uint64_t i = 0; i < 100; ++i) end.bulk(kStart + i * kMs / 10, 0, i);
  const Report report = *end.receiver.report_due(kStart + 10 * kMs);
  const PathReport path = of_path(report, 0);
  ASSERT_GE(path.samples, 4u);
  for (uint8_t i = 0; i < path.samples; ++i) {
    const uint64_t counter = path.highest - path.sample[i].below_highest;
    EXPECT_EQ(path.sample[i].age_us, (100 - counter) * 100) << counter;
  }
  EXPECT_LE(path.highest - path.sample[0].below_highest, 10u);
  EXPECT_GE(path.highest - path.sample[path.samples - 1].below_highest, 70u);
  EXPECT_EQ(path.last_age_us, 100u);
  EXPECT_EQ(of_path(*end.receiver.report_due(kStart + 2000 * kMs), 0).samples, 0u);
}

TEST(BondReceiver, ReportsComeFasterWhilePacketsWait) {
  ReceivingEnd end;
  EXPECT_EQ(end.receiver.next_deadline(), kNever);
  end.bulk(kStart, 0, 0);
  EXPECT_TRUE(end.receiver.report_due(kStart));
  EXPECT_FALSE(end.receiver.report_due(kStart + 24 * kMs));
  EXPECT_EQ(end.receiver.next_deadline(), kStart + 25 * kMs);  // that nothing came since may be the news
  end.bulk(kStart + 1 * kMs, 0, 1);
  EXPECT_EQ(end.receiver.next_deadline(), kStart + 25 * kMs);
  end.bulk(kStart + 2 * kMs, 1, 3);
  end.state(kStart + 2 * kMs, 250'000);
  EXPECT_EQ(end.receiver.next_deadline(), kStart + 5 * kMs);
}

TEST(BondReceiver, ReportsEndWhenNothingComes) {
  ReceivingEnd end;
  end.bulk(kStart, 0, 0);
  uint32_t reports = 0;
  for (uint64_t now = kStart; end.receiver.next_deadline() != kNever; ++reports) {
    now = std::max(now, end.receiver.next_deadline());
    end.expire(now);
    ASSERT_TRUE(end.receiver.report_due(now));
    ASSERT_LT(reports, 100u);
  }
  EXPECT_GE(reports, 30u);
  EXPECT_LE(reports, 60u);
  end.bulk(kStart + 600 * kNanosPerSecond, 0, 1);
  EXPECT_LE(end.receiver.next_deadline(), kStart + 600 * kNanosPerSecond);
}

// Two ends that answer each other's frames with frames would never be quiet.
TEST(BondReceiver, ControlFramesAndTheirCopiesCauseNoReports) {
  ReceivingEnd end;
  for (uint64_t i = 0; i < 100; ++i) {
    end.control(kStart + i * kMs, 0, i);
    end.receiver.duplicate(kStart + i * kMs, 1, kSession, i, Class::kSparse, 64);
  }
  EXPECT_EQ(end.receiver.next_deadline(), kNever);
}

TEST(BondReceiver, ANackListsWhatAPathHasJustPassed) {
  ReceivingEnd end;
  end.state(kStart, 250'000, 0, 200'000);
  end.bulk(kStart, 0, 0);
  end.bulk(kStart, 1, 1);
  // The even ones come by the fast path, the odd ones are 70 ms behind.
  uint64_t now = kStart;
  Numbers in_full, lately;
  for (uint64_t c = 2; c < 200; c += 2) {
    now += kMs;
    end.bulk(now, 0, c);
    if (!end.receiver.report_due(now)) continue;
    const Numbers list = listed(end.receiver.nack_due(now));
    if (c > 100) (list.size() > 20 ? in_full : lately) = list;
  }
  EXPECT_GE(in_full.size(), 80u);
  EXPECT_EQ(in_full.front(), 3u);
  EXPECT_LE(lately.size(), 14u);  // of the last 12 ms
  ASSERT_FALSE(lately.empty());
  EXPECT_GT(lately.front(), 150u);
}

TEST(BondReceiver, ANackAlwaysListsWhatIsProvenLost) {
  ReceivingEnd end;
  end.state(kStart, 250'000, 0, 200'000);
  end.bulk(kStart, 0, 0);
  end.bulk(kStart, 1, 1);
  end.bulk(kStart, 0, 3);
  end.bulk(kStart, 1, 4);
  for (uint64_t now = kStart; now < kStart + 100 * kMs; now += 5 * kMs) {
    ASSERT_TRUE(end.receiver.report_due(now));
    EXPECT_EQ(listed(end.receiver.nack_due(now)), (Numbers{2})) << (now - kStart) / kMs;
  }
}

TEST(BondReceiver, ANackNamesNothingTwiceAndNothingThatCame) {
  std::mt19937_64 random(3);
  ReceivingEnd end;
  end.state(kStart, 250'000, 2'000, 50'000);
  std::set<uint64_t> came;
  uint64_t now = kStart;
  for (uint64_t c = 0; c < 20'000; ++c) {
    now += 50'000;
    if (random() % 20 == 0) continue;
    end.bulk(now, static_cast<PathId>(c % 3 == 0), c);
    came.insert(c);
    if (!end.receiver.report_due(now)) continue;
    const Numbers list = listed(end.receiver.nack_due(now));
    for (size_t i = 0; i < list.size(); ++i) {
      ASSERT_FALSE(came.contains(list[i]));
      ASSERT_LT(list[i], c);
      ASSERT_TRUE(i == 0 || list[i - 1] < list[i]);
    }
  }
}

TEST(BondReceiver, AMovedPathKeepsItsCounts) {
  ReceivingEnd end(2);
  for (uint64_t i = 0; i < 10; ++i) end.bulk(kStart, 1, i);
  // From another address, before and after it has said which path it is.
  end.bulk(kStart, 5, 10);
  end.receiver.set_remote_path(5, 1);
  end.bulk(kStart, 5, 11);
  end.receiver.remove_path(1);
  EXPECT_EQ(of_path(*end.receiver.report_due(kStart), 1).received, 12u);
  EXPECT_EQ(end.receiver.totals(5).packets, 2u);
}

TEST(BondReceiver, AWayThatIsNotKnownYetDeliversAllTheSame) {
  ReceivingEnd end;
  end.bulk(kStart, kNoPath, 0);
  end.bulk(kStart, kNoPath, 1);
  EXPECT_EQ(end.take(), (Numbers{0, 1}));
}

TEST(BondReceiver, ASessionThatWasNotAnnouncedDeliversAtOnce) {
  ReceivingEnd end;
  end.bulk(kStart, 0, 5, kSession + 1);
  end.bulk(kStart, 0, 3, kSession + 1);
  EXPECT_EQ(end.take(), (Numbers{5, 3}));
}

}  // namespace
}  // namespace weft::bond
