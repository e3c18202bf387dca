// Rows about how much the bond carries: 1-6, 12, 21, 24.
#include <algorithm>
#include <array>
#include <cstdio>

#include "sim/scenario.h"

namespace weft::sim {
namespace {

constexpr double kFlowStart = 1;  // the paths are validated by then

std::string label(const char* format, double a, double b) {
  char buffer[64];
  std::snprintf(buffer, sizeof buffer, format, a, b);
  return buffer;
}

// One flow over these uplinks: the share of the sum that it gets in [from, to), counted from its start.
double share_of_sum(const Conditions& c, Findings& out, const std::string& detail, const std::vector<Uplink>& uplinks,
                    Tcp kind, double from, double to) {
  World world(c.seed, uplinks);
  world.tcp(kind, kFlowStart);
  world.run(kFlowStart + to);
  const double sum = payload_mbps(uplinks);
  out.draw(detail, world, sum, {{kFlowStart, "flow starts"}});
  return world.goodput_mbps(kFlowStart + from, kFlowStart + to) / sum;
}

void equal_links(const Conditions& c, Findings& out) {
  const std::vector<Uplink> uplinks{uplink(40, 20), uplink(40, 20)};
  for (const Tcp kind : {Tcp::kCubic, Tcp::kReno, Tcp::kBbr}) {
    if (!c.full && kind == Tcp::kReno) continue;
    const std::string name(name_of(kind));
    World world(c.seed, uplinks);
    world.tcp(kind, kFlowStart);
    world.run(21);
    out.draw(name, world, payload_mbps(uplinks));
    out.at_least(name, world.goodput_mbps(6, 21) / payload_mbps(uplinks), 0.90, "%");
    out.at_most(name + ", shares' distance from equal", std::abs(world.share(0, 6, 21) - 0.5) * 2, 0.10, "%");
  }
}

void unequal_delays(const Conditions& c, Findings& out) {
  const std::vector<Uplink> uplinks{uplink(40, 10), uplink(40, 80)};
  for (const Tcp kind : {Tcp::kCubic, Tcp::kCubicNoHystart, Tcp::kReno, Tcp::kBbr}) {
    if (!c.full && kind == Tcp::kCubicNoHystart) continue;
    const std::string name(name_of(kind));
    out.at_least(name + ", 10-30 s after its start", share_of_sum(c, out, name, uplinks, kind, 10, 30), 0.90, "%");
  }
}

// The bond has learnt from a flow before: what it knows is to serve the next one.
void later_flows(const Conditions& c, Findings& out) {
  const std::vector<Uplink> uplinks{uplink(40, 10), uplink(40, 80)};
  const double sum = payload_mbps(uplinks);
  World after(c.seed, uplinks);
  after.tcp(Tcp::kBbr, kFlowStart, true, 30);
  after.tcp(Tcp::kBbr, 35);
  after.run(65);
  out.draw("second BBR flow after the first", after, sum, {{1, "first"}, {30, "ends"}, {35, "second"}});
  out.at_least("second BBR flow after the first, 10-30 s after its start", after.goodput_mbps(45, 65) / sum, 0.90, "%");
  World beside(c.seed, uplinks);
  beside.tcp(Tcp::kBbr, kFlowStart);
  beside.tcp(Tcp::kBbr, 20);
  beside.run(50);
  out.draw("BBR flow joins another", beside, sum, {{1, "first"}, {20, "second"}});
  out.at_least("BBR flow joins another, 10-30 s after its start", beside.goodput_mbps(30, 50) / sum, 0.90, "%");
}

void unequal_rates(const Conditions& c, Findings& out) {
  constexpr std::array<std::array<double, 2>, 2> kRates{{{40, 4}, {4, 40}}};
  for (const auto& rate : kRates) {
    const std::vector<Uplink> uplinks{uplink(rate[0], 10), uplink(rate[1], 80)};
    for (const Tcp kind : {Tcp::kCubic, Tcp::kReno, Tcp::kBbr}) {
      if (!c.full && kind != Tcp::kCubic) continue;
      const std::string name = label("%.0f+%.0f Mbit/s, ", rate[0], rate[1]) + std::string(name_of(kind));
      out.at_least(name, share_of_sum(c, out, name, uplinks, kind, 10, 30), 0.90, "%");
    }
  }
}

void thick_and_thin(const Conditions& c, Findings& out) {
  for (const Tcp kind : {Tcp::kCubic, Tcp::kBbr}) {
    const std::string name(name_of(kind));
    const std::vector<Uplink> hundred{uplink(100, 20), uplink(10, 20)};
    const std::vector<Uplink> more{uplink(300, 8), uplink(30, 40)};
    if (!c.full && kind == Tcp::kBbr) continue;
    out.at_least("100+10, " + name, share_of_sum(c, out, "100+10, " + name, hundred, kind, 5, 20), 0.90, "%");
    out.at_least("300+30, " + name, share_of_sum(c, out, "300+30, " + name, more, kind, 5, c.full ? 20 : 10), 0.90,
                 "%");
  }
}

void idle_then_load(const Conditions& c, Findings& out) {
  const std::vector<Uplink> uplinks{uplink(40, 20), uplink(40, 40)};
  World world(c.seed, uplinks);
  constexpr double kLoad = 600;
  world.tcp(Tcp::kCubic, kLoad);
  int unused = 0;
  watch(world, 2, kLoad, 1, [&](double) {
    for (uint32_t i = 0; i < 2; ++i) unused += world.status(i).reason == bond::Reason::kActive ? 0 : 1;
  });
  world.run(kLoad + 10);
  out.at_most("looks, once a second and path, at which it was excluded", unused, 0, "");
  out.at_least("smaller share in the first second",
               std::min(world.share(0, kLoad, kLoad + 1), world.share(1, kLoad, kLoad + 1)), 0.001, "%");
  out.at_least("5-10 s later", world.goodput_mbps(kLoad + 5, kLoad + 10) / payload_mbps(uplinks), 0.90, "%");
}

void late_second_link(const Conditions& c, Findings& out) {
  const std::vector<Uplink> uplinks{uplink(40, 20), uplink(40, 30)};
  World world(c.seed, uplinks);
  world.begin_with(1);
  world.tcp(Tcp::kCubic, kFlowStart);
  world.at(8, [&] {
    world.end(0).set_uplinks(3);
    world.end(1).set_uplinks(3);
  });
  world.run(25);
  out.draw("", world, payload_mbps(uplinks), {{8, "second link"}});
  out.at_least("7-17 s after it came", world.goodput_mbps(15, 25) / payload_mbps(uplinks), 0.90, "%");
}

void jitter_inside(const Conditions& c, Findings& out) {
  for (const bool reorders : {true, false}) {
    std::vector<Uplink> uplinks{uplink(40, 20), uplink(40, 20)};
    for (Uplink& each : uplinks) {
      each.up.jitter_ms = each.down.jitter_ms = 5;
      each.up.jitter_reorders = each.down.jitter_reorders = reorders;
    }
    const std::string name = reorders ? "reordering, cubic" : "in order, cubic";
    out.at_least(name, share_of_sum(c, out, name, uplinks, Tcp::kCubic, 5, 25), 0.80, "%");
  }
}

void one_path(const Conditions& c, Findings& out) {
  constexpr std::array<std::array<double, 3>, 3> kLinks{{{40, 20, 0}, {300, 40, 0}, {40, 20, 0.001}}};
  for (const auto& [mbps, rtt, loss] : kLinks) {
    for (const Tcp kind : {Tcp::kCubic, Tcp::kBbr}) {
      if (!c.full && (kind == Tcp::kBbr || loss > 0)) continue;
      std::vector<Uplink> uplinks{uplink(mbps, rtt)};
      uplinks[0].up.loss = uplinks[0].down.loss = loss;
      const double to = c.full ? 31 : 11;
      const double without = best_single_mbps(c.seed, uplinks, kind, 3, to);
      World world(c.seed, uplinks);
      world.tcp(kind, kFlowStart);
      world.run(to);
      const std::string name = label("%.0f Mbit/s, loss %g %%, ", mbps, loss * 100) + std::string(name_of(kind)) +
                               ", of that without a bond";
      // Random loss falls otherwise in each run.
      out.at_least(name, world.goodput_mbps(3, to) / without, loss > 0 ? 0.90 : 0.98, "%");
    }
  }
}

struct Kind {
  const char* name;
  double mbps, rtt_ms, loss, queue_ms, jitter_ms;
};
constexpr std::array<Kind, 8> kKinds{{
    {"fibre", 300, 8, 0, 50, 0},
    {"cable", 100, 20, 0, 150, 2},
    {"dsl", 16, 30, 0, 200, 0},
    {"lte", 40, 50, 0.0005, 300, 10},
    {"wifi", 60, 10, 0.003, 60, 4},
    {"satellite", 20, 600, 0.002, 200, 0},
    {"poor lte", 4, 90, 0.01, 400, 20},
    {"short queue", 50, 25, 0, 8, 0},
}};

Uplink uplink_of(const Kind& kind) {
  Uplink result = uplink(kind.mbps, kind.rtt_ms);
  for (Shape* shape : {&result.up, &result.down}) {
    shape->loss = kind.loss;
    shape->queue_ms = kind.queue_ms;
    shape->jitter_ms = kind.jitter_ms;
  }
  return result;
}

void any_two(const Conditions& c, Findings& out) {
  for (const Tcp kind : {Tcp::kCubic, Tcp::kBbr}) {
    const double from = c.full ? 12 : 6, to = c.full ? 42 : 16;
    std::array<double, kKinds.size()> single{};
    for (size_t i = 0; i < kKinds.size(); ++i) {
      if (c.full || i % 3 == 0) single[i] = best_single_mbps(c.seed, {uplink_of(kKinds[i])}, kind, from, to);
    }
    for (size_t i = 0; i < kKinds.size(); ++i) {
      for (size_t j = i; j < kKinds.size(); ++j) {
        if (!c.full && (i % 3 != 0 || j % 3 != 0 || i == j || kind == Tcp::kBbr)) continue;
        const std::vector<Uplink> uplinks{uplink_of(kKinds[i]), uplink_of(kKinds[j])};
        World world(c.seed, uplinks);
        world.tcp(kind, kFlowStart);
        world.run(to);
        const double best = std::max(single[i], single[j]);
        const std::string name = std::string(kKinds[i].name) + " + " + kKinds[j].name + ", " +
                                 std::string(name_of(kind)) + ", of the best single";
        out.at_least(name, world.goodput_mbps(from, to) / best, 0.95, "%");
      }
    }
  }
}

constexpr Scenario kScenarios[] = {
    {"1", "equal links", equal_links},
    {"2", "RTT 10 and 80 ms", unequal_delays},
    {"2", "RTT 10 and 80 ms, later flows", later_flows},
    {"3", "RTT 10 and 80 ms, unequal rates", unequal_rates},
    {"4", "thick and thin", thick_and_thin},
    {"5", "idle ten minutes, then load", idle_then_load},
    {"6", "second link comes later", late_second_link},
    {"12", "5 ms of jitter inside a path", jitter_inside},
    {"21", "one path", one_path},
    {"24", "any two links", any_two},
};

}  // namespace

std::span<const Scenario> throughput_scenarios() { return kScenarios; }

}  // namespace weft::sim
