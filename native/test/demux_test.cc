// First look at a datagram: types, exact lengths, reserved bytes.
#include "net/demux.h"

#include <gtest/gtest.h>

#include <array>
#include <vector>

namespace weft::net {
namespace {

Kind classify_of(uint32_t type, uint32_t length) {
  std::array<uint8_t, 256> bytes{};
  store_le32(bytes.data(), type);
  return classify(bytes.data(), length);
}

TEST(Demux, HandshakeLengthsAreExact) {
  EXPECT_EQ(classify_of(1, 148), Kind::kHandshake);
  EXPECT_EQ(classify_of(2, 92), Kind::kHandshake);
  EXPECT_EQ(classify_of(3, 64), Kind::kCookieReply);
  for (uint32_t length = 0; length <= 255; ++length) {
    if (length != 148) {
      EXPECT_EQ(classify_of(1, length), Kind::kUnknown) << length;
    }
    if (length != 92) {
      EXPECT_EQ(classify_of(2, length), Kind::kUnknown) << length;
    }
    if (length != 64) {
      EXPECT_EQ(classify_of(3, length), Kind::kUnknown) << length;
    }
    EXPECT_EQ(classify_of(4, length), length >= 32 ? Kind::kData : Kind::kUnknown) << length;
  }
}

TEST(Demux, ReservedBytesMustBeZero) {
  for (uint32_t type = 1; type <= 4; ++type) {
    for (uint32_t shift = 8; shift < 32; shift += 8) {
      EXPECT_EQ(classify_of(type | (1u << shift), type == 1 ? 148 : 92), Kind::kUnknown);
    }
  }
  EXPECT_EQ(classify_of(0, 148), Kind::kUnknown);
  EXPECT_EQ(classify_of(5, 148), Kind::kUnknown);
}

TEST(Demux, GossipBeginsWithAHighByte) {
  EXPECT_EQ(classify_of(0x80, 4), Kind::kGossip);
  EXPECT_EQ(classify_of(0xffffffff, 256), Kind::kGossip);
  EXPECT_EQ(classify_of(0x7f, 256), Kind::kUnknown);
  EXPECT_EQ(classify_of(0x80, 3), Kind::kUnknown);
  const std::vector<uint8_t> bytes(kMaxGossipSize + 1, 0x80);
  EXPECT_EQ(classify(bytes.data(), kMaxGossipSize), Kind::kGossip);
  EXPECT_EQ(classify(bytes.data(), kMaxGossipSize + 1), Kind::kUnknown);
}

}  // namespace
}  // namespace weft::net
