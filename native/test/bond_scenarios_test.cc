// The production bond in virtual time, row by row of the table in bench/bond/README.md. WEFT_SIM_SEED replays a run.
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <string>

#include "sim/scenario.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define WEFT_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define WEFT_SANITIZED 1
#endif
#endif
#ifndef WEFT_SANITIZED
#define WEFT_SANITIZED 0
#endif

namespace weft::sim {
namespace {

uint64_t seed() {
  const char* text = std::getenv("WEFT_SIM_SEED");
  return text == nullptr ? 1 : std::strtoull(text, nullptr, 10);
}

// At high rates, over long times, or many runs: minutes under a sanitizer.
bool takes_long(const Scenario& scenario) {
  for (const char* name :
       {"thick and thin", "any two links", "one path", "policer", "one-way audio: a hole a second"}) {
    if (std::string(name) == scenario.name) return true;
  }
  return false;
}

class BondScenario : public testing::TestWithParam<Scenario> {};

TEST_P(BondScenario, MeetsItsGates) {
  const Scenario& scenario = GetParam();
  if (WEFT_SANITIZED && takes_long(scenario)) GTEST_SKIP() << "too long under a sanitizer: " << scenario.name;
  Findings findings(scenario.row, scenario.name);
  scenario.run({seed(), false}, findings);
  EXPECT_FALSE(findings.findings().empty());
  for (const Finding& f : findings.findings()) {
    EXPECT_TRUE(f.met()) << "row " << f.row << ", " << f.scenario << ": " << f.value_text() << ", gate "
                         << f.gate_text() << "; WEFT_SIM_SEED=" << seed();
  }
}

std::string test_name(const testing::TestParamInfo<Scenario>& info) {
  std::string name = std::string("Row") + info.param.row + "_";
  for (const char* c = info.param.name; *c != 0; ++c) {
    if (std::isalnum(static_cast<unsigned char>(*c))) {
      name += *c;
    } else if (name.back() != '_') {
      name += '_';
    }
  }
  return name;
}

INSTANTIATE_TEST_SUITE_P(Table, BondScenario, testing::ValuesIn(all_scenarios()), test_name);

}  // namespace
}  // namespace weft::sim
