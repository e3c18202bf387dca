#include "crypto/blake2s.h"

#include <gtest/gtest.h>

#include <fstream>
#include <numeric>

#include "hex.h"

namespace weft::crypto {
namespace {

using Bytes = std::vector<uint8_t>;
using test::from_hex;

Bytes counting(size_t n) {
  Bytes bytes(n);
  std::iota(bytes.begin(), bytes.end(), uint8_t{0});
  return bytes;
}

// RFC 7693, appendix B.
TEST(Blake2s, RfcExample) {
  const Bytes abc = {'a', 'b', 'c'};
  Bytes hash(kBlake2sHashSize);
  blake2s_256(hash.data(), abc);
  EXPECT_EQ(hash, from_hex("508c5e8c327c14e2e1a72ba34eeb452f37458b209ed63a294d999b4c86675982"));
}

// RFC 7693, appendix E.
Bytes self_test_sequence(size_t n, uint32_t seed) {
  uint32_t a = 0xdead4bad * seed;
  uint32_t b = 1;
  Bytes out(n);
  for (uint8_t& byte : out) {
    const uint32_t t = a + b;
    a = b;
    b = t;
    byte = static_cast<uint8_t>(t >> 24);
  }
  return out;
}

TEST(Blake2s, RfcSelfTest) {
  Bytes all;
  for (const size_t hash_size : {16, 20, 28, 32}) {
    for (const size_t n : {0, 3, 64, 65, 255, 1024}) {
      const Bytes data = self_test_sequence(n, static_cast<uint32_t>(n));
      const Bytes key = self_test_sequence(hash_size, static_cast<uint32_t>(hash_size));
      Bytes hash(hash_size);
      blake2s(hash, {}, data);
      all.insert(all.end(), hash.begin(), hash.end());
      blake2s(hash, key, data);
      all.insert(all.end(), hash.begin(), hash.end());
    }
  }
  Bytes hash(kBlake2sHashSize);
  blake2s_256(hash.data(), all);
  EXPECT_EQ(hash, from_hex("6a411f08ce25adcdfb02aba641451cec53c598b24f4fc787fbdc88797f4c1dfe"));
}

TEST(Blake2s, KeyedKnownAnswers) {
  std::ifstream file(WEFT_VECTORS "/blake2s-keyed.txt");
  const Bytes key = counting(32);
  size_t n = 0;
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with('#')) continue;
    Bytes hash(kBlake2sHashSize);
    blake2s(hash, key, counting(n));
    EXPECT_EQ(hash, from_hex(line)) << n;
    ++n;
  }
  EXPECT_EQ(n, 256u);
}

// Computed with CPython's hashlib; the published answers have 32 bytes only.
TEST(Blake2s, SixteenByteMac) {
  const Bytes key = counting(32);
  const std::pair<size_t, const char*> vectors[] = {
      {0, "9536f9b267655743dee97b8a670f9f53"},   {1, "13bacfb85b48a1223c595f8c1e7e82cb"},
      {64, "f1efa90d2547036841ecd3627fafbc36"},  {65, "811ff8686d23a435ecbd0bdafcd27b1b"},
      {116, "072e94ffbfc684bd8ab2a1b9dade2fd5"}, {128, "8c09f698d03eaf88abf69f8147865ef6"},
  };
  for (const auto& [n, expected] : vectors) {
    Bytes mac(kBlake2sMacSize);
    blake2s_mac(mac.data(), key, counting(n));
    EXPECT_EQ(mac, from_hex(expected)) << n;
    EXPECT_TRUE(mac_equals(key, counting(n), mac.data()));
    for (uint8_t& byte : mac) {
      byte ^= 0x80;
      EXPECT_FALSE(mac_equals(key, counting(n), mac.data()));
      byte ^= 0x80;
    }
  }
}

}  // namespace
}  // namespace weft::crypto
