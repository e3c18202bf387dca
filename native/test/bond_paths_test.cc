// The table of ways: who gets in, what proves it, what is sent there before, and what becomes of it.
#include "bond/paths.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>
#include <vector>

#include "bond_ways.h"

namespace weft::bond {
namespace {

constexpr uint64_t kMs = kNanosPerMilli;
constexpr uint64_t kSecond = kNanosPerSecond;
constexpr uint64_t kStart = 1000 * kSecond;
using Kind = Paths::Change::Kind;

// A table and a peer that answers by the ways that are open.
struct Table {
  Paths paths{12345};
  uint64_t now = kStart;
  uint64_t rtt = 20 * kMs;
  PathSet open = 0xFF;              // answers by these
  uint32_t carries = 1500;          // bytes of a datagram
  std::map<PathId, PathId> remote;  // the peer's numbers, if not ours
  std::map<PathId, uint64_t> sent;  // frames, by path
  std::vector<Paths::Change> changes;
  std::multimap<uint64_t, std::pair<PathId, Frame>> answers;

  uint64_t count(Kind kind) { return static_cast<uint64_t>(std::ranges::count(changes, kind, &Paths::Change::kind)); }
  void run(uint64_t duration) {
    const uint64_t end = now + duration;
    for (;;) {
      collect();
      const uint64_t due = std::min(paths.next_deadline(), answers.empty() ? kNever : answers.begin()->first);
      if (due > end) break;
      now = std::max(now, due);
      while (!answers.empty() && answers.begin()->first <= now) {
        const auto [id, frame] = answers.begin()->second;
        answers.erase(answers.begin());
        paths.arrived(now, paths[id].way, 64, true);
        paths.receive(now, id, remote.contains(id) ? remote[id] : id, frame);
      }
      paths.advance(now);
    }
    now = end;
  }
  void collect() {
    for (const auto& [id, frame] : paths.take_frames()) {
      ++sent[id];
      if ((open >> id & 1) == 0) continue;
      if (const auto* ping = std::get_if<Ping>(&frame)) {
        if (ping->padding + 32u > carries) continue;
        answers.emplace(now + rtt, std::pair{id, Frame{Pong{ping->token}}});
      } else if (const auto* challenge = std::get_if<Challenge>(&frame)) {
        answers.emplace(now + rtt, std::pair{id, Frame{Response{challenge->nonce}}});
      }
    }
    for (const auto& change : paths.take_changes()) changes.push_back(change);
  }
};

TEST(BondPaths, AConfiguredWayIsChallengedAndBecomesActive) {
  Table table;
  table.paths.set_candidates(table.now, std::vector{way(1, 1), way(2, 2)});
  EXPECT_EQ(table.paths[0].phase, PathPhase::kCandidate);
  table.run(0);
  EXPECT_EQ(table.paths[0].phase, PathPhase::kValidating);
  table.run(100 * kMs);
  for (const PathId id : {0, 1}) {
    EXPECT_EQ(table.paths[id].phase, PathPhase::kActive);
    EXPECT_EQ(table.paths[id].rtt_ns, 20 * kMs);
    EXPECT_EQ(table.paths[id].remote, id);
    EXPECT_EQ(table.paths[id].mtu, 1472u);
  }
  EXPECT_EQ(table.count(Kind::kActive), 2u);
  EXPECT_EQ(table.paths.find(way(2, 2)), 1);
}

TEST(BondPaths, AConfiguredWayIsTriedForEver) {
  Table table;
  table.open = 0;
  table.paths.set_candidates(table.now, std::vector{way(1, 1)});
  table.run(2 * kSecond);
  EXPECT_EQ(table.sent[0], 4u);  // at 0, 250, 750 and 1,750 ms
  table.run(60 * kSecond);
  EXPECT_EQ(table.sent[0], 9u);  // and at 3.75, 7.75, 15.75, 31.75 and 56.75 s
  table.sent.clear();
  table.run(3600 * kSecond);
  EXPECT_EQ(table.sent[0], 144u);
  table.open = 1;
  table.run(26 * kSecond);
  EXPECT_EQ(table.paths[0].phase, PathPhase::kActive);
}

TEST(BondPaths, AWayThatWorkedIsTriedMoreOften) {
  Table table;
  table.paths.set_candidates(table.now, std::vector{way(1, 1)});
  table.run(kSecond);
  table.open = 0;
  table.run(600 * kSecond);
  table.sent.clear();
  table.run(3600 * kSecond);
  EXPECT_EQ(table.sent[0], 1800u);
  table.open = 1;
  table.run(3 * kSecond);
  EXPECT_EQ(table.paths[0].phase, PathPhase::kActive);
}

// What is sent without a session goes nowhere.
TEST(BondPaths, ANewSessionHastensTheNextChallenge) {
  Table table;
  table.open = 0;
  table.paths.set_candidates(table.now, std::vector{way(1, 1)});
  table.run(60 * kSecond);
  table.open = 1;
  table.paths.session_started();
  table.run(300 * kMs);
  EXPECT_EQ(table.paths[0].phase, PathPhase::kActive);
}

TEST(BondPaths, AnAnswerMustNameTheChallengeAndComeByTheSameWay) {
  Table table;
  table.paths.set_candidates(table.now, std::vector{way(1, 1), way(2, 2)});
  table.paths.advance(table.now);
  const auto frames = table.paths.take_frames();
  ASSERT_EQ(frames.size(), 2u);
  const uint64_t first = std::get<Challenge>(frames[0].frame).nonce,
                 second = std::get<Challenge>(frames[1].frame).nonce;
  EXPECT_NE(first, second);
  table.paths.receive(table.now + kMs, 0, 0, Response{second});
  table.paths.receive(table.now + kMs, 0, 0, Response{0});
  table.paths.receive(table.now + kMs, 1, 1, Response{first});
  EXPECT_EQ(table.paths[0].phase, PathPhase::kValidating);
  EXPECT_EQ(table.paths[1].phase, PathPhase::kValidating);
  table.paths.receive(table.now + kMs, 0, 0, Response{first});
  EXPECT_EQ(table.paths[0].phase, PathPhase::kActive);
}

TEST(BondPaths, NoncesCannotBeForeseen) {
  Table a, b;
  b.paths = Paths(12346);
  std::set<uint64_t> seen;
  for (Table* table : {&a, &b}) {
    table->open = 0;
    table->paths.set_candidates(table->now, std::vector{way(1, 1)});
    for (int i = 0; i < 50; ++i) {
      table->now += 30 * kSecond;
      table->paths.advance(table->now);
      for (const auto& out : table->paths.take_frames()) seen.insert(std::get<Challenge>(out.frame).nonce);
    }
  }
  EXPECT_EQ(seen.size(), 100u);
}

TEST(BondPaths, AnUninvitedWayProvesItselfToo) {
  Table table;
  EXPECT_EQ(table.paths.arrived(table.now, way(1, 9), 100, true), kNoPath);
  const PathId id = table.paths.find(way(1, 9));
  ASSERT_NE(id, kNoPath);
  EXPECT_FALSE(table.paths[id].configured);
  EXPECT_EQ(table.paths.arrived(table.now, way(1, 9), 100, true), id);
  table.run(100 * kMs);
  EXPECT_EQ(table.paths[id].phase, PathPhase::kActive);
}

TEST(BondPaths, AReplayMakesNoCandidateAndKeepsNoneAlive) {
  Table table;
  EXPECT_EQ(table.paths.arrived(table.now, way(1, 9), 100, false), kNoPath);
  EXPECT_EQ(table.paths.find(way(1, 9)), kNoPath);
  table.paths.set_candidates(table.now, std::vector{way(1, 1)});
  table.run(100 * kMs);
  table.open = 0;
  for (int i = 0; i < 20; ++i) {
    table.run(kSecond);
    EXPECT_EQ(table.paths.arrived(table.now, way(1, 1), 100, false), 0);
  }
  EXPECT_EQ(table.paths[0].phase, PathPhase::kValidating);
}

// RFC 9000, 8.1. Whatever the peer sends, an address that has not answered gets no more than three times what came from
// it.
TEST(BondPaths, AnUnprovenAddressIsNotFlooded) {
  for (const uint32_t bytes : {32u, 64u, 100u, 1400u}) {
    Table table;
    table.open = 0;
    uint64_t received = 0;
    for (uint64_t i = 0; i < 2000; ++i) {
      if (i % 20 == 0) {
        table.paths.arrived(table.now, way(1, 9), bytes, true);
        received += bytes;
      }
      const PathId id = table.paths.find(way(1, 9));
      if (id != kNoPath) {
        for (int k = 0; k < 5; ++k) table.paths.receive(table.now, id, 0, Ping{i});
        table.paths.receive(table.now, id, 0, Challenge{i});
      }
      table.run(10 * kMs);
      uint64_t sent = 0;
      for (const auto& [path, frames] : table.sent) sent += frames * 64;
      ASSERT_LE(sent, 3 * received);
    }
  }
}

TEST(BondPaths, UninvitedOnesAreFewAndGoAgain) {
  Table table;
  table.open = 0;
  table.paths.set_candidates(table.now, std::vector{way(1, 1)});
  for (uint16_t i = 0; i < 1000; ++i) table.paths.arrived(table.now, way(1, static_cast<uint16_t>(100 + i)), 100, true);
  uint32_t used = 0;
  for (PathId id = 0; id < kMaxPaths; ++id) used += table.paths[id].phase != PathPhase::kFree;
  EXPECT_EQ(used, 1 + Paths::kMaxUninvited);
  table.run(10 * kSecond);
  used = 0;
  for (PathId id = 0; id < kMaxPaths; ++id) used += table.paths[id].phase != PathPhase::kFree;
  EXPECT_EQ(used, 1u);
  EXPECT_TRUE(table.paths[0].configured);
}

// Whoever fills the places with what leads nowhere does not keep the true newcomer out for long.
TEST(BondPaths, AnUninvitedOneThatDoesNotAnswerMakesRoom) {
  Table table;
  table.open = 0;
  table.paths.arrived(table.now, way(1, 100), 1000, true);
  table.paths.arrived(table.now, way(1, 101), 1000, true);
  table.run(2 * kSecond);
  EXPECT_EQ(table.paths.arrived(table.now, way(1, 102), 1000, true), kNoPath);
  EXPECT_NE(table.paths.find(way(1, 102)), kNoPath);
}

TEST(BondPaths, ConfiguredOnesAreNeverDisplacedAndDisplaceOthers) {
  Table table;
  for (uint16_t i = 0; i < kMaxPaths; ++i) {
    table.paths.arrived(table.now, way(1, static_cast<uint16_t>(100 + i)), 1000, true);
    table.run(100 * kMs);  // proves itself
  }
  EXPECT_EQ(table.count(Kind::kActive), 8u);
  std::vector<net::Path> ways;
  for (uint16_t i = 0; i < 20; ++i) ways.push_back(way(2, i));
  table.paths.set_candidates(table.now, ways);
  table.run(100 * kMs);
  for (PathId id = 0; id < kMaxPaths; ++id) {
    EXPECT_TRUE(table.paths[id].configured);
    EXPECT_EQ(table.paths[id].generation, 2u);
  }
  table.paths.arrived(table.now, way(3, 1), 1000, true);
  EXPECT_EQ(table.paths.find(way(3, 1)), kNoPath);
}

// Seven addresses of the peer's record lead nowhere, and it is known by an eighth, which it leaves.
TEST(BondPaths, APeerThatMovedFindsRoomAmongWhatDoesNotAnswer) {
  Table table;
  table.paths.arrived(table.now, way(1, 99), 100, true);
  table.run(100 * kMs);
  ASSERT_EQ(table.paths[0].phase, PathPhase::kActive);
  std::vector<net::Path> ways;
  for (uint16_t i = 0; i < kMaxPaths - 1; ++i) ways.push_back(way(1, i));
  table.open = 1;
  table.paths.set_candidates(table.now, ways);
  table.run(10 * kSecond);
  ASSERT_EQ(table.count(Kind::kActive), 1u);

  table.open = 0b1111'1110;
  table.paths.arrived(table.now, way(1, 100), 100, true);
  const PathId candidate = table.paths.find(way(1, 100));
  ASSERT_NE(candidate, kNoPath);
  table.remote[candidate] = 0;
  table.paths.receive(table.now, candidate, 0, Ping{1});
  table.run(50 * kMs);
  EXPECT_EQ(table.paths[0].way, way(1, 100));
  EXPECT_EQ(table.paths[0].phase, PathPhase::kActive);
  for (const net::Path& asked : ways) EXPECT_NE(table.paths.find(asked), kNoPath);
}

TEST(BondPaths, WhatMadeRoomForOneThatDoesNotAnswerComesBack) {
  Table table;
  table.open = 0;
  std::vector<net::Path> ways;
  for (uint16_t i = 0; i < kMaxPaths; ++i) ways.push_back(way(1, i));
  table.paths.set_candidates(table.now, ways);
  table.paths.arrived(table.now, way(1, 100), 100, true);
  EXPECT_EQ(table.paths.find(way(1, 100)), kNoPath) << "they have not been tried yet";
  table.run(10 * kSecond);
  for (uint16_t i = 0; i < 100; ++i) table.paths.arrived(table.now, way(2, i), 100, true);
  uint32_t seated = 0;
  for (const net::Path& asked : ways) seated += table.paths.find(asked) != kNoPath;
  EXPECT_EQ(seated, kMaxPaths - Paths::kMaxUninvited);
  table.run(11 * kSecond);
  for (const net::Path& asked : ways) EXPECT_NE(table.paths.find(asked), kNoPath);
}

// The path that moved is not displaced by what it left and by what made room for it, which are both asked for.
TEST(BondPaths, AMovedPathKeepsItsPlace) {
  Table table;
  std::vector<net::Path> ways;
  for (uint16_t i = 0; i < kMaxPaths; ++i) ways.push_back(way(1, i));
  table.open = 1;
  table.paths.set_candidates(table.now, ways);
  table.run(10 * kSecond);
  ASSERT_EQ(table.count(Kind::kActive), 1u);
  table.open = 0b1111'1110;
  table.paths.arrived(table.now, way(1, 100), 100, true);
  const PathId candidate = table.paths.find(way(1, 100));
  ASSERT_NE(candidate, kNoPath);
  table.remote[candidate] = 0;
  table.paths.receive(table.now, candidate, 0, Ping{1});
  table.run(50 * kMs);
  EXPECT_EQ(table.paths[0].way, way(1, 100));
  EXPECT_EQ(table.paths[0].phase, PathPhase::kActive);
}

TEST(BondPaths, ANewListEndsWhatIsNotInIt) {
  Table table;
  table.paths.set_candidates(table.now, std::vector{way(1, 1), way(2, 2)});
  table.run(100 * kMs);
  table.paths.set_candidates(table.now, std::vector{way(2, 2), way(3, 3)});
  table.run(100 * kMs);
  EXPECT_EQ(table.paths.find(way(1, 1)), kNoPath);
  EXPECT_EQ(table.paths.find(way(2, 2)), 1);
  EXPECT_EQ(table.paths[1].generation, 1u);
  EXPECT_EQ(table.paths.find(way(3, 3)), 0);
  EXPECT_EQ(table.count(Kind::kGone), 1u);
}

TEST(BondPaths, AWayThatLeavesTheLocalSideOpenIsFoundByItsRemote) {
  Table table;
  net::Path open = way(1, 1);
  open.source = {};
  table.paths.set_candidates(table.now, std::vector{open});
  EXPECT_EQ(table.paths.arrived(table.now, way(1, 1), 100, true), 0);
  EXPECT_EQ(table.paths.arrived(table.now, way(1, 2), 100, true), kNoPath);
}

TEST(BondPaths, PingsEverySecondWhenIdleFiveTimesAsOftenUnderLoad) {
  Table table;
  table.paths.set_candidates(table.now, std::vector{way(1, 1)});
  table.run(5 * kSecond);
  table.sent.clear();
  table.run(10 * kSecond);
  EXPECT_EQ(table.sent[0], 10u);
  table.sent.clear();
  for (int i = 0; i < 1000; ++i) {
    table.paths.arrived(table.now, way(1, 1), 1400, true);
    table.run(10 * kMs);
  }
  EXPECT_NEAR(static_cast<double>(table.sent[0]), 70, 6);  // and a padded one each second, with one more beside it
}

TEST(BondPaths, RoundTripsAreSmoothed) {
  Table table;
  table.paths.set_candidates(table.now, std::vector{way(1, 1)});
  table.run(5 * kSecond);
  EXPECT_EQ(table.paths[0].rtt_ns, 20 * kMs);
  table.rtt = 300 * kMs;  // longer than the time between two pings under load
  for (int i = 0; i < 2000; ++i) {
    table.paths.arrived(table.now, way(1, 1), 1400, true);
    table.run(10 * kMs);
  }
  EXPECT_NEAR(static_cast<double>(table.paths[0].rtt_ns), 300e6, 2e6);
  EXPECT_EQ(table.paths[0].min_rtt_ns, 20 * kMs);
}

TEST(BondPaths, ASilentPathIsValidatedAnew) {
  Table table;
  table.paths.set_candidates(table.now, std::vector{way(1, 1)});
  table.paths.arrived(table.now, way(2, 9), 100, true);
  table.run(100 * kMs);
  EXPECT_EQ(table.count(Kind::kActive), 2u);
  table.open = 0;
  table.run(14 * kSecond);
  EXPECT_EQ(table.count(Kind::kLost), 0u);
  table.run(2 * kSecond);
  EXPECT_EQ(table.count(Kind::kLost), 2u);
  table.run(20 * kSecond);
  EXPECT_EQ(table.paths[0].phase, PathPhase::kValidating);
  EXPECT_EQ(table.paths[1].phase, PathPhase::kFree);  // nobody asked for it
  EXPECT_EQ(table.count(Kind::kGone), 1u);
  table.open = 1;
  table.run(3 * kSecond);
  EXPECT_EQ(table.paths[0].phase, PathPhase::kActive);
  EXPECT_EQ(table.paths[0].generation, 1u);
}

// What comes from an address does not show that what is sent there is still received there, and by whom.
TEST(BondPaths, APathWithoutAnswersIsValidatedAnewWhateverComesByIt) {
  Table table;
  table.paths.set_candidates(table.now, std::vector{way(1, 1)});
  table.run(kSecond);
  ASSERT_EQ(table.paths[0].phase, PathPhase::kActive);
  table.open = 0;
  for (int i = 0; i < 1600; ++i) {
    table.paths.arrived(table.now, way(1, 1), 1400, true);
    table.paths.receive(table.now, 0, 0, Pong{static_cast<uint64_t>(i)});  // to what was not asked
    table.run(10 * kMs);
  }
  EXPECT_EQ(table.count(Kind::kLost), 1u);
  EXPECT_EQ(table.paths[0].phase, PathPhase::kValidating);
}

TEST(BondPaths, AVerySlowPathStaysProven) {
  Table table;
  table.paths.set_candidates(table.now, std::vector{way(1, 1)});
  table.run(kSecond);
  table.rtt = 8 * kSecond;
  for (int i = 0; i < 6000; ++i) {
    table.paths.arrived(table.now, way(1, 1), 1400, true);
    table.run(10 * kMs);
  }
  EXPECT_EQ(table.count(Kind::kLost), 0u);
}

TEST(BondPaths, ASignOfLifeHastensTheNextChallenge) {
  Table table;
  table.open = 0;
  table.paths.set_candidates(table.now, std::vector{way(1, 1)});
  table.run(10 * kSecond);
  table.open = 1;
  table.run(300 * kMs);  // between two of the regular ones
  table.paths.arrived(table.now, way(1, 1), 100, true);
  table.run(300 * kMs);
  EXPECT_EQ(table.paths[0].phase, PathPhase::kActive);
}

// The peer's NAT gives its path another address: the same path by its number, once the new address is proven.
TEST(BondPaths, ANatThatRebindsMovesThePath) {
  for (const bool configured : {false, true}) {
    Table table;
    if (configured) {
      table.paths.set_candidates(table.now, std::vector{way(1, 1), way(2, 2)});
    } else {
      table.paths.arrived(table.now, way(1, 1), 100, true);
      table.run(50 * kMs);
      table.paths.arrived(table.now, way(2, 2), 100, true);
    }
    table.remote = {{0, 5}, {1, 6}};
    table.run(kSecond);
    ASSERT_EQ(table.count(Kind::kActive), 2u);
    const uint64_t rtt = table.paths[0].rtt_ns;

    table.paths.arrived(table.now, way(1, 77), 100, true);
    const PathId candidate = table.paths.find(way(1, 77));
    ASSERT_EQ(candidate, 2);
    table.remote[candidate] = 5;
    table.paths.receive(table.now, candidate, 5, Ping{1});
    EXPECT_EQ(table.paths[0].way, way(1, 1)) << "not before it is proven";
    table.open = 0b110;  // the old address is dead
    table.run(30 * kMs);
    EXPECT_EQ(table.paths[0].way, way(1, 77));
    EXPECT_EQ(table.paths[0].phase, PathPhase::kActive);
    EXPECT_EQ(table.paths[0].generation, 2u);
    EXPECT_EQ(table.paths[0].rtt_ns, rtt);
    EXPECT_EQ(table.paths[1].way, way(2, 2));
    EXPECT_EQ(table.count(Kind::kActive), 2u);
    EXPECT_EQ(table.count(Kind::kLost), 0u);
    // The control plane's own way is tried on.
    EXPECT_EQ(table.paths.find(way(1, 1)), configured ? 2 : kNoPath);
  }
}

TEST(BondPaths, AnotherUplinkOfThePeerIsAnotherPath) {
  Table table;
  table.remote = {{0, 5}, {1, 6}};
  table.paths.arrived(table.now, way(1, 1), 100, true);
  table.run(kSecond);
  table.paths.arrived(table.now, way(1, 2), 100, true);
  table.run(kSecond);
  EXPECT_EQ(table.paths[0].way, way(1, 1));
  EXPECT_EQ(table.paths[1].way, way(1, 2));
  EXPECT_EQ(table.count(Kind::kActive), 2u);
}

TEST(BondPaths, QuestionsAreAnsweredButNotWithoutEnd) {
  Table table;
  table.paths.set_candidates(table.now, std::vector{way(1, 1)});
  table.run(kSecond);
  for (uint64_t i = 0; i < 10'000; ++i) table.paths.receive(table.now, 0, 0, Ping{i});
  const auto frames = table.paths.take_frames();
  EXPECT_EQ(frames.size(), Paths::kMaxFrames);
  EXPECT_EQ(std::get<Pong>(frames[3].frame).token, 3u);
}

TEST(BondPaths, ASmallerMtuIsFoundAndTold) {
  Table table;
  table.carries = 1400;
  table.paths.set_candidates(table.now, std::vector{way(1, 1)});
  table.run(30 * kSecond);
  EXPECT_GT(table.paths[0].mtu, 1370u);
  EXPECT_LE(table.paths[0].mtu, 1400u);
  EXPECT_GE(table.count(Kind::kMtu), 2u);
}

}  // namespace
}  // namespace weft::bond
