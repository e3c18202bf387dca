// The search for a path's MTU, against paths that carry so many bytes.
#include "bond/path_mtu.h"

#include <gtest/gtest.h>

#include "bond/types.h"

namespace weft::bond {
namespace {

constexpr uint64_t kMs = kNanosPerMilli;
constexpr uint64_t kStart = 1000 * kNanosPerSecond;
constexpr uint32_t kLimit = 1472;

struct Search {
  PathMtu mtu;
  uint64_t now = kStart;
  uint32_t probes = 0, changes = 0;

  // So long over a path with this MTU, which answers all else.
  void run(uint32_t carries, uint64_t duration, bool loaded = true, bool lives = true) {
    for (const uint64_t end = now + duration; now < end; now += 10 * kMs) {
      changes += mtu.expire(now, lives ? now : kStart - 1);
      const auto size = mtu.probe_due(now, loaded);
      if (!size) continue;
      ++probes;
      mtu.sent(now, *size, probes, 250 * kMs);
      if (lives && *size <= carries) changes += mtu.answered(now + 5 * kMs, probes);
    }
  }
};

TEST(BondPathMtu, TheLimitIsTakenForGrantedAndConfirmedByOneProbe) {
  Search search;
  search.mtu.start(kStart, kLimit);
  EXPECT_EQ(search.mtu.size(), kLimit);
  search.run(kLimit, 500 * kMs);
  EXPECT_EQ(search.mtu.size(), kLimit);
  EXPECT_EQ(search.probes, 1u);
  EXPECT_EQ(search.changes, 0u);
}

TEST(BondPathMtu, FindsWhatThePathCarries) {
  for (const uint32_t carries : {1232u, 1240u, 1250u, 1300u, 1372u, 1420u, 1470u}) {
    Search search;
    search.mtu.start(kStart, kLimit);
    search.run(carries, 20 * kNanosPerSecond, false);
    EXPECT_LE(search.mtu.size(), carries);
    EXPECT_GT(search.mtu.size() + PathMtu::kStep, carries - PathMtu::kStep) << carries;
    EXPECT_LE(search.probes, 24u) << carries;
    EXPECT_EQ(search.mtu.next_deadline(false), kNever);
  }
}

TEST(BondPathMtu, ABlackHoleIsNoticedUnderLoad) {
  Search search;
  search.mtu.start(kStart, kLimit);
  search.run(kLimit, 10 * kNanosPerSecond);
  EXPECT_EQ(search.mtu.size(), kLimit);
  search.run(1400, 5 * kNanosPerSecond);
  EXPECT_LT(search.mtu.size(), 1401u);
  search.run(1400, 20 * kNanosPerSecond);
  EXPECT_GT(search.mtu.size(), 1368u);
}

TEST(BondPathMtu, ADeadPathSaysNothingOfSizes) {
  Search search;
  search.mtu.start(kStart, kLimit);
  search.run(kLimit, kNanosPerSecond);
  search.run(0, 20 * kNanosPerSecond, true, false);
  EXPECT_EQ(search.mtu.size(), kLimit);
}

TEST(BondPathMtu, TriesAgainAfterTenMinutes) {
  Search search;
  search.mtu.start(kStart, kLimit);
  search.run(1300, 60 * kNanosPerSecond);
  EXPECT_LE(search.mtu.size(), 1300u);
  search.run(kLimit, 560 * kNanosPerSecond);
  EXPECT_EQ(search.mtu.size(), kLimit);
}

TEST(BondPathMtu, ALinkOfTheLeastSizeIsNotProbed) {
  Search search;
  search.mtu.start(kStart, 1000);
  search.run(1000, 10 * kNanosPerSecond);
  EXPECT_EQ(search.mtu.size(), PathMtu::kBase);
  EXPECT_EQ(search.probes, 0u);
}

}  // namespace
}  // namespace weft::bond
