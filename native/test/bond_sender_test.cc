// The sending half as a whole, against a small model of two links and a receiver that reports.
#include "bond/sender.h"

#include <gtest/gtest.h>

#include <cstring>
#include <deque>
#include <map>
#include <set>

namespace weft::bond {
namespace {

constexpr uint64_t kMs = kNanosPerMilli;
constexpr uint32_t kPacket = 1400;

// What leaves, as bytes; the first 8 of a packet are its counter.
class RecordingWire : public Wire {
 public:
  struct Datagram {
    PathId path;
    uint64_t counter;
    uint32_t length;
  };
  bool send(PathId path, const uint8_t* data, uint32_t length, uint32_t segment, uint32_t count, uint8_t) override {
    ++calls;
    if (down >> path & 1) return false;
    uint32_t datagrams = 0;
    for (uint32_t at = 0; at < length; at += segment, ++datagrams) {
      uint64_t counter;
      std::memcpy(&counter, data + at, sizeof counter);
      sent.push_back({path, counter, std::min(segment, length - at)});
    }
    EXPECT_EQ(datagrams, count);
    EXPECT_LE(count, 64u);
    return true;
  }
  std::vector<Datagram> sent;
  uint32_t calls = 0;
  PathSet down = 0;
};

// Links that carry what the sender gives them, and the receiver's reports every 25 ms over the other way.
class Rig {
 public:
  struct Link {
    double rate = 40e6;
    uint64_t delay_ns = 10 * kMs;
    uint64_t queue_ns = 100 * kMs;
    bool dead = false;
    uint32_t lose_every = 0;
    uint64_t busy_ns = 0, count = 0;
    uint64_t delivered_bytes = 0;
    // The receiver's.
    uint64_t received = 0, bytes = 0, highest = 0, last_ns = 0;
    bool has_highest = false;
    std::deque<PathReport::Sample> samples;  // age_us holds the time of arrival until it is reported
  };
  struct Arrival {
    uint64_t at;
    PathId path;
    uint64_t counter;
    uint32_t length;
    bool operator<(const Arrival& other) const { return at < other.at; }
  };

  explicit Rig(std::vector<Link> l) : links(std::move(l)) {
    sender.start_session(7);
    for (PathId i = 0; i < links.size(); ++i) sender.add_path(now, i, 2 * links[i].delay_ns, 1472);
  }

  void offer(Class cls, uint32_t bytes = kPacket) {
    const auto placement = sender.choose(now, cls, bytes);
    if (!placement) {
      ++dropped;
      return;
    }
    chosen[placement->path]++;
    uint8_t* data = sender.take(now, *placement, counter, bytes, 0);
    ASSERT_NE(data, nullptr);
    std::memcpy(data, &counter, sizeof counter);
    cls_of[counter++] = cls;
  }
  // Bulk at this rate for so long.
  void load(double bits_per_second, uint64_t duration_ns) {
    const uint64_t end = now + duration_ns;
    double owed = 0;
    while (now < end) {
      owed += bits_per_second / 1000 / 8;
      for (; owed >= kPacket; owed -= kPacket) offer(Class::kBulk);
      advance(kMs);
    }
  }
  void advance(uint64_t by) {
    const uint64_t end = now + by;
    for (; now < end; now += kMs / 4) step();
  }
  void step() {
    wire.sent.clear();
    sender.pump(now, wire);
    sender.tick(now);
    for (const auto& d : wire.sent) carry(d);
    while (!flight.empty() && flight.begin()->at <= now) {
      arrive(*flight.begin());
      flight.erase(flight.begin());
    }
    if (now >= next_report && reporting) {
      next_report = now + 25 * kMs;
      back.push_back({now + links[0].delay_ns, report()});
    }
    while (!back.empty() && back.front().first <= now) {
      sender.on_report(now, back.front().second);
      back.pop_front();
    }
  }
  void carry(const RecordingWire::Datagram& d) {
    Link& link = links[d.path];
    ++link.count;
    const uint64_t start = std::max(link.busy_ns, now);
    if (start - now > link.queue_ns) return;
    link.busy_ns = start + static_cast<uint64_t>(d.length * 8e9 / link.rate);
    if (link.dead || (link.lose_every && link.count % link.lose_every == 0)) return;
    flight.insert({link.busy_ns + link.delay_ns, d.path, d.counter, d.length});
  }
  void arrive(const Arrival& a) {
    Link& link = links[a.path];
    link.bytes += a.length;
    link.last_ns = a.at;
    arrived.insert(a.counter);
    if (cls_of[a.counter] == Class::kLatency && a.counter > last_heard) {
      last_heard = a.counter;
      ++heard;
    }
    if (cls_of[a.counter] != Class::kBulk) return;
    ++link.received;
    link.highest = std::max(link.highest, a.counter);
    link.has_highest = true;
    link.samples.push_back({static_cast<uint32_t>(a.counter), static_cast<uint32_t>(a.at / 1000)});
    if (link.samples.size() > 8) link.samples.pop_front();
  }
  Report report() {
    Report r;
    r.session = 7;
    r.time_us = now / 1000;
    for (PathId i = 0; i < links.size(); ++i) {
      Link& link = links[i];
      PathReport& p = r.path[r.paths++];
      p.path = i;
      p.has_highest = link.has_highest;
      p.highest = link.highest;
      p.received = link.received;
      p.bytes = link.bytes;
      p.last_age_us = (now - link.last_ns) / 1000;
      for (const auto& s : link.samples) {
        p.sample[p.samples++] = {static_cast<uint32_t>(link.highest - s.below_highest),
                                 static_cast<uint32_t>(now / 1000 - s.age_us)};
      }
      link.samples.clear();
    }
    return r;
  }
  double delivered_bps(PathId i, uint64_t over_ns) {
    const uint64_t before = links[i].bytes;
    load(offered, over_ns);
    return static_cast<double>(links[i].bytes - before) * 8e9 / static_cast<double>(over_ns);
  }

