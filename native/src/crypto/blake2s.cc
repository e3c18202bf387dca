#include "crypto/blake2s.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

#include "util/bytes.h"

namespace weft::crypto {

namespace {

constexpr size_t kBlockSize = 64;
using State = std::array<uint32_t, 8>;

constexpr State kIv = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};

constexpr uint8_t kSigma[10][16] = {
    {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}, {14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3},
    {11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4}, {7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8},
    {9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13}, {2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9},
    {12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11}, {13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10},
    {6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5}, {10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0},
};

inline void mix(uint32_t& a, uint32_t& b, uint32_t& c, uint32_t& d, uint32_t x, uint32_t y) {
  a += b + x;
  d = std::rotr(d ^ a, 16);
  c += d;
  b = std::rotr(b ^ c, 12);
  a += b + y;
  d = std::rotr(d ^ a, 8);
  c += d;
  b = std::rotr(b ^ c, 7);
}

// The function F of RFC 7693 3.2; `bytes` is how much input it has seen with this block.
void compress(State& h, const uint8_t* block, uint64_t bytes, bool last) {
  uint32_t m[16];
  std::memcpy(m, block, kBlockSize);
  uint32_t v[16];
  std::copy(h.begin(), h.end(), v);
  std::copy(kIv.begin(), kIv.end(), v + 8);
  v[12] ^= static_cast<uint32_t>(bytes);
  v[13] ^= static_cast<uint32_t>(bytes >> 32);
  if (last) v[14] = ~v[14];
  for (const auto& s : kSigma) {
    mix(v[0], v[4], v[8], v[12], m[s[0]], m[s[1]]);
    mix(v[1], v[5], v[9], v[13], m[s[2]], m[s[3]]);
    mix(v[2], v[6], v[10], v[14], m[s[4]], m[s[5]]);
    mix(v[3], v[7], v[11], v[15], m[s[6]], m[s[7]]);
    mix(v[0], v[5], v[10], v[15], m[s[8]], m[s[9]]);
    mix(v[1], v[6], v[11], v[12], m[s[10]], m[s[11]]);
    mix(v[2], v[7], v[8], v[13], m[s[12]], m[s[13]]);
    mix(v[3], v[4], v[9], v[14], m[s[14]], m[s[15]]);
  }
  for (size_t i = 0; i < h.size(); ++i) h[i] ^= v[i] ^ v[i + 8];
}

}  // namespace

void blake2s(std::span<uint8_t> out, std::span<const uint8_t> key, std::span<const uint8_t> data) {
  State h = kIv;
  h[0] ^= 0x01010000u ^ static_cast<uint32_t>(key.size() << 8) ^ static_cast<uint32_t>(out.size());

  uint8_t block[kBlockSize] = {};
  uint64_t bytes = 0;
  if (!key.empty()) {
    std::copy(key.begin(), key.end(), block);
    bytes = kBlockSize;
    compress(h, block, bytes, data.empty());
  }
  while (data.size() > kBlockSize) {
    bytes += kBlockSize;
    compress(h, data.data(), bytes, false);
    data = data.subspan(kBlockSize);
  }
  if (!data.empty() || key.empty()) {
    std::memset(block, 0, sizeof block);
    std::copy(data.begin(), data.end(), block);
    compress(h, block, bytes + data.size(), true);
  }
  std::memcpy(out.data(), h.data(), out.size());
}

void blake2s_256(uint8_t out[kBlake2sHashSize], std::span<const uint8_t> data) {
  blake2s({out, kBlake2sHashSize}, {}, data);
}

void blake2s_mac(uint8_t out[kBlake2sMacSize], std::span<const uint8_t> key, std::span<const uint8_t> data) {
  blake2s({out, kBlake2sMacSize}, key, data);
}

bool mac_equals(std::span<const uint8_t> key, std::span<const uint8_t> data, const uint8_t* mac) {
  uint8_t expected[kBlake2sMacSize];
  blake2s_mac(expected, key, data);
  const uint64_t difference =
      (load<uint64_t>(expected) ^ load<uint64_t>(mac)) | (load<uint64_t>(expected + 8) ^ load<uint64_t>(mac + 8));
  return difference == 0;
}

}  // namespace weft::crypto
