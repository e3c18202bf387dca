#include "tun/flow.h"

#include <gtest/gtest.h>

#include "packet_builder.h"

namespace weft::tun {
namespace {

using test::build;
using test::PacketSpec;

FlowKey key_of(const PacketSpec& spec) {
  const test::Bytes packet = build(spec);
  return flow_key(packet.data(), static_cast<uint32_t>(packet.size()));
}

bool unknown(const PacketSpec& spec) { return key_of(spec).kind == FlowKey::Kind::kUnknown; }

TEST(FlowKey, IsOfAddressesProtocolAndPorts) {
  for (const bool v6 : {false, true}) {
    const PacketSpec spec{.v6 = v6};
    const FlowKey key = key_of(spec);
    EXPECT_EQ(key.kind, FlowKey::Kind::kTransport);
    EXPECT_EQ(key.protocol, test::kTcp);
    EXPECT_EQ(key.transport, v6 ? 40u : 20u);
    EXPECT_EQ(key_of({.v6 = v6, .seq = 9, .flags = test::kSyn, .payload = test::payload(99)}).hash, key.hash);
    EXPECT_NE(key_of({.v6 = v6, .source = 9}).hash, key.hash);
    EXPECT_NE(key_of({.v6 = v6, .destination = 9}).hash, key.hash);
    EXPECT_NE(key_of({.v6 = v6, .source_port = 9}).hash, key.hash);
    EXPECT_NE(key_of({.v6 = v6, .destination_port = 9}).hash, key.hash);
    EXPECT_NE(key_of({.v6 = v6, .protocol = test::kUdp}).hash, key.hash);
  }
}

TEST(FlowKey, OfOtherProtocolsIsOfAddressesAndProtocol) {
  constexpr uint8_t kIcmp = 1;
  const FlowKey key = key_of({.protocol = kIcmp});
  EXPECT_EQ(key.kind, FlowKey::Kind::kOther);
  EXPECT_EQ(key_of({.protocol = kIcmp, .source_port = 9}).hash, key.hash);
  EXPECT_NE(key_of({.protocol = kIcmp, .source = 9}).hash, key.hash);
}

TEST(FlowKey, IsUnknownWherePortsMayBeElsewhere) {
  EXPECT_TRUE(unknown({.fragment = 0x2000}));
  EXPECT_TRUE(unknown({.fragment = 0x0001}));
  EXPECT_TRUE(unknown({.ip_options = test::Bytes(4, 1)}));
  EXPECT_TRUE(unknown({.v6 = true, .extension = test::Bytes(8), .first_extension = 44}));
  const test::Bytes packet = build({});
  for (uint32_t length = 0; length < packet.size(); ++length) {
    EXPECT_EQ(flow_key(packet.data(), length).kind, FlowKey::Kind::kUnknown) << length;
  }
}

TEST(FlowSet, HasWhatWasAddedAndWithAnUnknownAll) {
  const FlowKey one = key_of({.source_port = 1});
  const FlowKey other = key_of({.source_port = 2});
  FlowSet set;
  EXPECT_FALSE(set.may_have(one));
  EXPECT_TRUE(set.may_have(key_of({.fragment = 0x2000})));
  FlowSet more;
  more.add(one);
  set.add(more);
  EXPECT_TRUE(set.may_have(one));
  EXPECT_FALSE(set.may_have(other));
  more.add(key_of({.fragment = 0x2000}));
  set.add(more);
  EXPECT_TRUE(set.may_have(other));
  set.clear();
  EXPECT_FALSE(set.may_have(one));
}

}  // namespace
}  // namespace weft::tun