  std::vector<Link> links;
  Sender sender;
  RecordingWire wire;
  uint64_t now = kNanosPerSecond;
  uint64_t counter = 0;
  uint64_t dropped = 0;
  uint64_t heard = 0, last_heard = 0;  // of a call, what did not come after a later one
  double offered = 100e6;
  bool reporting = true;
  std::map<PathId, uint64_t> chosen;
  std::map<uint64_t, Class> cls_of;
  std::multiset<Arrival> flight;
  std::deque<std::pair<uint64_t, Report>> back;
  uint64_t next_report = 0;
  std::set<uint64_t> arrived;
};

Rig::Link link(double rate, uint64_t delay_ms) {
  Rig::Link l;
  l.rate = rate;
  l.delay_ns = delay_ms * kMs;
  return l;
}

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

TEST(BondSender, ADeadPathIsLeftAndItsPacketsGoByTheOther) {
  Rig rig({{}, {}});
  rig.load(60e6, 3 * kNanosPerSecond);
  rig.links[1].dead = true;
  rig.load(30e6, 120 * kMs);
  EXPECT_EQ(rig.sender.active(), 0b01);
  EXPECT_EQ(rig.sender.status(rig.now, 1).reason, Reason::kSilent);
  rig.load(20e6, 500 * kMs);
  uint64_t missing = 0;
  for (uint64_t c = 0; c + 100 < rig.counter; ++c) missing += !rig.arrived.contains(c);
  EXPECT_EQ(missing, 0u);
  // And it is taken again when it lives.
  rig.links[1].dead = false;
  rig.load(60e6, 2500 * kMs);
  EXPECT_EQ(rig.sender.active(), 0b11);
}

TEST(BondSender, ALossyPathIsLeftAndComesBack) {
  Rig rig({{}, {}});
  rig.load(60e6, 3 * kNanosPerSecond);
  rig.links[1].lose_every = 10;
  rig.load(60e6, 400 * kMs);
  EXPECT_EQ(rig.sender.active(), 0b01);
  EXPECT_EQ(rig.sender.status(rig.now, 1).reason, Reason::kLoss);
  rig.load(60e6, 3 * kNanosPerSecond);
  EXPECT_EQ(rig.sender.active(), 0b01);
  rig.links[1].lose_every = 0;
  rig.load(60e6, 2 * kNanosPerSecond);
  EXPECT_EQ(rig.sender.active(), 0b11);
}

// The last of what a full queue dropped is missed when the queue has gone.
TEST(BondSender, WhatAFullQueueDroppedIsNoReasonToLeave) {
  for (const uint64_t queue_ms : {40, 50, 70, 100}) {
    for (uint64_t thin_ms = 40; thin_ms <= 150; thin_ms += 10) {
      Rig rig({{}, {}});
      rig.links[1].queue_ns = queue_ms * kMs;
      rig.load(100e6, 3 * kNanosPerSecond);
      rig.links[1].rate = 10e6;
      rig.load(100e6, thin_ms * kMs);
      rig.links[1].rate = 40e6;
      for (uint64_t ms = 0; ms < 500; ms += 5) {
        rig.load(100e6, 5 * kMs);
        ASSERT_EQ(rig.sender.active(), 0b11)
            << "queue of " << queue_ms << " ms, full after " << thin_ms << " ms, " << ms << " ms later";
      }
    }
  }
}

TEST(BondSender, AFarPathIsLeftOutAndTakesOver) {
  Rig rig({link(40e6, 10), link(40e6, 300)});
  rig.load(60e6, 2 * kNanosPerSecond);
  EXPECT_EQ(rig.sender.status(rig.now, 0).reason, Reason::kActive);
  EXPECT_EQ(rig.sender.status(rig.now, 1).reason, Reason::kApart);
  EXPECT_EQ(rig.sender.active(), 0b01);
  rig.sender.remove_path(rig.now, 0);
  EXPECT_EQ(rig.sender.active(), 0b10);
}

// What a hiccup cuts a rate to says little of the path, and neither does what was lost then.
TEST(BondSender, AHiccupIsNoReasonToStandApart) {
  for (uint64_t stuck_ms = 50; stuck_ms <= 400; stuck_ms += 25) {
    Rig rig({link(40e6, 10), link(40e6, 25)});
    rig.load(60e6, 500 * kMs);
    rig.links[0].rate = 0.3e6;
    rig.load(60e6, stuck_ms * kMs);
    rig.links[0].rate = 40e6;
    for (uint64_t ms = 0; ms < 3000; ms += 10) {
      rig.load(60e6, 10 * kMs);
      ASSERT_NE(rig.sender.status(rig.now, 0).reason, Reason::kApart) << stuck_ms << " ms, " << ms << " ms later";
    }
    rig.load(60e6, 2 * kNanosPerSecond);
    EXPECT_EQ(rig.sender.active(), 0b11) << stuck_ms << " ms";
  }
}

TEST(BondSender, APathThatHasBecomeLossyAndThinIsLeftOut) {
  Rig rig({link(40e6, 10), link(40e6, 25)});
  rig.load(60e6, 3 * kNanosPerSecond);
  rig.links[0].rate = 4e6;
  rig.links[0].lose_every = 100;
  rig.load(60e6, 8 * kNanosPerSecond);
  EXPECT_EQ(rig.sender.status(rig.now, 0).reason, Reason::kApart);
  EXPECT_EQ(rig.sender.active(), 0b10);
}

// What it carries beside a path that is thin itself says nothing of what it adds to the best.
TEST(BondSender, AThinLossyPathIsLeftOutBesideAnotherThinOne) {
  Rig rig({link(100e6, 10), link(40e6, 25), link(6e6, 25)});
  rig.load(150e6, 3 * kNanosPerSecond);
  rig.links[1].rate = 4e6;
  rig.links[1].lose_every = 100;
  rig.load(150e6, 8 * kNanosPerSecond);
  EXPECT_EQ(rig.sender.status(rig.now, 1).reason, Reason::kApart);
}

// What a flow gets over the near one is little: bulk goes by the far one, calls do not.
TEST(BondSender, AFarPathThatCarriesMuchMoreThanALossyOneGetsTheBulk) {
  Rig rig({link(4e6, 10), link(40e6, 300)});
  rig.links[0].lose_every = 100;
  rig.load(8e6, 500 * kMs);
  rig.load(3e6, 5 * kNanosPerSecond);
  EXPECT_EQ(rig.sender.status(rig.now, 0).reason, Reason::kApart);
  EXPECT_EQ(rig.sender.active(), 0b10);
  EXPECT_EQ(rig.sender.choose(rig.now, Class::kBulk, kPacket)->path, 1);
  EXPECT_EQ(rig.sender.choose(rig.now, Class::kLatency, 200)->path, 0);
  rig.sender.remove_path(rig.now, 1);
  EXPECT_EQ(rig.sender.active(), 0b01);
}

TEST(BondSender, ARefusedPathIsLeftAtOnce) {
  Rig rig({{}, {}});
  rig.load(60e6, kNanosPerSecond);
  rig.wire.down = 0b10;
  rig.load(60e6, 5 * kMs);
  EXPECT_EQ(rig.sender.status(rig.now, 1).reason, Reason::kRefused);
  EXPECT_EQ(rig.sender.active(), 0b01);
}

// Of a call on a path from which nothing is heard any more: what is sent now, and what was under way, goes by another.
TEST(BondSender, ACallIsCopiedWhenItsPathFallsSilent) {
  Rig rig({link(40e6, 10), link(40e6, 40)});
  rig.load(60e6, kNanosPerSecond);
  const auto call = [&rig] {
    const uint64_t mine = rig.counter;
    rig.offer(Class::kLatency, 200);
    return mine;
  };
  const auto hear = [&rig](uint64_t duration_ns) {
    for (const uint64_t end = rig.now + duration_ns; rig.now < end;) {
      rig.sender.heard(rig.now, 0);
      rig.advance(kMs);
    }
  };
  const auto goes_by = [&rig](uint64_t counter) {
    PathSet set = 0;
    for (const auto& d : rig.wire.sent) {
      if (d.counter == counter) set |= static_cast<PathSet>(1u << d.path);
    }
    return set;
  };
  hear(kNanosPerSecond);
  call();
  hear(100 * kMs);
  call();
  rig.step();
  rig.links[0].dead = true;
  rig.advance(5 * kMs);
  const uint64_t lost = call();
  rig.step();
  EXPECT_EQ(goes_by(lost), 0b01);
  rig.advance(15 * kMs);
  const uint64_t next = call();
  rig.step();
  EXPECT_EQ(goes_by(next), 0b11);
  EXPECT_EQ(goes_by(lost), 0b10);
  rig.advance(kMs);
  const uint64_t third = call();
  rig.step();
  EXPECT_EQ(goes_by(third), 0b11);
  EXPECT_EQ(goes_by(lost), 0);  // once is enough
  rig.sender.heard(rig.now, 0);
  const uint64_t fourth = call();
  rig.step();
  EXPECT_EQ(goes_by(fourth), 0b01);
}

// Where there is no bulk there are no copies of it that could prove a path, however busy it is otherwise.
TEST(BondSender, WithoutBulkPingsBringAPathBack) {
  Rig rig({{}, {}});
  const auto acknowledge = [&rig](uint64_t duration_ns) {
    for (const uint64_t end = rig.now + duration_ns; rig.now < end; rig.advance(2 * kMs))
      rig.offer(Class::kSparse, 100);
  };
  acknowledge(kNanosPerSecond);
  rig.wire.down = 0b01;
  acknowledge(100 * kMs);
  EXPECT_EQ(rig.sender.active(), 0b10);
  rig.wire.down = 0;
  for (int i = 0; i < 4; ++i) rig.sender.on_rtt(rig.now, 0, 20 * kMs);
  acknowledge(2 * kNanosPerSecond);
  EXPECT_EQ(rig.sender.active(), 0b11);
}

// A queue grows on the path of a call: what is in it would come after what then goes by the other path.
TEST(BondSender, ACallThatLeavesAPathIsHeardWhole) {
  Rig rig({{}, {.delay_ns = 20 * kMs}});
  rig.load(60e6, 2 * kNanosPerSecond);
  uint64_t said = 0;
  for (int i = 0; i < 300; ++i, ++said) {
    if (i == 100) rig.links[0].busy_ns += 90 * kMs;
    rig.offer(Class::kLatency, 250);
    rig.load(60e6, 3 * kMs);
  }
  rig.advance(200 * kMs);
  EXPECT_GT(rig.chosen[1], 0u);
  EXPECT_EQ(rig.heard, said);
}

TEST(BondSender, AllSilentAtOnceExcludesNone) {
  Rig rig({{}, {}});
  rig.load(60e6, 2 * kNanosPerSecond);
  rig.links[0].dead = rig.links[1].dead = true;
  rig.load(60e6, 500 * kMs);
  EXPECT_EQ(rig.sender.active(), 0b11);
}

TEST(BondSender, IdleIsNoEvidence) {
  Rig rig({{}, {}});
  rig.load(100e6, 2 * kNanosPerSecond);
  rig.advance(300 * kMs);
  rig.now += 600 * kNanosPerSecond;
  EXPECT_EQ(rig.sender.active(), 0b11);
  rig.load(100e6, 500 * kMs);
  EXPECT_EQ(rig.sender.active(), 0b11);
  rig.chosen.clear();
  rig.load(100e6, 500 * kMs);
  EXPECT_GT(rig.chosen[0], 100u);
  EXPECT_GT(rig.chosen[1], 100u);
}

TEST(BondSender, WithoutReportsBothPathsGoOn) {
  Rig rig({{}, {}});
  rig.load(100e6, 2 * kNanosPerSecond);
  rig.reporting = false;
  rig.load(100e6, 5 * kNanosPerSecond);
  rig.chosen.clear();
  rig.load(100e6, kNanosPerSecond);
  EXPECT_GT(rig.chosen[0], 1000u);
  EXPECT_GT(rig.chosen[1], 1000u);
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
