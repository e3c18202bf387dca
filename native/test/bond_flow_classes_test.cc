// Which packets overtake bulk, and which flows are padded from their beginning.
#include "bond/flow_classes.h"

#include <gtest/gtest.h>

#include "util/bytes.h"
#include "util/clock.h"

namespace weft::bond {
namespace {

constexpr uint64_t kMs = kNanosPerMilli;
constexpr uint8_t kTcp = 6, kUdp = 17;

struct Packet {
  std::vector<uint8_t> bytes;
  uint32_t length;
};

Packet ipv4(uint8_t protocol, uint16_t source_port, uint32_t length, uint8_t dscp = 0, uint8_t tcp_flags = 0x10) {
  std::vector<uint8_t> b(40);
  b[0] = 0x45;
  b[1] = static_cast<uint8_t>(dscp << 2);
  b[9] = protocol;
  store_be32(&b[12], 0x0A000001);
  store_be32(&b[16], 0x0A000002);
  store_be16(&b[20], source_port);
  store_be16(&b[22], 443);
  if (protocol == kTcp) {
    b[32] = 5 << 4;
    b[33] = tcp_flags;
  }
  return {b, length};
}

Packet ipv6(uint8_t protocol, uint16_t source_port, uint32_t length, uint8_t dscp) {
  std::vector<uint8_t> b(60);
  store_be16(&b[0], static_cast<uint16_t>(0x6000 | dscp << 6));
  b[6] = protocol;
  b[23] = 1;
  b[39] = 2;
  store_be16(&b[40], source_port);
  store_be16(&b[42], 443);
  return {b, length};
}

class Classes : public testing::Test {
 protected:
  FlowClasses::Verdict verdict(const Packet& p) { return classes.classify(now, p.bytes, p.length); }
  Class cls(const Packet& p) { return verdict(p).cls; }
  FlowClasses classes;
  uint64_t now = 100 * kNanosPerSecond;
};

TEST_F(Classes, ExpeditedUdpIsLatency) {
  EXPECT_EQ(cls(ipv4(kUdp, 1, 200, 46)), Class::kLatency);
  EXPECT_EQ(cls(ipv6(kUdp, 1, 200, 46)), Class::kLatency);
  EXPECT_NE(cls(ipv4(kTcp, 1, 200, 46)), Class::kLatency);
  EXPECT_NE(cls(ipv6(kUdp, 1, 200, 0)), Class::kLatency);
}

TEST_F(Classes, TheFirst30KilobytesOfAFlowAreSparse) {
  for (int i = 0; i < 21; ++i) EXPECT_EQ(cls(ipv4(kTcp, 7, 1400)), Class::kSparse) << i;
  EXPECT_EQ(cls(ipv4(kTcp, 7, 1400)), Class::kBulk);
  // Small ones of it too, as they are of the same flow; another flow is its own.
  EXPECT_EQ(cls(ipv4(kTcp, 7, 60)), Class::kBulk);
  EXPECT_EQ(cls(ipv4(kTcp, 8, 1400)), Class::kSparse);
}

TEST_F(Classes, AcknowledgementsAreSparseForEver) {
  for (int i = 0; i < 100'000; ++i) ASSERT_EQ(cls(ipv4(kTcp, 7, 52)), Class::kSparse);
}

TEST_F(Classes, SilenceMakesAFlowSparseAgain) {
  for (int i = 0; i < 30; ++i) cls(ipv4(kTcp, 7, 1400));
  now += 400 * kMs;
  EXPECT_EQ(cls(ipv4(kTcp, 7, 1400)), Class::kBulk);
  now += 600 * kMs;
  EXPECT_EQ(cls(ipv4(kTcp, 7, 1400)), Class::kSparse);
}

TEST_F(Classes, WhilePaddedASilentBulkFlowStaysBulk) {
  for (int i = 0; i < 30; ++i) cls(ipv4(kTcp, 7, 1400));
  classes.set_keep_bulk(true);
  now += 5 * kNanosPerSecond;
  EXPECT_EQ(cls(ipv4(kTcp, 7, 1400)), Class::kBulk);
}

TEST_F(Classes, EarlyFlowsAreBulkFromTheirSynButNotTheirAcknowledgements) {
  classes.set_early_bulk(true);
  const auto syn = verdict(ipv4(kTcp, 7, 40, 0, 0x02));
  EXPECT_TRUE(syn.begins && syn.early_bulk);
  EXPECT_EQ(syn.cls, Class::kBulk);
  EXPECT_EQ(cls(ipv4(kTcp, 7, 40)), Class::kSparse);
  EXPECT_EQ(cls(ipv4(kTcp, 7, 100)), Class::kBulk);
  // Not a call, nor a question to a name server.
  EXPECT_EQ(cls(ipv4(kUdp, 7, 100)), Class::kSparse);
  // Known flows stay what they are when it ends.
  classes.set_early_bulk(false);
  EXPECT_EQ(cls(ipv4(kTcp, 7, 100)), Class::kBulk);
  EXPECT_EQ(cls(ipv4(kTcp, 9, 100)), Class::kSparse);
}

TEST_F(Classes, TheFirstRuleThatMatchesCounts) {
  ClassRule call;
  call.protocol = kUdp;
  call.first_port = call.last_port = 7;
  call.max_length = 300;
  call.cls = Class::kLatency;
  ClassRule backup;
  backup.dscp = 8;
  backup.cls = Class::kBulk;
  classes.set_rules({call, backup});
  EXPECT_EQ(cls(ipv4(kUdp, 7, 200, 8)), Class::kLatency);
  EXPECT_EQ(cls(ipv4(kUdp, 7, 400, 8)), Class::kBulk);
  EXPECT_EQ(cls(ipv4(kUdp, 6, 200, 8)), Class::kBulk);
  EXPECT_EQ(cls(ipv4(kUdp, 6, 200)), Class::kSparse);
}

TEST_F(Classes, ShortAndForeignPacketsAreBulk) {
  for (uint32_t size = 0; size < 20; ++size) {
    std::vector<uint8_t> b(size, 0x45);
    EXPECT_EQ(classes.classify(now, b, size).cls, Class::kBulk);
  }
  std::vector<uint8_t> header(20, 0);
  header[0] = 0x4F;  // options that are not there
  header[9] = kTcp;
  EXPECT_EQ(classes.classify(now, header, 20).cls, Class::kSparse);
}

TEST_F(Classes, ManyFlowsDoNotStarveABusyOne) {
  for (int i = 0; i < 30; ++i) cls(ipv4(kTcp, 7, 1400));
  for (uint16_t port = 1000; port < 60'000; ++port) {
    now += kMs / 100;
    cls(ipv4(kUdp, port, 100));
    if (port % 16 == 0) {
      ASSERT_EQ(cls(ipv4(kTcp, 7, 1400)), Class::kBulk) << port;
    }
  }
}

}  // namespace
}  // namespace weft::bond
