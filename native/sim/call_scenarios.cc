// Row 9: a call beside bulk.
#include <algorithm>
#include <array>
#include <cstdio>

#include "sim/scenario.h"

namespace weft::sim {
namespace {

void call_beside_bulk(const Conditions& c, Findings& out) {
  struct Case {
    double first_rtt, second_rtt;
    Tcp kind;
  };
  constexpr std::array<Case, 6> kCases{{{10, 80, Tcp::kCubic},
                                        {20, 20, Tcp::kCubic},
                                        {10, 80, Tcp::kReno},
                                        {10, 80, Tcp::kBbr},
                                        {20, 20, Tcp::kBbr},
                                        {20, 20, Tcp::kCubicNoHystart}}};
  const size_t cases = c.full ? kCases.size() : 2;
  for (size_t i = 0; i < cases; ++i) {
    const auto& [first, second, kind] = kCases[i];
    const std::vector<Uplink> uplinks{uplink(40, first), uplink(40, second)};
    World world(c.seed, uplinks);
    const UdpFlow& there = world.call(0.5);
    const UdpFlow& back = world.call(0.507, 1e6, false);
    const TcpFlow& bulk = world.tcp(kind, 1);
    const double to = c.full ? 41 : 21;
    world.run(to);
    char name[64];
    std::snprintf(name, sizeof name, "RTT %.0f/%.0f ms, %s", first, second, name_of(kind).data());
    out.draw(name, world, payload_mbps(uplinks));
    const double p99 = std::max(there.delay_ms(0.99, 1, to - 1), back.delay_ms(0.99, 1, to - 1));
    out.at_most(std::string(name) + ", p99", p99, first / 2 + 25, "ms");
    out.at_most(std::string(name) + ", inversions", static_cast<double>(there.inversions() + back.inversions()), 0, "");
    out.at_most(std::string(name) + ", TCP segments out of order",
                static_cast<double>(bulk.receiver().inversions()) / static_cast<double>(bulk.receiver().arrived()),
                0.002, "%");
  }
}

constexpr Scenario kScenarios[] = {{"9", "a call beside bulk", call_beside_bulk}};

}  // namespace

std::span<const Scenario> call_scenarios() { return kScenarios; }

}  // namespace weft::sim
