// Rows about loss: 11, 13, 13b, and duplicates.
#include <algorithm>
#include <cstdio>

#include "sim/scenario.h"

namespace weft::sim {
namespace {

void redundant(const Conditions& c, Findings& out) {
  std::vector<Uplink> uplinks{uplink(20, 20), uplink(20, 60)};
  for (Uplink& each : uplinks) each.up.loss = each.down.loss = 0.03;
  World world(c.seed, uplinks);
  bond::Policy policy;
  policy.mode = bond::Mode::kRedundant;
  policy.weight.fill(100);
  world.set_policy(policy);
  const UdpFlow& call = world.call(1);
  const UdpFlow& other = world.udp({200, 600, 0, true}, 1);
  const double to = c.full ? 301 : 61;
  world.run(to + 1);
  out.at_most("loss of a call", call.lost_share(1, to), 0.002, "%");
  out.at_most("loss of other packets", other.lost_share(1, to), 0.002, "%");
  out.at_most("inversions of the call", static_cast<double>(call.inversions()), 0, "");
  // Both copies may be lost, and the repair late. The first 30 kB of a flow are sparse: delivered as they come.
  out.at_most("other packets out of order",
              static_cast<double>(other.inversions(2)) / static_cast<double>(other.arrived().size()), 0.001, "%");
  out.at_most("delivered twice", static_cast<double>(call.duplicates() + other.duplicates()), 0, "");
}

void random_loss(const Conditions& c, Findings& out) {
  for (const double loss : {0.001, 0.01}) {
    for (const Tcp kind : {Tcp::kCubic, Tcp::kReno, Tcp::kBbr}) {
      if (!c.full && kind != Tcp::kCubic) continue;
      std::vector<Uplink> uplinks{uplink(40, 20), uplink(40, 20)};
      for (Uplink& each : uplinks) each.up.loss = each.down.loss = loss;
      char name[48];
      std::snprintf(name, sizeof name, "%g %%, %s", loss * 100, name_of(kind).data());
      const double from = 11, to = 31;
      const double single = best_single_mbps(c.seed, uplinks, kind, from, to);
      World world(c.seed, uplinks);
      world.tcp(kind, 1);
      world.run(to);
      out.draw(name, world, payload_mbps(uplinks));
      const double goodput = world.goodput_mbps(from, to);
      out.at_least(name, goodput / payload_mbps(uplinks), 0.90, "%");
      // Twice what one link carries is out of reach where loss does not hinder the flow.
      const double twice = std::min(2.0, 0.9 * payload_mbps(uplinks) / single);
      out.at_least(std::string(name) + ", times the best single", goodput / single, twice, "x");
    }
  }
}

void burst_loss(const Conditions& c, Findings& out) {
  std::vector<Uplink> uplinks{uplink(40, 20), uplink(40, 40)};
  for (Uplink& each : uplinks) {
    // 0.3 % in bursts of four.
    each.up.burst_begin = 0.00075;
    each.up.burst_end = 0.25;
  }
  const double single = best_single_mbps(c.seed, uplinks, Tcp::kCubic, 11, 31);
  World world(c.seed, uplinks);
  world.tcp(Tcp::kCubic, 1);
  world.run(31);
  out.draw("cubic", world, payload_mbps(uplinks));
  out.at_least("cubic, times the best single", world.goodput_mbps(11, 31) / single, 2, "x");
}

// One path, or both, behind a token bucket without a queue.
void policer(const Conditions& c, Findings& out) {
  for (const Tcp kind : {Tcp::kCubic, Tcp::kBbr}) {
    for (const uint32_t policed : {1u, 2u}) {
      if (!c.full && (kind == Tcp::kBbr || policed == 2)) continue;
      std::vector<Uplink> uplinks{uplink(40, 20), uplink(40, 30)};
      constexpr double kRate = 20e6;
      for (uint32_t i = 2 - policed; i < 2; ++i) {
        uplinks[i].up.rate_bps = 200e6;
        uplinks[i].up.policer_bps = kRate;
      }
      World world(c.seed, uplinks);
      world.tcp(kind, 1);
      uint64_t sent = 0, dropped = 0;
      double rate = 0;
      int looks = 0;
      world.at(15, [&] {
        sent = world.link(1).counters().sent;
        dropped = world.link(1).counters().policer_drops;
      });
      const double to = c.full ? 75 : 45;
      watch(world, 15, to, 0.1, [&](double) {
        rate += world.status(1).rate_bps;
        ++looks;
      });
      world.run(to);
      std::string name = policed == 1 ? "on one path, " : "on both, ";
      name += name_of(kind);
      const double sum = policed == 1 ? payload_mbps(uplinks[0].up) : 0;
      Shape shape;
      shape.rate_bps = kRate;
      out.draw(name, world, sum + policed * payload_mbps(shape));
      sent = world.link(1).counters().sent - sent;
      dropped = world.link(1).counters().policer_drops - dropped;
      out.at_most(name + ", drops", static_cast<double>(dropped) / static_cast<double>(std::max<uint64_t>(sent, 1)),
                  0.01, "%");
      out.at_most(name + ", distance of R from the truth", std::abs(rate / looks / kRate - 1), 0.10, "%");
      out.at_least(name + ", goodput", world.goodput_mbps(15, to) / (sum + policed * payload_mbps(shape)), 0.85, "%");
    }
  }
}

void duplicates(const Conditions& c, Findings& out) {
  std::vector<Uplink> uplinks{uplink(40, 20), uplink(40, 20)};
  for (Uplink& each : uplinks) each.up.duplicate = each.down.duplicate = 0.02;
  World world(c.seed, uplinks);
  const TcpFlow& flow = world.tcp(Tcp::kCubic, 1);
  const UdpFlow& call = world.call(1);
  world.run(16);
  out.at_least("2 % twice, cubic", world.goodput_mbps(6, 16) / payload_mbps(uplinks), 0.90, "%");
  out.at_most("delivered twice", static_cast<double>(call.duplicates()), 0, "");
  out.at_most("TCP segments out of order",
              static_cast<double>(flow.receiver().inversions()) / static_cast<double>(flow.receiver().arrived()), 0.001,
              "%");
}

constexpr Scenario kScenarios[] = {
    {"11", "redundant, 3 % loss on both", redundant},
    {"13", "random loss on both", random_loss},
    {"13", "loss in bursts on both", burst_loss},
    {"13b", "policer", policer},
    {"26", "datagrams twice", duplicates},
};

}  // namespace

std::span<const Scenario> loss_scenarios() { return kScenarios; }

}  // namespace weft::sim
