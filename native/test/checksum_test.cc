#include "tun/checksum.h"

#include <gtest/gtest.h>

#include "packet_builder.h"

namespace weft::tun {
namespace {

using test::build;
using test::Bytes;
using test::payload;
using test::reference_sum;

uint16_t big_endian(uint16_t native) { return __builtin_bswap16(native); }

// RFC 1071, section 3: the words 0001 f203 f4f5 f6f7 sum up to ddf2.
TEST(Checksum, Rfc1071Example) {
  const Bytes bytes = {0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7};
  EXPECT_EQ(big_endian(checksum_fold(checksum_add(bytes.data(), bytes.size()))), 0xddf2);
}

TEST(Checksum, OddLengthIsPaddedWithZero) {
  const Bytes bytes = {0x12, 0x34, 0x56};
  EXPECT_EQ(big_endian(checksum_fold(checksum_add(bytes.data(), bytes.size()))), 0x1234 + 0x5600);
}

TEST(Checksum, EmptyAddsNothing) { EXPECT_EQ(checksum_add(nullptr, 0, 42), 42u); }

// Every length around the vector loops, and every alignment; zero and 0xffff are the same sum.
TEST(Checksum, AllFormsAgreeWithTheReference) {
  const Bytes bytes = payload(2100, 3);
  for (size_t n = 0; n <= 2050; n += n < 400 ? 1 : 37) {
    for (size_t offset = 0; offset < 33; offset += n < 150 ? 1 : 11) {
      const uint8_t* p = bytes.data() + offset;
      const uint16_t expected = reference_sum({p, n});
      Bytes copy(n + 2, 0xa5), portable_copy(n + 2, 0xa5);
      ASSERT_EQ(big_endian(checksum_fold(checksum_add(p, n))), expected) << n;
      ASSERT_EQ(big_endian(checksum_fold(checksum_add_portable(p, n, 0))), expected) << n;
      ASSERT_EQ(big_endian(checksum_fold(checksum_copy(copy.data(), p, n))), expected) << n;
      ASSERT_EQ(big_endian(checksum_fold(checksum_copy_portable(portable_copy.data(), p, n, 0))), expected) << n;
      Bytes whole(p, p + n);
      whole.insert(whole.end(), {0xa5, 0xa5});
      ASSERT_EQ(copy, whole) << n;
      ASSERT_EQ(portable_copy, whole) << n;
    }
  }
}

TEST(Checksum, CarriesOfTheLongestPacket) {
  const Bytes ones(65535, 0xff);
  EXPECT_EQ(big_endian(checksum_fold(checksum_add(ones.data(), ones.size()))), reference_sum(ones));
  EXPECT_EQ(big_endian(checksum_fold(checksum_add_portable(ones.data(), ones.size(), 0))), reference_sum(ones));
}

TEST(Checksum, PiecesChain) {
  const Bytes bytes = payload(1001, 9);
  uint64_t sum = checksum_add(bytes.data(), 400);
  sum = checksum_add(bytes.data() + 400, 102, sum);
  sum = checksum_add(bytes.data() + 502, 499, sum);
  EXPECT_EQ(big_endian(checksum_fold(sum)), reference_sum(bytes));
}

TEST(Checksum, FoldOfTheExtremes) {
  EXPECT_EQ(checksum_fold(0), 0);
  EXPECT_EQ(checksum_fold(0xffff), 0xffff);
  EXPECT_EQ(checksum_fold(0x10000), 1);
  EXPECT_EQ(checksum_fold(UINT64_MAX), 0xffff);
  EXPECT_EQ(checksum_fold(0xffffffff00000001), 1);
}

TEST(Checksum, PseudoHeaders) {
  for (const bool v6 : {false, true}) {
    const Bytes packet = build({.v6 = v6, .payload = payload(9)});
    const size_t offset = v6 ? 40 : 20;
    const Bytes zero(packet.size() - offset);
    const auto length = static_cast<uint32_t>(zero.size());
    EXPECT_EQ(big_endian(checksum_fold(pseudo_header_sum(packet.data(), test::kTcp, length))),
              test::reference_transport_sum(packet.data(), test::kTcp, zero));
  }
}

}  // namespace
}  // namespace weft::tun
