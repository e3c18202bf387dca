// Rows about what breaks: 7, 8, 10, 18, 19, 22, 23, and NAT rebinding.
#include <algorithm>

#include "sim/scenario.h"

namespace weft::sim {
namespace {

void lossy_for_a_while(const Conditions& c, Findings& out) {
  const std::vector<Uplink> uplinks{uplink(40, 20), uplink(40, 30)};
  constexpr double kBegin = 10, kEnd = 14;
  World world(c.seed, uplinks);
  world.tcp(Tcp::kCubic, 1);
  double excluded = 0, rejoined = 0;
  world.at(kBegin, [&] { world.up(0).loss = 0.10; });
  world.at(kEnd, [&] { world.up(0).loss = 0; });
  watch(world, kBegin, 30, 0.01, [&](double now) {
    const bool active = world.status(0).reason == bond::Reason::kActive;
    if (!active && excluded == 0) excluded = now;
    if (!active) rejoined = 0;
    if (active && now >= kEnd && rejoined == 0) rejoined = now;
  });
  world.run(30);
  const double sum = payload_mbps(uplinks);
  out.draw("", world, sum, {{kBegin, "10 % loss"}, {kEnd, "none"}});
  out.at_most("excluded after", excluded == 0 ? kNotAtAll : (excluded - kBegin) * 1000, 300, "ms");
  out.at_most("rejoined after", rejoined == 0 ? kNotAtAll : (rejoined - kEnd) * 1000, 1500, "ms");
  out.at_least("10-16 s after", world.goodput_mbps(kEnd + 10, 30) / sum, 0.90, "%");
}

// `uplink` dies at 10 s and comes back at 20 s, under bulk and calls both ways. How TCP takes it depends on where its
// window is then, so each seed has its own moment.
struct Death {
  double moved_ms = kNotAtAll;  // until no more was placed on it
  double call_gap_ms = 0;       // the longer of both directions
  double stall_ms = 0;          // longest time without a new TCP segment for the application
  uint64_t inversions = 0;
  double after = 0, back = 0;  // of the sum: what is left while it is gone, and 5-10 s after it came back
};

Death die(const Conditions& c, Findings& out, const std::string& name, uint32_t dies, bool unplugged, double rtt) {
  const std::vector<Uplink> uplinks{uplink(40, 20), uplink(40, rtt)};
  const double kDeath = 10 + 0.05 * static_cast<double>(c.seed % 8);
  constexpr double kBack = 20;
  World world(c.seed, uplinks);
  const TcpFlow& bulk = world.tcp(Tcp::kCubic, 1);
  const UdpFlow& there = world.call(1, 30);
  const UdpFlow& back = world.call(1.007, 30, false);
  const auto cut = [&world, dies, unplugged](bool on) {
    // A cable is pulled at the first end: the other one's packets vanish.
    if (unplugged) {
      world.up(dies).unplugged = on;
      world.down(dies).black_hole = on;
    } else {
      world.both(dies, [&](Shape& shape) { shape.black_hole = on; });
    }
  };
  world.at(kDeath, [&] { cut(true); });
  world.at(kBack, [&] { cut(false); });
  Death result;
  uint64_t goodput = 0;
  double moved = 0, progress = kDeath;
  watch(world, kDeath, kBack, 0.002, [&](double now) {
    if (moved == 0 && world.status(dies).reason != bond::Reason::kActive) moved = now;
    if (bulk.goodput_bytes() != goodput) progress = now;
    goodput = bulk.goodput_bytes();
    result.stall_ms = std::max(result.stall_ms, (now - progress) * 1000);
  });
  world.run(31);
  out.draw(name, world, payload_mbps(uplinks), {{kDeath, "dies"}, {kBack, "is back"}});
  if (moved > 0) result.moved_ms = (moved - kDeath) * 1000;
  result.call_gap_ms = std::max(there.longest_gap_ms(9, 29), back.longest_gap_ms(9, 29));
  result.inversions = there.inversions() + back.inversions();
  result.after = world.goodput_mbps(12, 20) / payload_mbps(uplinks[1 - dies].up);
  result.back = world.goodput_mbps(25, 30) / payload_mbps(uplinks);
  return result;
}

void link_dies(const Conditions& c, Findings& out) {
  for (const double rtt : {20.0, 80.0}) {
    for (const uint32_t dies : {0u, 1u}) {
      for (const bool unplugged : {false, true}) {
        if (!c.full && (unplugged || rtt > 50 || dies == 1)) continue;
        std::string name = rtt > 50 ? "RTT 20/80" : "RTT 20/20";
        name += dies == 0 ? ", the first" : ", the second";
        name += unplugged ? " unplugged" : " a black hole";
        const Death death = die(c, out, name, dies, unplugged, rtt);
        out.at_most(name + ", moved after", death.moved_ms, 100 + (dies == 0 ? 20 : rtt), "ms");
        out.at_most(name + ", gap of calls", death.call_gap_ms, 120, "ms");
        out.at_most(name + ", calls' inversions", static_cast<double>(death.inversions), 0, "");
        out.at_most(name + ", TCP stood still", death.stall_ms, 300, "ms");
        out.at_least(name + ", of the other link meanwhile", death.after, 0.90, "%");
        out.at_least(name + ", 5-10 s after it came back", death.back, 0.90, "%");
      }
    }
  }
}

void call_across_failovers(const Conditions& c, Findings& out) {
  World world(c.seed, {uplink(40, 20), uplink(40, 60)});
  world.tcp(Tcp::kCubic, 1);
  const UdpFlow& there = world.call(1);
  const UdpFlow& back = world.call(1.01, 1e6, false);
  const double to = c.full ? 120 : 30;
  for (double when = 5; when < to; when += 5) {
    const bool dead = static_cast<int>(when / 5) % 2 == 1;
    world.at(when, [&world, dead] { world.both(0, [dead](Shape& shape) { shape.black_hole = dead; }); });
  }
  world.run(to);
  out.at_most("inversions", static_cast<double>(there.inversions() + back.inversions()), 0, "");
  out.at_most("longest gap", std::max(there.longest_gap_ms(2, to), back.longest_gap_ms(2, to)), 120, "ms");
}

void one_way_audio(const Conditions& c, Findings& out) {
  World world(c.seed, {uplink(20, 20), uplink(20, 50)});
  const UdpFlow& there = world.call(1);
  const UdpFlow& back = world.call(1.005, 1e6, false);
  world.udp({100, 1000, 0, false}, 1);
  world.udp({100, 1000, 0, false}, 1, 1e6, false);
  const double to = c.full ? 602 : 122;
  // A hole a second in each direction of each path, never the same moment.
  for (double when = 2; when < to; when += 1) {
    for (uint32_t i = 0; i < 2; ++i) {
      const double at = when + 0.31 * i;
      world.at(at, [&world, i] { world.both(i, [](Shape& shape) { shape.loss = 1; }); });
      world.at(at + 0.015, [&world, i] { world.both(i, [](Shape& shape) { shape.loss = 0; }); });
    }
  }
  world.run(to);
  const double gap = std::max(there.longest_gap_ms(2, to), back.longest_gap_ms(2, to));
  out.at_most(std::to_string(static_cast<int>(to / 60)) + " minutes, longest silence", gap, 120, "ms");
}

void rekey(const Conditions& c, Findings& out) {
  const std::vector<Uplink> uplinks{uplink(40, 10), uplink(40, 80)};
  World world(c.seed, uplinks);
  const TcpFlow& bulk = world.tcp(Tcp::kCubic, 1);
  const UdpFlow& there = world.call(1);
  const double to = c.full ? 41 : 21;
  for (double when = 8; when < to; when += 3) world.at(when, [&] { world.rekey(); });
  world.run(to);
  out.draw("", world, payload_mbps(uplinks), {{8, "every 3 s from here"}});
  out.at_least("every 3 s", world.goodput_mbps(8, to) / payload_mbps(uplinks), 0.90, "%");
  out.at_most("longest gap of a call", there.longest_gap_ms(2, to), 60, "ms");
  out.at_most("TCP time-outs", static_cast<double>(bulk.sender().counters().timeouts), 0, "");
}

void reports_lost(const Conditions& c, Findings& out) {
  World world(c.seed, {uplink(40, 20), uplink(40, 40)});
  const UdpFlow& bulk = world.udp({4000, 1400, 0, true}, 1);
  world.at(10, [&] { world.down(0).black_hole = world.down(1).black_hole = true; });
  world.at(15, [&] { world.down(0).black_hole = world.down(1).black_hole = false; });
  world.run(25);
  out.draw("", world, payload_mbps({uplink(40, 20), uplink(40, 40)}), {{10, "nothing comes back"}, {15, "again"}});
  double least = 1;
  for (double second = 10; second < 15; ++second) {
    for (uint32_t i = 0; i < 2; ++i) least = std::min(least, world.share(i, second, second + 1));
  }
  out.at_least("smallest share in a second of the five", least, 0.10, "%");
  out.at_most("loss meanwhile", bulk.lost_share(10, 15), 0.05, "%");
  out.at_most("loss 3-8 s after", bulk.lost_share(18, 23), 0.01, "%");
}

void first_look(const Conditions& c, Findings& out) {
  World world(c.seed, {uplink(40, 20), uplink(40, 60)});
  world.tcp(Tcp::kCubic, 0);
  const UdpFlow& there = world.call(0);
  int excluded = 0;
  watch(world, 0.3, 15, 0.02, [&](double) {
    for (uint32_t i = 0; i < 2; ++i) excluded += world.status(i).reason == bond::Reason::kActive ? 0 : 1;
  });
  world.run(15);
  out.at_most("load from the first moment: looks at which a path was excluded", excluded, 0, "");
  out.at_most("longest gap of a call from 0.5 s on", there.longest_gap_ms(0.5, 14), 60, "ms");
}

// What is lost at the end of a queue, of a flow that overshoots or a link that becomes thin, is no fault of the path.
void overshoot(const Conditions& c, Findings& out) {
  const std::vector<Uplink> uplinks{uplink(30, 20), uplink(30, 50)};
  for (const Tcp kind : {Tcp::kCubic, Tcp::kCubicNoHystart}) {
    World world(c.seed, uplinks);
    for (const double start : {1.0, 6.0, 11.0}) world.tcp(kind, start, true, start + 4);
    for (double when = 2; when < 16; when += 1) {
      world.at(when, [&world] { world.up(1).rate_bps = 8e6; });
      world.at(when + 0.15, [&world] { world.up(1).rate_bps = 30e6; });
    }
    int excluded = 0;
    watch(world, 0.5, 16, 0.02, [&](double) {
      for (uint32_t i = 0; i < 2; ++i) excluded += world.status(i).reason == bond::Reason::kLoss ? 1 : 0;
    });
    world.run(16);
    const std::string name(name_of(kind));
    out.draw(name, world, payload_mbps(uplinks), {{1, "flow"}, {6, "flow"}, {11, "flow"}});
    out.at_most(name + ", looks at which a path was excluded for loss", excluded, 0, "");
  }
}

void nat_rebinding(const Conditions& c, Findings& out) {
  const std::vector<Uplink> uplinks{uplink(40, 20), uplink(40, 30)};
  World world(c.seed, uplinks);
  world.tcp(Tcp::kCubic, 1);
  const UdpFlow& there = world.call(1);
  const UdpFlow& back = world.call(1.005, 1e6, false);
  world.at(8, [&] { world.end(0).rebind(0); });
  world.run(25);
  out.draw("", world, payload_mbps(uplinks), {{8, "new mapping"}});
  out.at_most("gap of calls", std::max(there.longest_gap_ms(7, 24), back.longest_gap_ms(7, 24)), 250, "ms");
  out.at_least("7-17 s after", world.goodput_mbps(15, 25) / payload_mbps(uplinks), 0.90, "%");
}

constexpr Scenario kScenarios[] = {
    {"7", "10 % loss on one link for 4 s", lossy_for_a_while},
    {"8", "a link dies under load", link_dies},
    {"10", "calls across failovers", call_across_failovers},
    {"18", "one-way audio: a hole a second", one_way_audio},
    {"19", "rekey in mid-flow", rekey},
    {"22", "reports lost for 5 s", reports_lost},
    {"23", "first evaluation after start", first_look},
    {"23", "full queues", overshoot},
    {"25", "NAT rebinding of a path", nat_rebinding},
};

}  // namespace

std::span<const Scenario> failure_scenarios() { return kScenarios; }

}  // namespace weft::sim
