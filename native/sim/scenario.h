// The behaviours that a bond promises, as named simulations: each has the number of its row in the table of
// bench/bond/README.md, a gate, and a figure. The unit tests run the short ones, native/bench/bond_sim.cc all of them.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "sim/world.h"

namespace weft::sim {

// The value of what was to happen and did not.
inline constexpr double kNotAtAll = 1e9;

struct Finding {
  std::string row, scenario, unit;
  double gate = 0, value = 0;
  bool at_least = false;  // the gate is the least; else the most
  bool met() const { return at_least ? value >= gate : value <= gate; }
  std::string gate_text() const;
  std::string value_text() const;
};

// A run to be drawn over time.
struct Drawing {
  std::string row, scenario;
  double sum_mbps = 0;  // what applications could get of all uplinks
  std::vector<std::pair<double, std::string>> marks;
  Series series;
};

class Findings {
 public:
  Findings(std::string row, std::string scenario) : row_(std::move(row)), scenario_(std::move(scenario)) {}

  // `detail`: which case of the scenario. `value` is to be at least, or at most, `gate`. `unit`: "%" of a share (0.9 is
  // 90 %), else as it is.
  void at_least(const std::string& detail, double value, double gate, const std::string& unit);
  void at_most(const std::string& detail, double value, double gate, const std::string& unit);
  void draw(const std::string& detail, const World& world, double sum_mbps,
            std::vector<std::pair<double, std::string>> marks = {});

  const std::vector<Finding>& findings() const { return findings_; }
  const std::vector<Drawing>& drawings() const { return drawings_; }

 private:
  std::string named(const std::string& detail) const { return detail.empty() ? scenario_ : scenario_ + ": " + detail; }
  std::string row_, scenario_;
  std::vector<Finding> findings_;
  std::vector<Drawing> drawings_;
};

struct Conditions {
  uint64_t seed = 1;
  bool full = false;  // all cases and longer times; else what suffices to see that it still works
};

struct Scenario {
  const char* row;
  const char* name;
  void (*run)(const Conditions&, Findings&);
};

// In the order of their rows.
std::vector<Scenario> all_scenarios();
std::span<const Scenario> throughput_scenarios();
std::span<const Scenario> failure_scenarios();
std::span<const Scenario> loss_scenarios();
std::span<const Scenario> call_scenarios();

// What applications can get of a link: inner payload of full packets.
double payload_mbps(const Shape& shape);
double payload_mbps(const std::vector<Uplink>& uplinks);
// The mean in [from, to) of one flow over the best of these links alone, without a bond.
double best_single_mbps(uint64_t seed, const std::vector<Uplink>& uplinks, Tcp kind, double from, double to);
// Calls `look` every `step` seconds.
void watch(World& world, double from, double to, double step, const std::function<void(double now)>& look);

}  // namespace weft::sim
