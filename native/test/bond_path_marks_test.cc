// How far a path has come, and since when.
#include "bond/path_marks.h"

#include <gtest/gtest.h>

#include "bond/types.h"

namespace weft::bond {
namespace {

constexpr uint64_t kMs = kNanosPerMilli;
constexpr uint64_t kStart = 1000 * kNanosPerSecond;

TEST(BondPathMarks, NothingCame) {
  PathMark mark;
  EXPECT_FALSE(mark.any());
  EXPECT_FALSE(mark.has_passed(0));
  EXPECT_EQ(mark.passed_since(0), kNever);
  EXPECT_FALSE(mark.highest_at(kStart));
}

TEST(BondPathMarks, RemembersWhenItPassed) {
  PathMark mark;
  for (uint64_t i = 0; i < 10; ++i) mark.pass(kStart + i * kMs, 100 + 10 * i);
  EXPECT_EQ(mark.highest(), 190u);
  EXPECT_EQ(mark.passed_since(99), kStart);
  EXPECT_EQ(mark.passed_since(100), kStart + kMs);  // its own arrival passes what is before it
  EXPECT_EQ(mark.passed_since(139), kStart + 4 * kMs);
  EXPECT_EQ(mark.passed_since(190), kNever);
  EXPECT_EQ(mark.highest_at(kStart + 4 * kMs), 140u);
  EXPECT_EQ(mark.highest_at(kStart + 5 * kMs - 1), 140u);
  EXPECT_FALSE(mark.highest_at(kStart - 1));
}

TEST(BondPathMarks, WhatIsBehindDoesNotMoveIt) {
  PathMark mark;
  mark.pass(kStart, 50);
  mark.pass(kStart + kMs, 40);
  EXPECT_EQ(mark.highest(), 50u);
  EXPECT_EQ(mark.passed_since(45), kStart);
}

// The moment is never put off by what comes later, and is never later than the truth.
TEST(BondPathMarks, ManyInAMomentAreOneEntry) {
  PathMark mark;
  for (uint64_t i = 0; i < 1'000'000; ++i) {
    mark.pass(kStart + i * 100, i);  // 10 Mpps for 100 ms
  }
  const uint64_t truth = kStart + 500'001 * 100;
  EXPECT_LE(mark.passed_since(500'000), truth);
  EXPECT_GT(mark.passed_since(500'000), truth - PathMark::kGrainNs);
}

TEST(BondPathMarks, TheLogForgetsTheOldest) {
  PathMark mark;
  const uint64_t entries = PathMark::kEntries + 500;
  for (uint64_t i = 0; i < entries; ++i) mark.pass(kStart + i * kMs, i);
  EXPECT_TRUE(mark.has_passed(0));
  EXPECT_EQ(mark.passed_since(0), kStart + 500 * kMs);  // at the latest
  EXPECT_FALSE(mark.highest_at(kStart + 499 * kMs));
  EXPECT_EQ(mark.highest_at(kStart + 600 * kMs), 600u);
}

TEST(BondPathMarks, OrdersMayWrap) {
  PathMark mark;
  mark.pass(kStart, UINT64_MAX - 1);
  mark.pass(kStart + kMs, 3);
  EXPECT_EQ(mark.highest(), 3u);
  EXPECT_EQ(mark.passed_since(UINT64_MAX), kStart + kMs);
  EXPECT_EQ(mark.passed_since(UINT64_MAX - 2), kStart);
}

}  // namespace
}  // namespace weft::bond
