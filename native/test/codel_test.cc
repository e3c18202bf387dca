// CoDel's control law (RFC 8289 5).
#include "engine/codel.h"

#include <gtest/gtest.h>

#include <vector>

namespace weft::engine {
namespace {

constexpr uint64_t kMs = kNanosPerMilli;
constexpr uint64_t kStart = 1000 * kNanosPerSecond;

// When a packet a millisecond, each after `sojourn`, gets the signal; milliseconds from the start.
std::vector<uint64_t> signals(Codel& codel, uint64_t from_ms, uint64_t to_ms, uint64_t sojourn, bool standing = true) {
  std::vector<uint64_t> at;
  for (uint64_t ms = from_ms; ms < to_ms; ++ms) {
    if (codel.should_signal(kStart + ms * kMs, sojourn, standing)) at.push_back(ms);
  }
  return at;
}

TEST(Codel, AShortQueueIsLeftAlone) {
  Codel codel;
  EXPECT_TRUE(signals(codel, 0, 1000, kMs - 1).empty());
}

TEST(Codel, AQueueOfOneIsLeftAlone) {
  Codel codel;
  EXPECT_TRUE(signals(codel, 0, 1000, 50 * kMs, false).empty());
}

TEST(Codel, ABurstShorterThanTheIntervalIsLeftAlone) {
  Codel codel;
  for (uint64_t start = 0; start < 1000; start += 20) {
    EXPECT_TRUE(signals(codel, start, start + 19, 50 * kMs).empty());
    signals(codel, start + 19, start + 20, kMs / 2);
  }
}

TEST(Codel, SignalsComeFasterWhileTheQueueStands) {
  Codel codel;
  // 20, then 20/sqrt(1), 20/sqrt(2), 20/sqrt(3) ms apart, rounded up to the next packet.
  EXPECT_EQ(signals(codel, 0, 80, 20 * kMs), (std::vector<uint64_t>{20, 40, 55, 66, 76}));
}

TEST(Codel, WhoMayNotCarryTheSignalLeavesItToTheNext) {
  Codel codel;
  uint64_t ms = 0;
  for (; ms < 50; ++ms) EXPECT_FALSE(codel.should_signal(kStart + ms * kMs, 20 * kMs, true, false));
  EXPECT_TRUE(codel.should_signal(kStart + ms * kMs, 20 * kMs, true));
  // One that did not wait ends the episode, whoever it is.
  EXPECT_FALSE(codel.should_signal(kStart + ++ms * kMs, 0, true, false));
  EXPECT_TRUE(signals(codel, ms + 1, ms + 20, 20 * kMs).empty());
}

TEST(Codel, EndsWithTheQueueAndResumesNearItsRate) {
  Codel codel;
  const size_t before = signals(codel, 0, 200, 20 * kMs).size();
  EXPECT_TRUE(signals(codel, 200, 210, kMs / 2).empty());
  const auto again = signals(codel, 210, 260, 20 * kMs);
  ASSERT_GE(again.size(), 2u);
  EXPECT_EQ(again[0], 230u);
  EXPECT_LT(again[1] - again[0], 20 / 2);
  EXPECT_GT(before, 10u);
}

}  // namespace
}  // namespace weft::engine
