// Two ends joined by links: from strangers to two active paths, packets in order, reports, a rekey, a moved address.
#include "bond/bond.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <vector>

#include "bond_ways.h"
#include "util/bytes.h"

namespace weft::bond {
namespace {

constexpr uint64_t kMs = kNanosPerMilli;
constexpr uint64_t kSecond = kNanosPerSecond;
constexpr uint64_t kStart = 1000 * kSecond;
constexpr uint32_t kPacket = 1000;

// A message: session (4), counter (8), class (1), frame? (1), latency sequence (2), then the plaintext.
constexpr uint32_t kHeader = 16, kTag = 16;

class World;

class End : private Wire {
 public:
  End(World& world, uint32_t number) : bond(number + 99), world_(world), number_(number) {}

  void begin_session(SessionIndex session) {
    session_ = session;
    counter_ = 0;
    bond.start_sending_session(session);
  }
  bool offer(uint64_t now, uint64_t number, Class cls) {
    const auto placement = bond.sender().choose(now, cls, kPacket);
    if (!placement) return false;
    uint8_t* message = bond.sender().take(now, *placement, counter_, kPacket, 0);
    std::memset(message, 0, kPacket);
    write_header(message, cls, false, cls == Class::kLatency ? bond.sender().next_latency_sequence() : uint16_t{0});
    store_le64(message + kHeader, number);
    ++counter_;
    return true;
  }
  void arrive(uint64_t now, const net::Path& from, std::vector<uint8_t> message);
  void work(uint64_t now);

  Bond bond;
  std::vector<uint64_t> out;
  uint64_t frames = 0;
  bool silent = false;  // loses all that it sends

 private:
  void write_header(uint8_t* message, Class cls, bool frame, uint16_t sequence) const {
    store_le32(message, session_);
    store_le64(message + 4, counter_);
    message[12] = static_cast<uint8_t>(cls);
    message[13] = frame;
    store(message + 14, sequence);
  }
  bool send(PathId path, const uint8_t* data, uint32_t length, uint32_t segment, uint32_t, uint8_t) override;

  World& world_;
  uint32_t number_;
  SessionIndex session_ = 0;
  uint64_t counter_ = 0;
  uint64_t now_ = 0;
  std::set<std::pair<SessionIndex, uint64_t>> seen_;
  Released released_;
};

class World {
 public:
  World() : ends{std::make_unique<End>(*this, 0), std::make_unique<End>(*this, 1)} {
    for (SessionIndex session : {10u, 11u}) rekey(session);
  }
  void rekey(SessionIndex session) {
    for (auto& end : ends) end->bond.start_receiving_session(session);
    for (auto& end : ends) end->begin_session(session);
  }
  // Both know the other's two uplinks.
  void connect() {
    for (auto& end : ends) end->bond.set_candidates(now, std::vector{way(1, 1), way(2, 2)});
  }
  void run(uint64_t duration) {
    const uint64_t until = now + duration;
    for (;;) {
      for (auto& end : ends) end->work(now);
      uint64_t due = in_flight.empty() ? kNever : in_flight.begin()->first;
      for (auto& end : ends) due = std::min(due, end->bond.next_deadline());
      if (due > until) break;
      ASSERT_LT(++steps, 10'000'000u);
      now = std::max(now + 1000, due);
      while (!in_flight.empty() && in_flight.begin()->first <= now) {
        auto [to, from, bytes] = std::move(in_flight.begin()->second);
        in_flight.erase(in_flight.begin());
        ends[to]->arrive(now, from, std::move(bytes));
      }
    }
    now = until;
  }

