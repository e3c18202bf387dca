// What one source, and all together, may send to the control plane.
#include "engine/gossip_gate.h"

#include <gtest/gtest.h>

#include "util/clock.h"

namespace weft::engine {
namespace {

net::Endpoint source(uint32_t address) {
  net::Endpoint e;
  e.v4.sin_family = AF_INET;
  e.v4.sin_addr.s_addr = htonl(address);
  e.v4.sin_port = htons(51820);
  return e;
}

uint32_t admitted(GossipGate& gate, uint32_t count, uint64_t now, bool one_source, bool hello = false) {
  uint32_t n = 0;
  for (uint32_t i = 0; i < count; ++i) n += gate.admit(source(one_source ? 1 : i), hello, now) ? 1 : 0;
  return n;
}

TEST(GossipGate, LimitsOneSource) {
  GossipGate gate;
  const uint64_t now = 100 * kNanosPerSecond;
  EXPECT_EQ(admitted(gate, 10'000, now, true), 200u);
  EXPECT_EQ(admitted(gate, 10'000, now + kNanosPerSecond / 2, true), 100u);
}

TEST(GossipGate, LimitsAllSourcesTogether) {
  GossipGate gate;
  const uint64_t now = 100 * kNanosPerSecond;
  EXPECT_EQ(admitted(gate, 100'000, now, false, true), 250u);  // hellos do not use up what others may send
  EXPECT_EQ(admitted(gate, 100'000, now, false), 1000u);
  EXPECT_EQ(admitted(gate, 100'000, now + kNanosPerSecond / 10, false), 400u);
}

}  // namespace
}  // namespace weft::engine
