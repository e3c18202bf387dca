// The sliding window: the cases of the Linux kernel's counter self-test, window edges, and agreement with a set.
#include "peer/replay_filter.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <random>
#include <set>

namespace weft::peer {
namespace {

constexpr uint32_t kBits = 8192;
constexpr uint64_t kWindow = kBits - 64;
constexpr uint64_t kLimit = kWindow + 1;

TEST(ReplayFilter, KernelSequence) {
  constexpr uint64_t kReject = kRejectAfterMessages;
  const struct {
    uint64_t counter;
    bool accepted;
  } cases[] = {
      {0, true},
      {1, true},
      {1, false},
      {9, true},
      {8, true},
      {7, true},
      {7, false},
      {kLimit, true},
      {kLimit - 1, true},
      {kLimit - 1, false},
      {kLimit - 2, true},
      {2, true},
      {2, false},
      {kLimit + 16, true},
      {3, false},
      {kLimit + 16, false},
      {kLimit * 4, true},
      {kLimit * 4 - (kLimit - 1), true},
      {10, false},
      {kLimit * 4 - kLimit, false},
      {kLimit * 4 - (kLimit + 1), false},
      {kLimit * 4 - (kLimit - 2), true},
      {kLimit * 4 + 1 - kLimit, false},
      {0, false},
      {kReject, false},
      {kReject - 1, true},
      {kReject, false},
      {kReject - 1, false},
      {kReject - 2, true},
      {kReject + 1, false},
      {kReject + 2, false},
      {kReject - 2, false},
      {kReject - 3, true},
      {0, false},
  };
  ReplayFilter filter;
  int number = 0;
  for (const auto& c : cases) {
    ++number;
    EXPECT_EQ(filter.accept(c.counter), c.accepted) << "case " << number;
  }
}

TEST(ReplayFilter, RejectAfterMessagesIsTheWhitepapers) {
  EXPECT_EQ(kRejectAfterMessages, 0xffffffffffffdfffu);
  ReplayFilter filter;
  EXPECT_FALSE(filter.accept(UINT64_MAX));
  EXPECT_FALSE(filter.accept(kRejectAfterMessages));
  // A refused counter does not move the window.
  EXPECT_TRUE(filter.accept(0));
}

TEST(ReplayFilter, OldestInWindowAfterRunUp) {
  ReplayFilter filter;
  for (uint64_t i = 1; i <= kWindow; ++i) ASSERT_TRUE(filter.accept(i));
  EXPECT_TRUE(filter.accept(0));
  EXPECT_FALSE(filter.accept(0));
}

TEST(ReplayFilter, JustOutOfWindowAfterRunUp) {
  ReplayFilter filter;
  for (uint64_t i = 2; i <= kWindow + 1; ++i) ASSERT_TRUE(filter.accept(i));
  EXPECT_TRUE(filter.accept(1));
  EXPECT_FALSE(filter.accept(0));
}

TEST(ReplayFilter, RunDown) {
  ReplayFilter whole;
  for (uint64_t i = kWindow + 1; i-- > 0;) ASSERT_TRUE(whole.accept(i));

  ReplayFilter shifted;
  for (uint64_t i = kWindow + 2; i-- > 1;) ASSERT_TRUE(shifted.accept(i));
  EXPECT_FALSE(shifted.accept(0));

  ReplayFilter moved_on;
  for (uint64_t i = kWindow + 1; i-- > 1;) ASSERT_TRUE(moved_on.accept(i));
  EXPECT_TRUE(moved_on.accept(kWindow + 1));
  EXPECT_FALSE(moved_on.accept(0));

  ReplayFilter filled;
  for (uint64_t i = kWindow + 1; i-- > 1;) ASSERT_TRUE(filled.accept(i));
  EXPECT_TRUE(filled.accept(0));
  EXPECT_TRUE(filled.accept(kWindow + 1));
}

// Wherever in its word the highest counter stands, exactly the window behind it is judged.
TEST(ReplayFilter, WindowEdgeAtEveryBitOfAWord) {
  for (uint64_t highest = 1000000; highest < 1000064; ++highest) {
    ReplayFilter filter;
    ASSERT_TRUE(filter.accept(highest));
    EXPECT_FALSE(filter.accept(highest - kWindow - 1));
    EXPECT_TRUE(filter.accept(highest - kWindow));
    EXPECT_FALSE(filter.accept(highest - kWindow));
    EXPECT_FALSE(filter.accept(highest));
  }
}

// Forward by a whole number of rings: the same bits of the same words, which must have been cleared.
TEST(ReplayFilter, JumpsClearTheRing) {
  for (const uint64_t jump : {uint64_t{64}, kWindow, uint64_t{kBits - 1}, uint64_t{kBits}, uint64_t{kBits} + 1,
                              uint64_t{kBits} * 3, uint64_t{1} << 40}) {
    ReplayFilter filter;
    for (uint64_t i = 0; i < kBits; ++i) ASSERT_TRUE(filter.accept(i));
    const uint64_t highest = kBits - 1 + jump;
    ASSERT_TRUE(filter.accept(highest));
    for (uint64_t counter = highest - 1; counter >= kBits && counter >= highest - kWindow; --counter) {
      ASSERT_TRUE(filter.accept(counter)) << "jump " << jump << ", counter " << counter;
    }
    EXPECT_FALSE(filter.accept(kBits - 1));
  }
}

TEST(ReplayFilter, ResetForgets) {
  ReplayFilter filter;
  EXPECT_TRUE(filter.accept(100000));
  EXPECT_FALSE(filter.accept(0));
  filter.reset();
  EXPECT_TRUE(filter.accept(0));
  EXPECT_TRUE(filter.accept(100000));
}

TEST(ReplayFilter, WideningForgetsNothingAndJudgesNoMoreOfThePast) {
  constexpr uint32_t kNarrow = 128;
  for (const uint64_t highest : {uint64_t{5}, uint64_t{127}, uint64_t{10'007}}) {
    ReplayFilter narrow(kNarrow);
    ReplayFilter widened(kNarrow);
    for (uint64_t counter = 0; counter <= highest; counter += counter % 3 + 1) {
      narrow.accept(counter);
      widened.accept(counter);
    }
    widened.widen(2048);
    // What the narrow one is too narrow to judge may be judged now, if it still is in memory; what came is refused.
    for (uint64_t counter = 0, came = 0; counter <= highest; ++counter) {
      const bool fresh = counter != came;
      if (!fresh) came += came % 3 + 1;
      const bool accepted = widened.accept(counter);
      ASSERT_FALSE(accepted && !fresh) << counter << " of " << highest;
      ASSERT_TRUE(accepted || !narrow.accept(counter)) << counter << " of " << highest;
    }
    // From here on it is as wide as it says.
    const uint64_t far = highest + 1500;
    EXPECT_TRUE(widened.accept(far));
    EXPECT_TRUE(widened.accept(highest + 1));
    EXPECT_FALSE(widened.accept(highest + 1));
  }
}

class ReplayFilterSizes : public ::testing::TestWithParam<uint32_t> {};

TEST_P(ReplayFilterSizes, AgreesWithSet) {
  const uint32_t bits = GetParam();
  const uint64_t window = bits - 64;
  std::mt19937_64 random(bits);
  ReplayFilter filter(bits);
  std::set<uint64_t> seen;
  uint64_t highest = 0;
  for (int step = 0; step < 50000; ++step) {
    uint64_t counter = highest;
    if (random() % 4 == 0) {
      counter += random() % (random() % 50 == 0 ? bits * 3 : 70);
    } else {
      counter -= std::min(highest, random() % (window + 80));
    }
    const bool fresh = (counter > highest || highest - counter <= window) && seen.insert(counter).second;
    ASSERT_EQ(filter.accept(counter), fresh) << "step " << step << ", counter " << counter;
    highest = std::max(highest, counter);
  }
}

INSTANTIATE_TEST_SUITE_P(Bits, ReplayFilterSizes, ::testing::Values(128u, 256u, 2048u, 8192u, 65536u));

}  // namespace
}  // namespace weft::peer
