// Order of numbers that wrap, and the window over them, against a set that forgets nothing.
#include "bond/sequence.h"

#include <gtest/gtest.h>

#include <random>
#include <set>

namespace weft::bond {
namespace {

TEST(BondSequence, AheadCrossesTheWrap) {
  EXPECT_EQ(ahead<uint16_t>(2, 65534), 4);
  EXPECT_EQ(ahead<uint16_t>(65534, 2), -4);
  EXPECT_EQ(ahead<uint32_t>(0, UINT32_MAX), 1);
  EXPECT_EQ(ahead<uint64_t>(5, UINT64_MAX - 4), 10);
  EXPECT_EQ(ahead<uint64_t>(UINT64_MAX, 0), -1);
}

TEST(BondSequence, TheWindowAgreesWithASet) {
  constexpr uint32_t kBits = 256;
  for (const uint64_t start : {uint64_t{0}, uint64_t{1000}, UINT64_MAX - 3000}) {
    std::mt19937_64 random(start + 1);
    SequenceWindow window(kBits);
    std::set<uint64_t> model;  // distances from the start
    int64_t highest = -1;
    for (int i = 0; i < 20'000; ++i) {
      const int64_t jump =
          random() % 100 == 0 ? static_cast<int64_t>(random() % 2000) : static_cast<int64_t>(random() % 5);
      int64_t n = highest + (random() % 2 == 0 ? jump : -static_cast<int64_t>(random() % 400));
      if (highest < 0) n = 0;
      if (n < 0) continue;
      const bool is_old = n <= highest - static_cast<int64_t>(kBits);
      const bool known = is_old || (n <= highest && model.contains(static_cast<uint64_t>(n)));
      ASSERT_EQ(window.contains(start + static_cast<uint64_t>(n)), known) << n << " of " << highest;
      ASSERT_EQ(window.add(start + static_cast<uint64_t>(n)), !known) << n << " of " << highest;
      model.insert(static_cast<uint64_t>(n));
      highest = std::max(highest, n);
    }
  }
}

}  // namespace
}  // namespace weft::bond
