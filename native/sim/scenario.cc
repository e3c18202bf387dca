#include "sim/scenario.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>

namespace weft::sim {
namespace {

std::string text(double value, const std::string& unit) {
  char buffer[64];
  const double shown = unit == "%" ? value * 100 : value;
  std::snprintf(buffer, sizeof buffer, shown >= 100 ? "%.0f" : shown < 1 ? "%.3g" : "%.1f", shown);
  return unit.empty() ? buffer : buffer + (" " + unit);
}

}  // namespace

std::string Finding::gate_text() const { return (at_least ? ">= " : "<= ") + text(gate, unit); }
std::string Finding::value_text() const { return value >= kNotAtAll ? "never" : text(value, unit); }

void Findings::at_least(const std::string& detail, double value, double gate, const std::string& unit) {
  findings_.push_back({row_, named(detail), unit, gate, value, true});
}

void Findings::at_most(const std::string& detail, double value, double gate, const std::string& unit) {
  findings_.push_back({row_, named(detail), unit, gate, value, false});
}

void Findings::draw(const std::string& detail, const World& world, double sum_mbps,
                    std::vector<std::pair<double, std::string>> marks) {
  drawings_.push_back({row_, named(detail), sum_mbps, std::move(marks), world.series()});
}

std::vector<Scenario> all_scenarios() {
  std::vector<Scenario> all;
  for (const auto group : {throughput_scenarios(), failure_scenarios(), call_scenarios(), loss_scenarios()}) {
    all.insert(all.end(), group.begin(), group.end());
  }
  std::ranges::stable_sort(all, {}, [](const Scenario& each) { return std::atoi(each.row); });
  return all;
}

double payload_mbps(const Shape& shape) {
  const double packet = (kInnerMtu + 15) / 16 * 16 + kMessageOverhead + kUdpOverhead;
  return shape.rate_bps / 1e6 * kSegmentPayload / packet;
}

double payload_mbps(const std::vector<Uplink>& uplinks) {
  double sum = 0;
  for (const Uplink& each : uplinks) sum += payload_mbps(each.up);
  return sum;
}

double best_single_mbps(uint64_t seed, const std::vector<Uplink>& uplinks, Tcp kind, double from, double to) {
  double best = 0;
  for (const Uplink& each : uplinks) {
    World world(seed, {each}, World::Bonding::kOff);
    world.tcp(kind, 1);
    world.run(to);
    best = std::max(best, world.goodput_mbps(from, to));
  }
  return best;
}

void watch(World& world, double from, double to, double step, const std::function<void(double now)>& look) {
  for (double when = from; when < to; when += step) {
    world.at(when, [look, when] { look(when); });
  }
}

}  // namespace weft::sim
