// Two or more links that carry what the sending half of a bond gives them, and a receiver that reports.
#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <deque>
#include <map>
#include <set>
#include <vector>

#include "bond/sender.h"

namespace weft::bond {

inline constexpr uint64_t kMs = kNanosPerMilli;
inline constexpr uint32_t kPacket = 1400;

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

inline Rig::Link link(double rate, uint64_t delay_ms) {
  Rig::Link l;
  l.rate = rate;
  l.delay_ns = delay_ms * kMs;
  return l;
}

}  // namespace weft::bond
