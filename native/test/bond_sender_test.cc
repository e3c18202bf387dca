// The sending half as a whole: what goes by which path, and when.
#include "bond_sender_rig.h"

namespace weft::bond {
namespace {

TEST(BondSender, NoPathNoPlacement) {
  Sender sender;
  EXPECT_FALSE(sender.choose(1, Class::kBulk, kPacket));
  EXPECT_EQ(sender.best_path(), kNoPath);
  EXPECT_EQ(sender.next_deadline(), kNever);
}

TEST(BondSender, TheOnlyPathIsNotPaced) {
  Rig rig(std::vector<Rig::Link>(1));
  for (int i = 0; i < 1000; ++i) rig.offer(Class::kBulk);
  rig.sender.pump(rig.now, rig.wire);
  EXPECT_EQ(rig.wire.sent.size(), 1000u);
  EXPECT_EQ(rig.dropped, 0u);
  // Runs of at most 64 datagrams and 65,507 bytes.
  EXPECT_LE(rig.wire.calls, 1000u / 46 + 2);
}

TEST(BondSender, TwoEqualPathsAreBothFilled) {
  Rig rig({{}, {}});
  rig.load(100e6, 3 * kNanosPerSecond);
  const uint64_t before = rig.links[1].bytes;
  EXPECT_GT(rig.delivered_bps(0, 2 * kNanosPerSecond), 0.9 * 40e6);
  EXPECT_GT(static_cast<double>(rig.links[1].bytes - before) * 4, 0.9 * 40e6);
}

TEST(BondSender, AThinPathBesideAFastOneIsNotOverrun) {
  Rig rig({{}, link(4e6, 10)});
  rig.load(100e6, 3 * kNanosPerSecond);
  const uint64_t before = rig.links[1].bytes;
  EXPECT_GT(rig.delivered_bps(0, 2 * kNanosPerSecond), 0.9 * 40e6);
  EXPECT_GT(static_cast<double>(rig.links[1].bytes - before) * 4, 0.85 * 4e6);
  EXPECT_LT(rig.sender.status(rig.now, 1).queue_delay_ms, 40);
}

TEST(BondSender, LatencyTakesTheFastestAndDoesNotWait) {
  Rig rig({link(40e6, 5), link(40e6, 40)});
  rig.load(100e6, kNanosPerSecond);
  const auto placement = rig.sender.choose(rig.now, Class::kLatency, 200);
  ASSERT_TRUE(placement);
  EXPECT_EQ(placement->path, 0);
  const uint64_t mine = rig.counter;
  rig.offer(Class::kLatency, 200);
  rig.wire.sent.clear();
  rig.sender.pump(rig.now, rig.wire);
  ASSERT_FALSE(rig.wire.sent.empty());
  EXPECT_EQ(rig.wire.sent[0].counter, mine);
}

TEST(BondSender, BulkOfAPathLeavesInItsOrder) {
  Rig rig({{}, {}});
  std::map<PathId, uint64_t> last;
  for (int i = 0; i < 2000; ++i) {
    for (int k = 0; k < 8; ++k) rig.offer(k == 0 ? Class::kSparse : Class::kBulk);
    rig.advance(kMs);
    for (const auto& d : rig.wire.sent) {
      if (rig.cls_of[d.counter] != Class::kBulk) continue;
      EXPECT_TRUE(!last.contains(d.path) || last[d.path] < d.counter);
      last[d.path] = d.counter;
    }
  }
}

TEST(BondSender, RolesAndModes) {
  Rig rig({{}, {}, {}});
  Policy policy;
  policy.role = {Role::kNormal, Role::kBackup, Role::kOff};
  rig.sender.set_policy(rig.now, policy);
  EXPECT_EQ(rig.sender.active(), 0b001);
  EXPECT_EQ(rig.sender.status(rig.now, 1).reason, Reason::kStandby);
  EXPECT_EQ(rig.sender.status(rig.now, 2).reason, Reason::kOff);
  rig.sender.remove_path(rig.now, 0);
  EXPECT_EQ(rig.sender.active(), 0b010);
  rig.sender.add_path(rig.now, 0, 20 * kMs, 1472);
  EXPECT_EQ(rig.sender.active(), 0b001);
  policy.role = {Role::kNormal, Role::kNormal, Role::kPinned};
  rig.sender.set_policy(rig.now, policy);
  EXPECT_EQ(rig.sender.active(), 0b100);
  policy.role = {};
  policy.mode = Mode::kLatency;
  rig.sender.set_policy(rig.now, policy);
  EXPECT_EQ(std::popcount(rig.sender.active()), 1);
  policy.mode = Mode::kRedundant;
  rig.sender.set_policy(rig.now, policy);
  rig.offer(Class::kLatency, 200);
  rig.sender.pump(rig.now, rig.wire);
  EXPECT_EQ(rig.wire.sent.size(), 3u);
}

TEST(BondSender, MissingCountersAreSentAgainOnceTheirPathHasPassedThem) {
  Rig rig({{}, {}});
  rig.load(30e6, 2 * kNanosPerSecond);
  rig.links[0].lose_every = rig.links[1].lose_every = 100;
  for (int i = 0; i < 200; ++i) {
    rig.load(30e6, 5 * kMs);
    Nack nack;
    nack.session = 7;
    for (uint64_t c = rig.counter > 600 ? rig.counter - 600 : 0; c + 40 < rig.counter && nack.ranges.size() < 90; ++c) {
      if (!rig.arrived.contains(c)) nack.ranges.push_back({c, 1});
    }
    rig.sender.on_nack(rig.now, nack);
  }
  rig.advance(100 * kMs);
  uint64_t missing = 0;
  for (uint64_t c = 0; c + 200 < rig.counter; ++c) missing += !rig.arrived.contains(c);
  EXPECT_LE(missing, 2u);
}

TEST(BondSender, WeightsShiftTheShares) {
  Rig rig({{}, {}});
  Policy policy;
  policy.weight.fill(100);
  policy.weight[1] = 40;
  rig.sender.set_policy(rig.now, policy);
  rig.load(100e6, 3 * kNanosPerSecond);
  rig.chosen.clear();
  rig.load(100e6, 2 * kNanosPerSecond);
  EXPECT_LT(static_cast<double>(rig.chosen[1]), 0.6 * static_cast<double>(rig.chosen[0]));
  EXPECT_GT(rig.chosen[1], 0u);
}

TEST(BondSender, PathStateTellsWhichMarksCount) {
  Rig rig({{}, {}});
  EXPECT_FALSE(rig.sender.path_state_due(rig.now));
  rig.load(100e6, kNanosPerSecond);
  const auto state = rig.sender.path_state_due(rig.now);
  ASSERT_TRUE(state);
  ASSERT_EQ(state->paths, 2);
  EXPECT_TRUE(state->path[0].carries_bulk && state->path[1].carries_bulk);
  EXPECT_GE(state->hold_us, 1000u);
  EXPECT_LE(state->hold_us, 250'000u);
  EXPECT_FALSE(rig.sender.path_state_due(rig.now));
  rig.wire.down = 0b10;
  rig.load(60e6, 5 * kMs);
  const auto after = rig.sender.path_state_due(rig.now);
  ASSERT_TRUE(after);
  EXPECT_GT(after->sequence, state->sequence);
  EXPECT_FALSE(after->path[1].carries_bulk);
}

TEST(BondSender, ANewSessionGoesOnWithTheSamePaths) {
  Rig rig({{}, {}});
  rig.load(60e6, kNanosPerSecond);
  rig.sender.start_session(8);
  const auto placement = rig.sender.choose(rig.now, Class::kBulk, kPacket);
  ASSERT_TRUE(placement);
  EXPECT_NE(rig.sender.take(rig.now, *placement, 0, kPacket, 0), nullptr);
  EXPECT_EQ(rig.sender.active(), 0b11);
}

}  // namespace
}  // namespace weft::bond
