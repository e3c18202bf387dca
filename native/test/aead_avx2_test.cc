// What is particular to the SIMD back ends: carries at the limits of Poly1305's field, and the seams of their layout
// (runs of one key, lanes, passes, texts on both sides of a pass). That all back ends agree with the published vectors
// is tested in aead_test.cc, that they agree with libsodium in general by fuzz/aead_differential.cc.
#include "crypto/aead_avx2.h"

#include <gtest/gtest.h>
#include <sodium.h>

#include <array>
#include <tuple>
#include <vector>

#include "crypto/aead_avx512.h"
#include "crypto/chacha20_avx2.h"
#include "crypto/poly1305_ifma.h"
#include "util/bytes.h"

namespace weft::crypto {
namespace {

std::vector<const Aead*> simd_aeads() {
  std::vector<const Aead*> v;
  for (const Aead* aead : {avx2_aead(), avx512_aead()}) {
    if (aead != nullptr) v.push_back(aead);
  }
  return v;
}

#if defined(__x86_64__)

using Tag = std::array<uint8_t, kAeadTagSize>;

Tag sodium_poly1305(const uint8_t* key, const std::vector<uint8_t>& text) {
  Tag tag;
  crypto_onetimeauth_poly1305(tag.data(), text.data(), text.size(), key);
  return tag;
}

__attribute__((target("bmi2"))) Tag finish(const Poly1305& p, const uint8_t* key) {
  uint64_t words[2];
  poly1305_tag(p, key, words);
  Tag tag;
  std::memcpy(tag.data(), words, sizeof words);
  return tag;
}

__attribute__((target("bmi2"))) Poly1305 mulx_start(const uint8_t* key) {
  Poly1305 p;
  poly1305_init(p, key);
  return p;
}

__attribute__((target("bmi2"))) Poly1305 mulx_blocks(Poly1305 p, const std::vector<uint8_t>& text) {
  for (size_t i = 0; i < text.size(); i += kPolyBlock) poly1305_block(p, &text[i]);
  return p;
}

Tag mulx_poly1305(const uint8_t* key, const std::vector<uint8_t>& text) {
  return finish(mulx_blocks(mulx_start(key), text), key);
}

// Keys r | s and texts of whole blocks that drive the limbs to their limits. The first ones are RFC 8439, A.3, vectors
// 7 to 11: h of 2^130 - 5 and beyond, and a product that lies just above 2^130 - 5.
struct Limit {
  std::vector<uint8_t> key, text;
};

std::vector<uint8_t> bytes(std::initializer_list<int> first, size_t size) {
  std::vector<uint8_t> v(size, 0);
  size_t i = 0;
  for (const int b : first) v[i++] = (uint8_t)b;
  return v;
}

std::vector<uint8_t> concatenate(std::initializer_list<std::vector<uint8_t>> parts) {
  std::vector<uint8_t> v;
  for (const auto& part : parts) v.insert(v.end(), part.begin(), part.end());
  return v;
}

std::vector<Limit> limits() {
  const std::vector<uint8_t> ones(16, 0xff), zero(16, 0);
  const auto r1 = bytes({1}, 32), r2 = bytes({2}, 32), r4 = bytes({1, 0, 0, 0, 0, 0, 0, 0, 4}, 32);
  std::vector<uint8_t> f0 = ones, fb(16, 0xfe), product1 = zero, product2 = zero;
  f0[0] = 0xf0;
  fb[0] = 0xfb;
  const auto e3 = bytes({0xe3, 0x35, 0x94, 0xd7, 0x50, 0x5e, 0x43, 0xb9}, 16);
  const auto d7 = bytes({0x33, 0x94, 0xd7, 0x50, 0x5e, 0x43, 0x79, 0xcd, 1}, 16);
  std::vector<Limit> all = {
      {r1, concatenate({ones, f0, bytes({0x11}, 16)})},
      {r1, concatenate({ones, fb, std::vector<uint8_t>(16, 1)})},
      {r2,
       [&] {
         auto v = ones;
         v[0] = 0xfd;
         return v;
       }()},
      {r4, concatenate({e3, d7, zero, bytes({1}, 16)})},
      {r4, concatenate({e3, d7, zero})},
  };
  const std::vector<uint8_t> largest(32, 0xff);
  for (size_t blocks = 1; blocks <= 70; blocks++) {
    all.push_back({largest, std::vector<uint8_t>(16 * blocks, 0xff)});
    all.push_back({r1, std::vector<uint8_t>(16 * blocks, 0xff)});
    all.push_back({largest, std::vector<uint8_t>(16 * blocks, 0)});
  }
  return all;
}

TEST(Poly1305Mulx, AgreesAtTheLimits) {
  if (avx2_aead() == nullptr) GTEST_SKIP() << "no BMI2";
  for (const Limit& limit : limits()) {
    EXPECT_EQ(mulx_poly1305(limit.key.data(), limit.text), sodium_poly1305(limit.key.data(), limit.text));
  }
}

// The hash inside ChaCha20's double rounds, from the limits of h.
struct RoundsWithHash {
  const char* name;
  ChaCha20Rounds* rounds;
  uint32_t blocks;
};

class ChaCha20RoundsHash : public testing::TestWithParam<RoundsWithHash> {
 protected:
  static void expect_hash(const Poly1305& start, const std::vector<uint8_t>& text) {
    alignas(32) uint8_t state[16 * 32] = {};
    const Poly1305 expected = mulx_blocks(start, text);
    Poly1305 hash = start;
    GetParam().rounds((const __m256i*)state, (__m256i*)state, 1, 0, &hash, text.data());
    EXPECT_EQ(std::tie(hash.h0, hash.h1, hash.h2), std::tie(expected.h0, expected.h1, expected.h2))
        << "from " << start.h0 << ", " << start.h1 << ", " << start.h2;
  }
};

TEST_P(ChaCha20RoundsHash, IsPoly1305AtTheLimits) {
  if (avx2_aead() == nullptr) GTEST_SKIP() << "no AVX2";
  const uint64_t limbs[] = {0, 1, 5, UINT64_MAX - 5, UINT64_MAX - 4, UINT64_MAX - 1, UINT64_MAX};
  for (Limit limit : limits()) {
    Poly1305 start = mulx_start(limit.key.data());
    limit.text.resize(kPolyBlock * GetParam().blocks);
    for (const uint64_t h0 : limbs) {
      for (const uint64_t h1 : limbs) {
        for (uint64_t h2 = 0; h2 < 5; h2++) {
          start.h0 = h0, start.h1 = h1, start.h2 = h2;
          expect_hash(start, limit.text);
        }
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, ChaCha20RoundsHash,
                         testing::Values(RoundsWithHash{"columns3", weft_chacha20_avx2_columns_hash3, 3},
                                         RoundsWithHash{"columns4", weft_chacha20_avx2_columns_hash4, 4},
                                         RoundsWithHash{"rows1", weft_chacha20_avx2_rows1_hash3, 3},
                                         RoundsWithHash{"rows2", weft_chacha20_avx2_rows2_hash3, 3},
                                         RoundsWithHash{"rows3", weft_chacha20_avx2_rows3_hash3, 3}),
                         [](const auto& test) { return std::string(test.param.name); });

// RFC 8439, A.3, vector 7: independent of any other implementation.
TEST(Poly1305Mulx, MatchesTheRfcWhereHWrapsAround) {
  if (avx2_aead() == nullptr) GTEST_SKIP() << "no BMI2";
  Tag expected = {5};
  const Limit limit = limits()[0];
  EXPECT_EQ(mulx_poly1305(limit.key.data(), limit.text), expected);
}

TEST(Poly1305Ifma, AgreesAtTheLimits) {
  if (avx512_aead() == nullptr) GTEST_SKIP() << "no AVX-512 IFMA";
  for (const Limit& limit : limits()) {
    Poly1305 p[2];
    for (Poly1305& one : p) {
      const uint8_t* key = limit.key.data();
      one = {0, 0, 0, load_le64(key) & 0x0ffffffc0fffffff, load_le64(key + 8) & 0x0ffffffc0ffffffc, 0};
      one.s1 = one.r1 + (one.r1 >> 2);
    }
    const uint32_t blocks = (uint32_t)limit.text.size() / kPolyBlock;
    Poly1305 single[1] = {p[0]};
    avx512::poly1305_blocks<1>(single, {limit.text.data()}, blocks);
    avx512::poly1305_blocks<2>(p, {limit.text.data(), limit.text.data()}, blocks);
    const Tag expected = sodium_poly1305(limit.key.data(), limit.text);
    EXPECT_EQ(finish(single[0], limit.key.data()), expected) << blocks << " blocks";
    EXPECT_EQ(finish(p[0], limit.key.data()), expected) << blocks << " blocks";
    EXPECT_EQ(finish(p[1], limit.key.data()), expected) << blocks << " blocks";
  }
}

#endif  // __x86_64__

// A batch whose packets lie one after the other, with the room of a header between them.
class SimdAead : public testing::TestWithParam<const Aead*> {
 protected:
  static constexpr size_t kHeader = 16;

  void add(size_t key, uint32_t length) { layout_.push_back({key, length}); }

  void build() {
    size_t size = kHeader;
    for (const auto& [key, length] : layout_) size += length + kAeadTagSize + kHeader;
    memory_.resize(size);
    for (size_t i = 0; i < size; i++) memory_[i] = (uint8_t)(i * 31 + i / 251);
    for (size_t i = 0; i < sizeof keys_; i++) keys_[i / kAeadKeySize][i % kAeadKeySize] = (uint8_t)(i * 13 + 5);
    plain_ = sealed_ = memory_;
    size_t at = kHeader;
    for (const auto& [key, length] : layout_) {
      jobs_.push_back({keys_[key], 0xfffffffe + jobs_.size(), &memory_[at], length, false});
      uint8_t nonce[12] = {};
      store_le64(nonce + 4, jobs_.back().counter);
      crypto_aead_chacha20poly1305_ietf_encrypt(&sealed_[at], nullptr, &sealed_[at], length, nullptr, 0, nullptr, nonce,
                                                keys_[key]);
      at += length + kAeadTagSize + kHeader;
    }
  }

  void expect_round_trip() {
    build();
    GetParam()->seal(jobs_);
    EXPECT_EQ(memory_, sealed_);
    GetParam()->open(jobs_);
    for (const AeadJob& job : jobs_) {
      EXPECT_TRUE(job.ok);
      const size_t at = (size_t)(job.data - memory_.data());
      EXPECT_EQ(std::memcmp(job.data, &plain_[at], job.length), 0);
      EXPECT_EQ(std::memcmp(job.data + job.length, &sealed_[at + job.length], kAeadTagSize + kHeader), 0);
    }
  }

  // Of packets of 1420 bytes, every third of which is changed.
  void expect_only_forged_refused() {
    build();
    GetParam()->seal(jobs_);
    for (size_t i = 0; i < jobs_.size(); i += 3) {
      const size_t at[] = {0, 700, 1419, 1420, 1435};  // text, its last byte, the tag's first and last
      jobs_[i].data[at[i % 5]] ^= 0x80;
    }
    for (AeadJob& job : jobs_) job.ok = true;
    GetParam()->open(jobs_);
    for (size_t i = 0; i < jobs_.size(); i++) EXPECT_EQ(jobs_[i].ok, i % 3 != 0) << i;
  }

  uint8_t keys_[3][kAeadKeySize];
  std::vector<std::pair<size_t, uint32_t>> layout_;
  std::vector<uint8_t> memory_, plain_, sealed_;
  std::vector<AeadJob> jobs_;
};

TEST_P(SimdAead, EmptyBatch) {
  GetParam()->seal({});
  GetParam()->open({});
}

TEST_P(SimdAead, MorePacketsThanARun) {
  for (int i = 0; i < 131; i++) add(0, 80);
  expect_round_trip();
}

TEST_P(SimdAead, MoreEmptyPacketsThanLanes) {
  for (int i = 0; i < 40; i++) add(0, 0);
  expect_round_trip();
}

TEST_P(SimdAead, AnEmptyPacketBehindFullPasses) {
  for (const uint32_t blocks : {2, 3, 5, 5, 1, 1, 3, 2, 2, 5, 0}) add(0, blocks * 64);
  expect_round_trip();
}

TEST_P(SimdAead, KeysThatAlternate) {
  for (size_t i = 0; i < 30; i++) add(i % 3, (uint32_t)(i * 53));
  expect_round_trip();
}

TEST_P(SimdAead, PacketsByThemselvesOfAllLengths) {
  // Their keys alternate: each is a run.
  for (uint32_t length = 0; length <= 2100; length++) add(length % 2, length);
  expect_round_trip();
}

TEST_P(SimdAead, LengthsAroundBlocksAndPasses) {
  for (const uint32_t boundary : {16, 64, 192, 256, 448, 512, 960, 1024, 1420, 1472, 8900}) {
    for (int d = -1; d <= 1; d++) add(0, (uint32_t)((int)boundary + d));
  }
  expect_round_trip();
}

TEST_P(SimdAead, ALongPacketBetweenEmptyOnes) {
  for (const uint32_t length : {0u, 0u, 65000u, 0u, 1u}) add(1, length);
  expect_round_trip();
}

TEST_P(SimdAead, RefusesOnlyTheForged) {
  for (int i = 0; i < 45; i++) add(0, 1420);
  expect_only_forged_refused();
}

TEST_P(SimdAead, RefusesOnlyTheForgedByThemselves) {
  for (size_t i = 0; i < 45; i++) add(i % 2, 1420);
  expect_only_forged_refused();
}

INSTANTIATE_TEST_SUITE_P(All, SimdAead, testing::ValuesIn(simd_aeads()),
                         [](const auto& test) { return std::string(test.param->name); });
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(SimdAead);

}  // namespace
}  // namespace weft::crypto
