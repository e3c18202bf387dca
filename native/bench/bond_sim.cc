// Runs the scenarios of a bond (native/sim) in virtual time and writes what they found as JSON to stdout, for
// bench/bond.
//
//   bond_sim [--quick] [--seed N] [--row N[,N...]] [--scenario PART-OF-NAME]
//
//   {"seed": 1, "findings": [{"row", "scenario", "unit", "atLeast", "gate", "value", "gateText", "figure",
//    "met"}], "drawings": [{"row", "scenario", "sumMbps",
//    "stepS", "marks": [[s, text]], "goodputMbps", "callMs", "paths": [{"mbps", "rateMbps", "queueMs", "reason"}]}]}
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <sstream>
#include <string>

#include "sim/scenario.h"

namespace weft::sim {
namespace {

std::string quoted(const std::string& text) {
  std::string result = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') result += '\\';
    result += c;
  }
  return result + '"';
}

template <class T>
void print_list(const char* name, const std::vector<T>& values) {
  std::printf("\"%s\": [", name);
  for (size_t i = 0; i < values.size(); ++i) std::printf("%s%.4g", i == 0 ? "" : ",", static_cast<double>(values[i]));
  std::printf("]");
}

void print(const Drawing& drawing) {
  std::printf("{\"row\": %s, \"scenario\": %s, \"sumMbps\": %.2f, \"stepS\": %g, \"marks\": [",
              quoted(drawing.row).c_str(), quoted(drawing.scenario).c_str(), drawing.sum_mbps, Series::kStep);
  const char* comma = "";
  for (const auto& [when, text] : drawing.marks) {
    std::printf("%s[%g, %s]", comma, when, quoted(text).c_str());
    comma = ", ";
  }
  std::printf("], ");
  print_list("goodputMbps", drawing.series.goodput_mbps);
  std::printf(", ");
  print_list("callMs", drawing.series.call_ms);
  std::printf(", \"paths\": [");
  comma = "";
  for (const Series::Path& path : drawing.series.paths) {
    std::printf("%s{", comma);
    print_list("mbps", path.mbps);
    std::printf(", ");
    print_list("rateMbps", path.rate_mbps);
    std::printf(", ");
    print_list("queueMs", path.queue_ms);
    std::printf(", ");
    print_list("reason", path.reason);
    std::printf("}");
    comma = ", ";
  }
  std::printf("]}");
}

bool wanted(const std::string& rows, const char* row) {
  if (rows.empty()) return true;
  std::stringstream list(rows);
  for (std::string each; std::getline(list, each, ',');) {
    if (each == row) return true;
  }
  return false;
}

int run(int count, char** arguments) {
  Conditions conditions;
  conditions.full = true;
  std::string rows, part;
  for (int i = 1; i < count; ++i) {
    const bool has_value = i + 1 < count;
    if (std::strcmp(arguments[i], "--quick") == 0) {
      conditions.full = false;
    } else if (std::strcmp(arguments[i], "--seed") == 0 && has_value) {
      conditions.seed = std::strtoull(arguments[++i], nullptr, 10);
    } else if (std::strcmp(arguments[i], "--row") == 0 && has_value) {
      rows = arguments[++i];
    } else if (std::strcmp(arguments[i], "--scenario") == 0 && has_value) {
      part = arguments[++i];
    } else {
      std::fprintf(stderr, "usage: bond_sim [--quick] [--seed N] [--row N[,N...]] [--scenario PART-OF-NAME]\n");
      return 2;
    }
  }
  std::vector<Findings> results;
  for (const Scenario& scenario : all_scenarios()) {
    if (!wanted(rows, scenario.row) || std::string(scenario.name).find(part) == std::string::npos) continue;
    Findings& findings = results.emplace_back(scenario.row, scenario.name);
    scenario.run(conditions, findings);
    for (const Finding& f : findings.findings()) {
      std::fprintf(stderr, "%-3s %-70s %12s %12s  %s\n", f.row.c_str(), f.scenario.c_str(), f.gate_text().c_str(),
                   f.value_text().c_str(), f.met() ? "yes" : "NO");
    }
  }
  std::printf("{\"seed\": %llu, \"findings\": [", static_cast<unsigned long long>(conditions.seed));
  const char* comma = "";
  for (const Findings& each : results) {
    for (const Finding& f : each.findings()) {
      std::printf(
          "%s\n{\"row\": %s, \"scenario\": %s, \"unit\": %s, \"atLeast\": %s, \"gate\": %.6g, \"value\": %.6g, "
          "\"gateText\": %s, \"figure\": %s, \"met\": %s}",
          comma, quoted(f.row).c_str(), quoted(f.scenario).c_str(), quoted(f.unit).c_str(),
          f.at_least ? "true" : "false", f.gate, f.value, quoted(f.gate_text()).c_str(), quoted(f.value_text()).c_str(),
          f.met() ? "true" : "false");
      comma = ",";
    }
  }
  std::printf("], \"drawings\": [");
  comma = "";
  for (const Findings& each : results) {
    for (const Drawing& drawing : each.drawings()) {
      std::printf("%s\n", comma);
      print(drawing);
      comma = ",";
    }
  }
  std::printf("]}\n");
  return 0;
}

}  // namespace
}  // namespace weft::sim

int main(int count, char** arguments) { return weft::sim::run(count, arguments); }
