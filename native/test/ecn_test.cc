#include "net/ecn.h"

#include <gtest/gtest.h>

#include "packet_builder.h"

namespace weft::net {
namespace {

using test::build;
using test::Bytes;

constexpr uint8_t kDrop = 0xff;

// RFC 6040, figure 4: rows are the inner field, columns the outer one, both in the order Not-ECT, ECT(1), ECT(0), CE.
constexpr uint8_t kTable[4][4] = {
    {kNotEct, kNotEct, kNotEct, kDrop},
    {kEct1, kEct1, kEct1, kCe},
    {kEct0, kEct1, kEct0, kCe},
    {kCe, kCe, kCe, kCe},
};

TEST(Ecn, DecapsulatesByTheTable) {
  for (const bool v6 : {false, true}) {
    for (uint8_t inner = 0; inner < 4; ++inner) {
      for (uint8_t outer = 0; outer < 4; ++outer) {
        const auto tos = static_cast<uint8_t>(0xb8 | inner);
        Bytes packet = build({.v6 = v6, .tos = tos, .flow_label = 0xabcde, .payload = test::payload(5)});
        const Bytes before = packet;
        const uint8_t expected = kTable[inner][outer];
        ASSERT_EQ(inner_ecn(packet.data()), inner);
        EXPECT_EQ(decapsulate_ecn(packet.data(), outer), expected != kDrop);
        if (expected == kDrop) {
          EXPECT_EQ(packet, before);
          continue;
        }
        const auto new_tos = static_cast<uint8_t>(0xb8 | expected);
        EXPECT_EQ(packet, build({.v6 = v6, .tos = new_tos, .flow_label = 0xabcde, .payload = test::payload(5)}));
      }
    }
  }
}

TEST(Ecn, ChecksumIsRightForEveryHeader) {
  for (uint32_t id = 0; id < 65536; ++id) {
    Bytes packet = build({.tos = kEct0, .id = static_cast<uint16_t>(id)});
    ASSERT_TRUE(decapsulate_ecn(packet.data(), kCe));
    ASSERT_EQ(test::reference_sum(std::span(packet).first(20)), 0xffff) << id;
  }
}

TEST(Ecn, OnlyTheTwoBitsOfTheOuterFieldCount) {
  Bytes packet = build({.tos = kEct0});
  EXPECT_TRUE(decapsulate_ecn(packet.data(), 0xb8 | kCe));
  EXPECT_EQ(inner_ecn(packet.data()), kCe);
}

}  // namespace
}  // namespace weft::net
