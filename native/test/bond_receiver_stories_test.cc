// The stories of those who bonded links before: each of these once cost somebody a call.
#include <gtest/gtest.h>

#include <map>
#include <random>
#include <set>

#include "bond_receiving_end.h"

namespace weft::bond {
namespace {

// Row 14. A timer computed from the time between packets became 0 at high rates, which meant "stopped": the queue stood
// still until the sequence numbers rolled over. Here a million packets a second, on a clock that does not move between
// them.
TEST(BondReceiverStories, TheReorderTimerThatBecameZero) {
  for (const uint32_t hold_us : {0u, 1u, 1000u, 60'000u, 250'000u, UINT32_MAX}) {
    ReceivingEnd end;
    end.state(kStart, hold_us);
    end.bulk(kStart, 0, 0);
    end.bulk(kStart, 1, 1);
    uint64_t counter = 3;
    uint64_t now = kStart;
    const uint64_t deadline = kStart + std::clamp<uint64_t>(hold_us, 1'000, 250'000) * 1000;
    for (; now < deadline; now += kMs) {
      for (int i = 0; i < 400; ++i) {
        end.bulk(now, 0, counter++);
        ASSERT_GT(end.receiver.next_deadline(), 0u);
        ASSERT_LE(end.receiver.next_deadline(), deadline);
      }
      end.expire(now);
      if (end.receiver.report_due(now)) end.receiver.nack_due(now);
    }
    EXPECT_EQ(end.take(), (Numbers{0, 1})) << hold_us;
    end.expire(deadline - 1);
    EXPECT_EQ(end.take(), Numbers{}) << hold_us;
    end.expire(deadline);
    EXPECT_EQ(end.take().size(), counter - 3) << hold_us;
    EXPECT_EQ(end.receiver.status().timed_out, 1u);
  }
}

// Row 15. A timer that each packet arms anew never fires while packets come: the deadline is of the hole.
TEST(BondReceiverStories, ContinuousArrivalsDoNotPutTheDeadlineOff) {
  ReceivingEnd end;
  end.state(kStart, 50'000);
  end.bulk(kStart, 0, 0);
  end.bulk(kStart, 1, 1);
  uint64_t now = kStart, counter = 3;
  while (now < kStart + 200 * kMs) {
    end.bulk(now, 0, counter++);  // no other call: arrivals alone suffice
    if (now < kStart + 50 * kMs) {
      ASSERT_EQ(end.receiver.status().delivered, 2u);
    } else {
      ASSERT_EQ(end.receiver.status().buffered, 0u);
    }
    now += 100'000;
  }
  EXPECT_EQ(end.receiver.status().timed_out, 1u);
  EXPECT_EQ(end.receiver.status().longest_hold_ms, 50.0);
}

// Each hole has a deadline of its own, of its first packet; nobody waits longer than that, however many holes there
// are.
TEST(BondReceiverStories, ManyHolesDoNotAddUp) {
  std::mt19937_64 random(5);
  ReceivingEnd end;
  end.state(kStart, 40'000);
  end.bulk(kStart, 1, 0);  // the slow path has died: it proves nothing any more
  uint64_t now = kStart;
  for (uint64_t c = 1; c < 100'000; ++c) {
    now += 20'000;
    if (random() % 3 != 0) end.bulk(now, 0, c);
    end.run_until(now);
  }
  end.run_until(now + 300 * kMs);
  EXPECT_LE(end.receiver.status().longest_hold_ms, 40.0);
  EXPECT_EQ(end.receiver.status().buffered, 0u);
}

// Row 17.
TEST(BondReceiverStories, ALatePacketIsDeliveredOnceAndResetsNothing) {
  ReceivingEnd end;
  end.state(kStart, 20'000);
  end.bulk(kStart, 1, 0);
  end.bulk(kStart, 0, 1);
  end.bulk(kStart, 0, 5);
  end.run_until(kStart + 30 * kMs);
  EXPECT_EQ(end.take(), (Numbers{0, 1, 5}));
  end.bulk(kStart + 31 * kMs, 0, 8);
  end.bulk(kStart + 32 * kMs, 1, 3);  // at once, though a new hole is open
  EXPECT_EQ(end.take(), (Numbers{3}));
  end.copy(kStart + 33 * kMs, 0, 3);
  EXPECT_EQ(end.take(), Numbers{});
  EXPECT_EQ(end.receiver.status().late, 1u);
  EXPECT_EQ(end.receiver.status().buffered, 1u);
  end.run_until(kStart + 31 * kMs + 20 * kMs + 1);
  EXPECT_EQ(end.take(), (Numbers{8}));
}

// A packet of a class that overtakes is lost, and no bulk follows: nothing may grow, nothing may wait, no timer may
// run.
TEST(BondReceiverStories, ALostOvertakingPacketWithNoBulkBehindIt) {
  ReceivingEnd end;
  end.state(kStart, 50'000);
  end.bulk(kStart, 0, 0);
  end.bulk(kStart, 1, 1);
  uint64_t now = kStart;
  for (uint64_t c = 3; c < 1'000'003; ++c) {
    now += 20 * kMs;
    if (c % 1000 != 0) end.latency(now, 0, c, static_cast<uint16_t>(c));
    ASSERT_LE(end.receiver.status().buffered, 1u);
    if (end.receiver.report_due(now)) {
      const auto nack = end.receiver.nack_due(now);
      ASSERT_TRUE(!nack || nack->ranges.front().first + 50 > c) << "what was lost long ago is still asked for";
    }
    if (c % 1000 == 1) end.run_until(now + 1);
  }
  EXPECT_EQ(end.receiver.status().timed_out, 0u);
}

// What overtook is no reason to give up what it overtook: only packets that wait start the clock.
TEST(BondReceiverStories, PlaceholdersAloneStartNoTimer) {
  ReceivingEnd end;
  end.state(kStart, 10'000);
  end.bulk(kStart, 0, 0);
  end.bulk(kStart, 1, 1);
  end.sparse(kStart, 0, 3);
  end.sparse(kStart, 0, 4);
  ASSERT_TRUE(end.receiver.report_due(kStart));
  EXPECT_EQ(end.receiver.next_deadline(), kStart + 25 * kMs);  // the next report; a hole's deadline were after 10 ms
  end.expire(kStart + 100 * kMs);
  end.take();
  end.bulk(kStart + 101 * kMs, 1, 2);
  end.bulk(kStart + 102 * kMs, 0, 5);
  EXPECT_EQ(end.take(), (Numbers{2, 5}));
  EXPECT_EQ(end.receiver.status().late, 0u);
  EXPECT_EQ(end.receiver.status().timed_out, 0u);
}

TEST(BondReceiverStories, BulkBehindAForgottenHoleDoesNotWaitForIt) {
  ReceivingEnd end;
  end.state(kStart, 100'000);
  end.bulk(kStart, 0, 0);
  end.bulk(kStart, 1, 1);
  end.sparse(kStart, 0, 3);  // 2 was sparse too, and is lost
  end.bulk(kStart + 400 * kMs, 0, 4);
  EXPECT_EQ(end.take(), (Numbers{0, 1, 3, 4}));
}

// Row 18. Ten minutes of a call in both directions, 50 packets a second each, beside bulk that loses a packet a second,
// over two paths of different delay. Neither direction is ever silent for long, in the wrap of its sequence or
// elsewhere.
TEST(BondReceiverStories, TheCallThatWentOneWay) {
  for (const uint64_t direction : {1, 2}) {
    std::mt19937_64 random(direction);
    ReceivingEnd end;
    struct Packet {
      PathId path;
      uint64_t counter;
      bool call;
      uint16_t sequence;
    };
    std::multimap<uint64_t, Packet> arrivals;
    uint64_t counter = 0;
    auto sequence = static_cast<uint16_t>(65536 - 15'000);  // wraps in the middle
    constexpr uint64_t kTenMinutes = 600 * kNanosPerSecond;
    for (uint64_t t = 0; t < kTenMinutes; t += 5 * kMs) {
      const auto path = static_cast<PathId>(random() % 2);
      const uint64_t delay = (path == 0 ? 10 : 60) * kMs + random() % (3 * kMs);
      if (t % (20 * kMs) == 0) {
        arrivals.emplace(kStart + t + 10 * kMs + random() % (15 * kMs), Packet{0, counter, true, sequence++});
        ++counter;
      }
      if (t % kNanosPerSecond != 500 * kMs) arrivals.emplace(kStart + t + delay, Packet{path, counter, false, 0});
      ++counter;
    }
    end.state(kStart, 150'000, 3'000, 30'000);
    uint64_t heard = kStart, longest = 0, calls = 0, bulk = 0;
    std::set<uint64_t> call_counters;
    uint64_t last_call = 0;
    for (const auto& [time, packet] : arrivals) {
      auto listen = [&](uint64_t now) {
        for (const uint64_t n : end.take()) {
          if (!call_counters.contains(n)) {
            ++bulk;
            continue;
          }
          ASSERT_GE(n, last_call);
          last_call = n;
          longest = std::max(longest, now - heard);
          heard = now;
          ++calls;
        }
      };
      end.run_until(time);
      listen(time);
      if (packet.call) {
        call_counters.insert(packet.counter);
        end.latency(time, packet.path, packet.counter, packet.sequence);
      } else {
        end.bulk(time, packet.path, packet.counter);
      }
      listen(time);
    }
    EXPECT_LE(longest, 120 * kMs);
    EXPECT_GE(calls, 29'990u);
    EXPECT_GE(bulk, 119'390u);
    EXPECT_LE(end.receiver.status().longest_hold_ms, 150.0);
  }
}

// Row 19. A new session begins while the slow path still carries the old one's packets: all come out, in order, and
// nothing stalls.
TEST(BondReceiverStories, ARekeyInMidFlow) {
  constexpr SessionIndex kOld = ReceivingEnd::kSession, kNew = kOld + 1;
  ReceivingEnd end;
  end.receiver.start_session(kNew);
  end.state(kStart, 200'000, 500, 0);
  struct Packet {
    PathId path;
    SessionIndex session;
    uint64_t counter;
  };
  std::multimap<uint64_t, Packet> arrivals;
  constexpr uint64_t kEach = 5000, kGap = 250'000;  // 4,000 packets a second
  for (uint64_t i = 0; i < 2 * kEach; ++i) {
    const auto path = static_cast<PathId>(i % 2);
    const Packet packet = i < kEach ? Packet{path, kOld, i} : Packet{path, kNew, i - kEach};
    arrivals.emplace(kStart + i * kGap + (path == 0 ? 10 : 60) * kMs, packet);
  }
  Numbers out;
  uint64_t last_out = 0, longest_pause = 0;
  for (const auto& [time, packet] : arrivals) {
    end.run_until(time);
    end.bulk(time, packet.path, packet.counter, packet.session);
    const Numbers now_out = end.take();
    if (!now_out.empty()) {
      if (out.size() > 100) longest_pause = std::max(longest_pause, time - last_out);
      last_out = time;
    }
    out.insert(out.end(), now_out.begin(), now_out.end());
  }
  end.run_until(kStart + 10 * kNanosPerSecond);
  for (const uint64_t n : end.take()) out.push_back(n);
  Numbers expected;
  for (uint64_t i = 0; i < 2 * kEach; ++i) expected.push_back(i % kEach);
  EXPECT_EQ(out, expected);
  EXPECT_LE(longest_pause, 5 * kMs);
  const Receiver::Status status = end.receiver.status();
  EXPECT_EQ(status.proven_lost + status.timed_out + status.overflowed, 0u);
}

// The sender's counts go on over sessions; what was reported of one is not mistaken for the other.
TEST(BondReceiverStories, ReportsAcrossARekey) {
  constexpr SessionIndex kOld = ReceivingEnd::kSession, kNew = kOld + 1;
  ReceivingEnd end;
  end.receiver.start_session(kNew);
  end.state(kStart, 200'000);
  for (uint64_t i = 0; i < 100; ++i) end.bulk(kStart, static_cast<PathId>(i % 2), i);
  end.bulk(kStart, 0, 0, kNew);
  const Report report = *end.receiver.report_due(kStart);
  EXPECT_EQ(report.session, kNew);
  EXPECT_EQ(report.next, 0u);
  ASSERT_EQ(report.paths, 2);
  EXPECT_TRUE(report.path[0].has_highest);
  EXPECT_EQ(report.path[0].highest, 0u);
  EXPECT_EQ(report.path[0].received, 51u);
  EXPECT_FALSE(report.path[1].has_highest);
  EXPECT_EQ(report.path[1].received, 50u);
  EXPECT_FALSE(end.receiver.nack_due(kStart)) << "the gap between two sessions is no loss";
  end.bulk(kStart + kMs, 1, 1, kNew);  // both have passed it
  EXPECT_EQ(end.receiver.status().buffered, 0u);
  EXPECT_EQ(end.receiver.status().proven_lost, 0u);
}

// Row 16, the whole receiver: two paths, loss, copies, late packets, over several wraps of the ring. Against the truth
// in 64 bits: each delivered once, in order but for those whose hole was given up, and all delivered.
TEST(BondReceiverStories, NothingIsLostOrDoubledAcrossTheRingsWrap) {
  std::mt19937_64 random(11);
  ReceivingEnd end;
  end.state(kStart, 100'000, 1'000, 0);
  std::multimap<uint64_t, std::pair<PathId, uint64_t>> arrivals;
  constexpr uint64_t kPackets = 4 * Reorder::kSlots, kGap = 20'000;
  std::set<uint64_t> lost;
  for (uint64_t i = 0; i < kPackets; ++i) {
    const auto path = static_cast<PathId>(i == 0 ? 0 : random() % 2);
    const uint64_t sent = kStart + i * kGap;
    auto delay = [&](PathId by) { return (by == 0 ? 5 : 45) * kMs + random() % kMs; };
    if (i != 0 && i != kPackets - 1 && random() % 100 == 0) {
      lost.insert(i);
      continue;
    }
    arrivals.emplace(sent + delay(path) + (random() % 500 == 0 ? 300 * kMs : 0), std::pair{path, i});
    const auto other = static_cast<PathId>(1 - path);
    if (random() % 50 == 0) arrivals.emplace(sent + delay(other), std::pair{other, i});
  }
  std::vector<bool> came(kPackets), out(kPackets);
  uint64_t inversions = 0, highest = 0;
  auto collect = [&] {
    for (const uint64_t n : end.take()) {
      ASSERT_FALSE(out[n]) << n;
      out[n] = true;
      if (n < highest) ++inversions;
      highest = std::max(highest, n);
    }
  };
  for (const auto& [time, packet] : arrivals) {
    end.run_until(time);
    if (came[packet.second]) {
      end.copy(time, packet.first, packet.second);
    } else {
      end.bulk(time, packet.first, packet.second);
    }
    came[packet.second] = true;
    collect();
  }
  end.run_until(kStart + 100 * kNanosPerSecond);
  collect();
  EXPECT_EQ(came, out);
  const Receiver::Status status = end.receiver.status();
  EXPECT_EQ(inversions, status.late);
  EXPECT_EQ(status.proven_lost + status.timed_out, lost.size() + status.late);
  EXPECT_EQ(status.overflowed, 0u);
  EXPECT_LE(status.longest_hold_ms, 100.0);
}

}  // namespace
}  // namespace weft::bond
