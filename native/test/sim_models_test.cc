// The simulator against what is known of single links: what it says of bonds is worth no more than this.
#include <gtest/gtest.h>

#include <cmath>

#include "sim/scenario.h"

namespace weft::sim {
namespace {

constexpr Tcp kAll[] = {Tcp::kReno, Tcp::kCubic, Tcp::kCubicNoHystart, Tcp::kBbr};

struct Result {
  double goodput;
  TcpSender::Counters counters;
  double srtt_ms;
};

Result alone(Tcp kind, const Uplink& link, double from = 10, double to = 30) {
  World world(1, {link}, World::Bonding::kOff);
  const TcpFlow& flow = world.tcp(kind, 0);
  world.run(to);
  return {world.goodput_mbps(from, to), flow.sender().counters(), flow.sender().srtt_ms()};
}

TEST(SimulatedTcp, FillsASingleLink) {
  for (const Tcp kind : kAll) {
    for (const double rtt : {20.0, 80.0}) {
      const Uplink link = uplink(40, rtt);
      EXPECT_GE(alone(kind, link).goodput, 0.95 * payload_mbps(link.up)) << name_of(kind) << ", RTT " << rtt << " ms";
    }
  }
}

TEST(SimulatedTcp, ReordersNothingOfItself) {
  const Uplink link = uplink(40, 20);
  World world(1, {link}, World::Bonding::kOff);
  const TcpFlow& flow = world.tcp(Tcp::kCubic, 0);
  world.run(10);
  EXPECT_EQ(flow.receiver().inversions(), flow.sender().counters().retransmitted);
}

TEST(SimulatedTcp, LossLowersRenoAsMathisSays) {
  for (const double loss : {0.001, 0.01}) {
    Uplink link = uplink(400, 40);
    link.up.loss = loss;
    // Mathis et al. 1997: MSS/RTT sqrt(3/2p); growth by segments acknowledged, not by acknowledgements (RFC 3465).
    const double expected = kSegmentPayload * 8 / 0.040 * std::sqrt(1.5 / loss) / 1e6;
    const double goodput = alone(Tcp::kReno, link, 20, 120).goodput;
    EXPECT_GT(goodput, 0.75 * expected) << loss;
    EXPECT_LT(goodput, 1.25 * expected) << loss;
  }
}

TEST(SimulatedTcp, LossLowersCubicAndNotBbr) {
  Uplink link = uplink(40, 20);
  link.up.loss = 0.01;
  EXPECT_LT(alone(Tcp::kCubic, link).goodput, 0.3 * payload_mbps(link.up));
  EXPECT_GT(alone(Tcp::kBbr, link).goodput, 0.9 * payload_mbps(link.up));
}

TEST(SimulatedTcp, BbrKeepsTheQueueShort) {
  EXPECT_LT(alone(Tcp::kBbr, uplink(40, 20)).srtt_ms, 35);
  EXPECT_GT(alone(Tcp::kCubic, uplink(40, 20)).srtt_ms, 60);
}

TEST(SimulatedTcp, ReorderingIsForgivenInTime) {
  Uplink link = uplink(40, 40);
  link.up.jitter_ms = 5;
  link.up.jitter_reorders = true;
  for (const Tcp kind : {Tcp::kReno, Tcp::kCubic}) {
    const Result result = alone(kind, link);
    EXPECT_GE(result.goodput, 0.9 * payload_mbps(link.up)) << name_of(kind);
  }
}

TEST(SimulatedTcp, SurvivesABlackHole) {
  World world(1, {uplink(40, 20)}, World::Bonding::kOff);
  const TcpFlow& flow = world.tcp(Tcp::kCubic, 0);
  world.at(5, [&] { world.up(0).black_hole = true; });
  world.at(7, [&] { world.up(0).black_hole = false; });
  world.run(15);
  EXPECT_GT(flow.sender().counters().timeouts, 0u);
  EXPECT_GE(world.goodput_mbps(10, 15), 0.9 * payload_mbps(uplink(40, 20).up));
}

TEST(SimulatedLink, PolicesToItsRate) {
  Uplink link = uplink(200, 20);
  link.up.policer_bps = 20e6;
  World world(1, {link}, World::Bonding::kOff);
  UdpFlow& flow = world.udp({4000, 1400, 0, true}, 0, 10);
  world.run(11);
  const auto& counters = world.link(0).counters();
  EXPECT_NEAR(static_cast<double>(counters.delivered_bytes) * 8 / 10, 20e6, 0.2e6);
  EXPECT_LT(flow.delay_ms(1, 0, 10), 12);
}

TEST(SimulatedLink, ASeedGivesTheSameRunAgain) {
  const auto once = [](uint64_t seed) {
    Uplink link = uplink(40, 20);
    link.up.loss = 0.01;
    link.up.jitter_ms = 3;
    World world(seed, {link}, World::Bonding::kOff);
    world.tcp(Tcp::kBbr, 0);
    world.run(5);
    return world.series().goodput_mbps;
  };
  EXPECT_EQ(once(7), once(7));
  EXPECT_NE(once(7), once(8));
}

}  // namespace
}  // namespace weft::sim
