// When packets leave, and in which order.
#include "bond/pacer.h"

#include <gtest/gtest.h>

namespace weft::bond {
namespace {

constexpr uint64_t kMs = kNanosPerMilli;
constexpr uint64_t kStart = 1000 * kNanosPerSecond;

// Everything due, as (kind, order).
std::vector<std::pair<Pacer::Kind, uint64_t>> leave(Pacer& pacer, uint64_t now, uint32_t bytes = 1000) {
  std::vector<std::pair<Pacer::Kind, uint64_t>> out;
  uint64_t order;
  Pacer::Kind kind;
  while (pacer.due(now, order, kind)) {
    pacer.leave(now, kind, bytes);
    out.emplace_back(kind, order);
  }
  return out;
}

TEST(Pacer, KeepsTheRateHoweverRarelyItIsPumped) {
  for (const uint64_t step : {kMs / 10, kMs, 3 * kMs}) {
    Pacer pacer;
    pacer.set_rate(8e6);  // a packet a millisecond
    uint64_t order = 0, left = 0;
    for (uint64_t now = kStart; now < kStart + 1000 * kMs; now += step) {
      while (pacer.wait_ns(now) < 20 * kMs) pacer.place_bulk(order++, 1000, now);
      left += leave(pacer, now).size();
    }
    EXPECT_NEAR(static_cast<double>(left), 1000, 6) << step;
  }
}

TEST(Pacer, ALongPauseOfItsOwnerIsNoBurst) {
  Pacer pacer;
  pacer.set_rate(8e6);
  for (uint64_t order = 0; order < 100; ++order) pacer.place_bulk(order, 1000, kStart);
  EXPECT_LE(leave(pacer, kStart).size(), 2u);
  EXPECT_LE(leave(pacer, kStart + 80 * kMs).size(), 7u);
}

TEST(Pacer, PriorityGoesAtOnceButPays) {
  Pacer pacer;
  pacer.set_rate(8e6);
  for (uint64_t order = 0; order < 10; ++order) pacer.place_bulk(order, 1000, kStart);
  leave(pacer, kStart);
  for (uint64_t order = 100; order < 105; ++order) pacer.place_priority(order);
  const auto now = leave(pacer, kStart);
  ASSERT_EQ(now.size(), 5u);
  EXPECT_EQ(now[0], (std::pair{Pacer::Kind::kPriority, uint64_t{100}}));
  EXPECT_TRUE(leave(pacer, kStart + 4 * kMs).empty());
  EXPECT_FALSE(leave(pacer, kStart + 7 * kMs).empty());
}

TEST(Pacer, RepairsGoBeforeBulkAtItsRate) {
  Pacer pacer;
  pacer.set_rate(8e6);
  for (uint64_t order = 0; order < 10; ++order) pacer.place_bulk(order, 1000, kStart);
  leave(pacer, kStart);
  pacer.place_repair(50, 1000);
  pacer.place_repair(51, 1000);
  EXPECT_EQ(leave(pacer, kStart + 1 * kMs), (std::vector{std::pair{Pacer::Kind::kRepair, uint64_t{50}}}));
  EXPECT_EQ(leave(pacer, kStart + 2 * kMs), (std::vector{std::pair{Pacer::Kind::kRepair, uint64_t{51}}}));
  EXPECT_EQ(leave(pacer, kStart + 3 * kMs)[0].first, Pacer::Kind::kBulk);
}

// The bug: a packet that could leave at once was sent while earlier ones still waited for their pad.
TEST(Pacer, NothingPassesWhatWaitsBeforeIt) {
  Pacer pacer;
  pacer.set_rate(800e6);
  pacer.place_bulk(1, 1000, kStart + 30 * kMs);
  pacer.place_bulk(2, 1000, kStart);
  EXPECT_TRUE(leave(pacer, kStart + 10 * kMs).empty());
  EXPECT_GE(pacer.wait_ns(kStart), 30 * kMs);
  EXPECT_EQ(pacer.next_deadline(), kStart + 30 * kMs);
  const auto out = leave(pacer, kStart + 30 * kMs);
  ASSERT_EQ(out.size(), 2u);
  EXPECT_EQ(out[0].second, 1u);
}

TEST(Pacer, ANewRateCountsForWhatAlreadyWaits) {
  Pacer pacer;
  pacer.set_rate(8e6);
  for (uint64_t order = 0; order < 100; ++order) pacer.place_bulk(order, 1000, kStart);
  EXPECT_NEAR(static_cast<double>(pacer.wait_ns(kStart)), 100e6, 1e6);
  pacer.set_rate(80e6);
  EXPECT_NEAR(static_cast<double>(pacer.wait_ns(kStart)), 10e6, 1e6);
  size_t left = 0;
  for (uint64_t now = kStart; now < kStart + 11 * kMs; now += kMs / 4) left += leave(pacer, now).size();
  EXPECT_EQ(left, 100u);
}

TEST(Pacer, AnUnpacedPathSendsAllAtOnce) {
  Pacer pacer;
  pacer.set_rate(1e6);
  pacer.set_paced(false);
  for (uint64_t order = 0; order < 100; ++order) pacer.place_bulk(order, 1000, kStart);
  EXPECT_EQ(pacer.wait_ns(kStart), 0u);
  EXPECT_EQ(leave(pacer, kStart).size(), 100u);
  EXPECT_EQ(pacer.next_deadline(), kNever);
}

TEST(Pacer, WhatWaitsCanBeTakenElsewhere) {
  Pacer pacer;
  pacer.set_rate(8e6);
  for (uint64_t order = 0; order < 5; ++order) pacer.place_bulk(order, 1000, kStart);
  leave(pacer, kStart);
  pacer.place_repair(70, 1000);
  std::vector<uint64_t> taken;
  pacer.take_waiting(kStart, taken);
  EXPECT_EQ(taken.front(), 70u);
  EXPECT_EQ(taken.back(), 4u);
  EXPECT_EQ(pacer.queued_bytes(), 0u);
  EXPECT_EQ(pacer.wait_ns(kStart), 0u);
}

}  // namespace
}  // namespace weft::bond