  struct Datagram {
    uint32_t to;
    net::Path from;
    std::vector<uint8_t> bytes;
  };
  uint64_t now = kStart;
  uint64_t delay[3] = {0, 10 * kMs, 40 * kMs};  // by uplink
  uint16_t port[3] = {0, 1, 2};                 // of end 0 as end 1 sees it
  std::multimap<uint64_t, Datagram> in_flight;
  std::unique_ptr<End> ends[2];
  uint64_t steps = 0;
};

bool End::send(PathId path, const uint8_t* data, uint32_t length, uint32_t segment, uint32_t, uint8_t) {
  const net::Path& by = bond.paths()[path].way;
  const uint32_t uplink = by.source.interface_index;
  const uint16_t to_port = ntohs(by.remote.v4.sin_port);
  if (silent) return true;
  if (number_ == 1 && to_port != world_.port[uplink]) return true;  // no such mapping any more
  const uint16_t as_seen = number_ == 0 ? world_.port[uplink] : static_cast<uint16_t>(uplink);
  for (uint32_t at = 0; at < length; at += segment) {
    std::vector<uint8_t> bytes(data + at, data + std::min(length, at + segment));
    world_.in_flight.emplace(now_ + world_.delay[uplink],
                             World::Datagram{1 - number_, way(uplink, as_seen), std::move(bytes)});
  }
  return true;
}

void End::arrive(uint64_t now, const net::Path& from, std::vector<uint8_t> message) {
  now_ = now;
  const SessionIndex session = load_le32(message.data());
  const uint64_t counter = load_le64(message.data() + 4);
  const auto cls = static_cast<Class>(message[12]);
  const auto bytes = static_cast<uint32_t>(message.size());
  const bool fresh = seen_.emplace(session, counter).second;
  const PathId path = bond.arrived(now, from, bytes, fresh);
  if (!fresh) {
    bond.receiver().duplicate(now, path, session, counter, cls, bytes);
    return;
  }
  const auto plaintext = std::span(message).subspan(kHeader, message.size() - kHeader - kTag);
  Arrival arrival{.path = path,
                  .session = session,
                  .counter = counter,
                  .cls = cls,
                  .latency_sequence = load<uint16_t>(message.data() + 14),
                  .wire_bytes = bytes};
  if (message[13] != 0) {
    bond.receive_frame(now, path, from, plaintext);
  } else {
    arrival.packet = plaintext;
  }
  bond.receiver().receive(now, arrival, released_);
  for (const auto& packet : released_.packets()) out.push_back(load_le64(packet.data));
  released_.clear();
}

void End::work(uint64_t now) {
  now_ = now;
  bond.advance(now, released_);
  for (const auto& packet : released_.packets()) out.push_back(load_le64(packet.data));
  released_.clear();
  for (const OutgoingFrame& frame : bond.take_frames()) {
    std::vector<uint8_t> message(kHeader + frame.plaintext.size() + kTag);
    write_header(message.data(), Class::kSparse, true, 0);
    std::copy(frame.plaintext.begin(), frame.plaintext.end(), message.begin() + kHeader);
    bond.sender().skip(counter_++);
    const auto size = static_cast<uint32_t>(message.size());
    for (PathId path = 0; path < kMaxPaths; ++path) {
      if ((frame.paths >> path & 1) == 0) continue;
      ++frames;
      send(path, message.data(), size, size, 1, 0);
    }
  }
  bond.sender().pump(now, *this);
}

uint32_t active(const Bond& bond) {
  uint32_t n = 0;
  for (PathId id = 0; id < kMaxPaths; ++id) n += bond.paths()[id].phase == PathPhase::kActive;
  return n;
}

TEST(Bond, TwoEndsFindTwoPaths) {
  World world;
  world.connect();
  world.run(kSecond);
  for (auto& end : world.ends) {
    EXPECT_EQ(active(end->bond), 2u);
    for (PathId id : {0, 1}) EXPECT_EQ(end->bond.paths()[id].remote, id);
    EXPECT_EQ(end->bond.sender().best_path(), 0);
  }
  EXPECT_NEAR(static_cast<double>(world.ends[0]->bond.paths()[1].rtt_ns), 80e6, 1e6);
}

TEST(Bond, OneEndThatKnowsTheOtherSuffices) {
  World world;
  world.ends[0]->bond.set_candidates(world.now, std::vector{way(1, 1), way(2, 2)});
  world.run(kSecond);
  for (auto& end : world.ends) EXPECT_EQ(active(end->bond), 2u);
}

TEST(Bond, PacketsComeOutOnceAndInOrder) {
  World world;
  world.connect();
  world.run(kSecond);
  constexpr uint64_t kPackets = 5000;
  uint64_t accepted = 0;
  for (uint64_t i = 0; i < kPackets; ++i) {
    accepted += world.ends[0]->offer(world.now, i, Class::kBulk);
    world.run(2 * kMs);
  }
  world.run(kSecond);
  const auto& out = world.ends[1]->out;
  EXPECT_EQ(out.size(), accepted);
  EXPECT_TRUE(std::ranges::is_sorted(out));
  EXPECT_GT(accepted, kPackets * 9 / 10);
  EXPECT_EQ(world.ends[1]->bond.receiver().status().proven_lost, 0u);
}

TEST(Bond, ARekeyInMidFlowLosesNothing) {
  World world;
  world.connect();
  world.run(kSecond);
  uint64_t accepted = 0;
  for (uint64_t i = 0; i < 3000; ++i) {
    accepted += world.ends[0]->offer(world.now, i, Class::kBulk);
    world.run(2 * kMs);
    if (i % 1000 == 500) world.rekey(static_cast<SessionIndex>(100 + i));
  }
  world.run(kSecond);
  const auto& out = world.ends[1]->out;
  EXPECT_EQ(out.size(), accepted);
  EXPECT_TRUE(std::ranges::is_sorted(out));
  const Receiver::Status status = world.ends[1]->bond.receiver().status();
  EXPECT_EQ(status.proven_lost + status.timed_out + status.late, 0u);
  EXPECT_LE(status.longest_hold_ms, 100.0);
}

TEST(Bond, AnIdleBondSaysLittle) {
  World world;
  world.connect();
  world.run(60 * kSecond);
  const uint64_t before = world.ends[0]->frames;
  world.run(60 * kSecond);
  EXPECT_LE(world.ends[0]->frames - before, 60u * 6);  // a ping and an answer a path and second, and little more
}

TEST(Bond, ANatThatRebindsIsFollowed) {
  World world;
  world.connect();
  for (int i = 0; i < 500; ++i) {
    world.ends[0]->offer(world.now, 0, Class::kBulk);
    world.run(2 * kMs);
  }
  world.port[1] = 501;
  for (int i = 0; i < 1000; ++i) {
    world.ends[0]->offer(world.now, 0, Class::kBulk);
    world.run(2 * kMs);
  }
  EXPECT_EQ(world.ends[1]->bond.paths()[0].way, way(1, 501));
  EXPECT_EQ(world.ends[1]->bond.paths()[0].phase, PathPhase::kActive);
  EXPECT_EQ(world.ends[1]->bond.paths()[0].generation, 2u);
}

TEST(Bond, WhatIsNoFrameDoesNothing) {
  World world;
  world.connect();
  world.run(kSecond);
  Bond& bond = world.ends[0]->bond;
  for (uint8_t type = 0; type < 20; ++type) {
    std::vector<uint8_t> bytes(64, 0xFF);
    bytes[0] = kFrameMagic;
    bytes[1] = type;
    bytes[2] = kMaxPaths;  // none of the table's
    bond.receive_frame(world.now, 0, way(1, 1), bytes);
  }
  EXPECT_TRUE(bond.take_frames().empty());
}

// An authentic peer may say what it likes.
TEST(Bond, AHostilePeerGrowsNothing) {
  World world;
  world.connect();
  world.run(kSecond);
  Bond& bond = world.ends[0]->bond;
  std::mt19937_64 random(17);
  Released released;
  std::vector<uint8_t> packet(1400);
  uint64_t counter = 0;
  for (int i = 0; i < 50'000; ++i) {
    Frame frame;
    switch (random() % 7) {
      case 0:
        frame = Ping{random()};
        break;
      case 1:
        frame = Challenge{random()};
        break;
      case 2:
        frame = Response{random()};
        break;
      case 3: {
        Report report{.session = random() % 2 == 0 ? 11u : 10u, .time_us = random(), .next = random(), .paths = 8};
        for (PathId p = 0; p < kMaxPaths; ++p) {
          report.path[p] = {.path = p,
                            .has_highest = true,
                            .highest = random() >> random() % 64,
                            .received = random(),
                            .bytes = random(),
                            .last_age_us = random(),
                            .samples = 1};
        }
        frame = report;
        break;
      }
      case 4:
        frame = Nack{.session = 11, .ranges = {{random() >> random() % 64, 1000}}};
        break;
      case 5: {
        PathState state{
            .sequence = static_cast<uint32_t>(random()), .hold_us = UINT32_MAX, .repair_us = UINT32_MAX, .paths = 8};
        for (PathId p = 0; p < kMaxPaths; ++p) state.path[p] = {p, random() % 2 == 0, static_cast<uint32_t>(random())};
        frame = state;
        break;
      }
      default:
        frame = Pong{random()};
    }
    const auto from = way(1, static_cast<uint16_t>(random() % 3 == 0 ? random() : 1));
    const PathId path = bond.arrived(world.now, from, 64, true);
    bond.receive_frame(world.now, path, from, encode_frame(static_cast<PathId>(random() % 8), frame));
    counter += random() % 3 == 0 ? random() % 1000 : 1;
    bond.receiver().receive(world.now,
                            {.path = path,
                             .session = 11,
                             .counter = counter,
                             .cls = static_cast<Class>(random() % 3),
                             .latency_sequence = static_cast<uint16_t>(random()),
                             .wire_bytes = 1432,
                             .packet = packet},
                            released);
    released.clear();
    ASSERT_LE(bond.receiver().status().buffered, Reorder::kSlots + LatencyOrder::kSlots);
    if (i % 16 == 0) {
      world.now += 100'000;
      bond.advance(world.now, released);
      released.clear();
      ASSERT_LE(bond.take_frames().size(), 200u);
    }
  }
  EXPECT_LE(bond.receiver().status().longest_hold_ms, 250.2);
}

}  // namespace
}  // namespace weft::bond
