#include "crypto/mac1.h"

#include <gtest/gtest.h>

#include <numeric>

#include "hex.h"

namespace weft::crypto {
namespace {

using Bytes = std::vector<uint8_t>;

// An initiation of 148 bytes; its mac1, for the public key 00 01 .. 1f, was computed with CPython's hashlib.
Bytes initiation() {
  Bytes message;
  for (int i = 0; i < 116; ++i) message.push_back(static_cast<uint8_t>(i * 7 + 1));
  const Bytes mac1 = test::from_hex("4851da3016ae3667f2039a71aee50a2c");
  message.insert(message.end(), mac1.begin(), mac1.end());
  message.resize(148, 0xee);  // mac2 is not covered
  return message;
}

Mac1Key counting_key(uint8_t first = 0) {
  Bytes key(32);
  std::iota(key.begin(), key.end(), first);
  return Mac1Key(key.data());
}

TEST(Mac1, AcceptsTheRightOne) { EXPECT_TRUE(counting_key().verify(initiation())); }

TEST(Mac1, CoversEveryByteButMac2) {
  const Mac1Key key = counting_key();
  for (size_t i = 0; i < 148; ++i) {
    Bytes message = initiation();
    message[i] ^= 1;
    EXPECT_EQ(key.verify(message), i >= 132) << i;
  }
}

TEST(Mac1, RefusesOtherKeysAndLengths) {
  EXPECT_FALSE(counting_key(1).verify(initiation()));
  Bytes message = initiation();
  for (; !message.empty(); message.pop_back()) EXPECT_EQ(counting_key().verify(message), message.size() == 148);
  EXPECT_FALSE(counting_key().verify({}));
}

}  // namespace
}  // namespace weft::crypto
