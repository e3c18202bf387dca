// When a path's silence is worth a second copy.
#include "bond/hearing.h"

#include <gtest/gtest.h>

namespace weft::bond {
namespace {

constexpr uint64_t kMs = kNanosPerMilli;

// Something comes every `gap_ms` for two seconds.
uint64_t lively(Hearing& hearing, uint64_t gap_ms) {
  uint64_t now = 1000 * kNanosPerSecond;
  for (uint64_t ms = 0; ms < 2000; ms += gap_ms) hearing.heard(now += gap_ms * kMs);
  return now;
}

TEST(Hearing, NothingIsKnownAtFirst) {
  Hearing hearing;
  EXPECT_FALSE(hearing.suspect(kNanosPerSecond));
  hearing.heard(1000 * kNanosPerSecond);
  EXPECT_FALSE(hearing.suspect(1000 * kNanosPerSecond + 100 * kMs));
}

TEST(Hearing, APauseLongerThanAnyOfLate) {
  for (const uint64_t gap : {1, 5, 25}) {
    Hearing hearing;
    const uint64_t last = lively(hearing, gap);
    EXPECT_FALSE(hearing.suspect(last + (gap + 12) * kMs)) << gap;
    EXPECT_TRUE(hearing.suspect(last + (gap + 13) * kMs)) << gap;
    hearing.heard(last + (gap + 13) * kMs);
    EXPECT_FALSE(hearing.suspect(last + (gap + 14) * kMs)) << gap;
  }
}

TEST(Hearing, OneLongPauseIsRememberedForAWhile) {
  Hearing hearing;
  uint64_t now = lively(hearing, 1);
  hearing.heard(now += 40 * kMs);
  EXPECT_FALSE(hearing.suspect(now + 50 * kMs));
  for (int ms = 0; ms < 600; ++ms) hearing.heard(now += kMs);
  EXPECT_TRUE(hearing.suspect(now + 50 * kMs));
}

TEST(Hearing, APathThatIsRarelyHeardTellsNothing) {
  Hearing hearing;
  const uint64_t last = lively(hearing, 200);
  for (uint64_t ms = 0; ms < 1000; ms += 10) EXPECT_FALSE(hearing.suspect(last + ms * kMs));
}

TEST(Hearing, InTheEndReportsMustTell) {
  Hearing hearing;
  EXPECT_FALSE(hearing.suspect(lively(hearing, 1) + 600 * kMs));
}

}  // namespace
}  // namespace weft::bond
