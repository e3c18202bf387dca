// Earliest delivery, and what the equaliser's pad does to it.
#include "bond/scheduler.h"

#include <gtest/gtest.h>

#include "util/clock.h"

namespace weft::bond {
namespace {

constexpr uint64_t kMs = kNanosPerMilli;

TEST(Scheduler, TheFastestUntilItsQueueIsAsLongAsTheDifference) {
  std::array<PathView, kMaxPaths> v{};
  v[0] = {0, kMs, 0, false};
  v[1] = {0, kMs, 35 * kMs, false};
  EXPECT_EQ(choose_path(v, 0b11, Class::kBulk, 0).path, 0);
  v[0].wait_ns = 34 * kMs;
  EXPECT_EQ(choose_path(v, 0b11, Class::kBulk, 0).path, 0);
  v[0].wait_ns = 37 * kMs;
  EXPECT_EQ(choose_path(v, 0b11, Class::kBulk, 0).path, 1);
  // What overtakes does not wait.
  EXPECT_EQ(choose_path(v, 0b11, Class::kLatency, 0).path, 0);
}

TEST(Scheduler, ThePadMakesThemAlike) {
  std::array<PathView, kMaxPaths> v{};
  v[0] = {0, kMs, 0, false};
  v[1] = {0, kMs, 35 * kMs, false};
  auto c = choose_path(v, 0b11, Class::kBulk, 35 * kMs);
  EXPECT_EQ(c.path, 0);
  EXPECT_EQ(c.pad_ns, 35 * kMs);
  EXPECT_EQ(c.wait_ns, 0u);
  v[0].wait_ns = 37 * kMs;  // 2 ms beyond the pad
  c = choose_path(v, 0b11, Class::kBulk, 35 * kMs);
  EXPECT_EQ(c.path, 1);
  EXPECT_EQ(c.pad_ns, 0u);
  EXPECT_EQ(choose_path(v, 0b11, Class::kSparse, 35 * kMs).pad_ns, 0u);
}

TEST(Scheduler, OnlyUsableOnesWithRoom) {
  std::array<PathView, kMaxPaths> v{};
  EXPECT_EQ(choose_path(v, 0, Class::kBulk, 0).path, kNoPath);
  EXPECT_EQ(choose_path(v, 0b100, Class::kBulk, 0).path, 2);
  v[2].full = true;
  EXPECT_EQ(choose_path(v, 0b100, Class::kBulk, 0).path, kNoPath);
  EXPECT_EQ(choose_path(v, 0b100, Class::kLatency, 0).path, 2);
  EXPECT_EQ(choose_path(v, 0b10000100, Class::kBulk, 0).path, 7);
}

}  // namespace
}  // namespace weft::bond
