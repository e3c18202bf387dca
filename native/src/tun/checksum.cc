#include "tun/checksum.h"

#include <cstring>

#include "util/bytes.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace weft::tun {

namespace {

// Adding 32-bit halves into 64 bits needs no carries for any packet: 2^16 = 1 modulo 2^16 - 1, so the halves of the
// result fold together at the end.
inline uint64_t add64(uint64_t sum, uint64_t v) { return sum + (v & 0xffffffff) + (v >> 32); }

// The last 0..7 bytes, padded with a zero to whole words (RFC 1071 4.1).
inline uint64_t load_tail(const uint8_t* p, size_t n) {
  uint64_t v = 0;
  unsigned shift = 0;
  if (n & 4) {
    v = load<uint32_t>(p);
    p += 4;
    shift = 32;
  }
  if (n & 2) {
    v |= uint64_t{load<uint16_t>(p)} << shift;
    p += 2;
    shift += 16;
  }
  if (n & 1) v |= uint64_t{*p} << shift;
  return v;
}

inline void store_tail(uint8_t* p, size_t n, uint64_t v) {
  if (n & 4) {
    store<uint32_t>(p, static_cast<uint32_t>(v));
    p += 4;
    v >>= 32;
  }
  if (n & 2) {
    store<uint16_t>(p, static_cast<uint16_t>(v));
    p += 2;
    v >>= 16;
  }
  if (n & 1) *p = static_cast<uint8_t>(v);
}

template <bool kCopy>
inline uint64_t sum_words(uint8_t* dst, const uint8_t* src, size_t n, uint64_t sum) {
  size_t i = 0;
  for (; i + 8 <= n; i += 8) {
    const uint64_t v = load<uint64_t>(src + i);
    if constexpr (kCopy) store(dst + i, v);
    sum = add64(sum, v);
  }
  if (i == n) return sum;
  const uint64_t v = load_tail(src + i, n - i);
  if constexpr (kCopy) store_tail(dst + i, n - i, v);
  return add64(sum, v);
}

#if defined(__x86_64__)

// Each 64-bit lane adds its two 32-bit halves separately; the lanes cannot overflow below 2^32 blocks.
template <bool kCopy>
[[gnu::target("avx2")]] uint64_t sum_avx2(uint8_t* dst, const uint8_t* src, size_t n, uint64_t sum) {
  const __m256i low_half = _mm256_set1_epi64x(0xffffffff);
  __m256i low[4] = {};
  __m256i high[4] = {};
  size_t i = 0;
  for (; i + 128 <= n; i += 128) {
    for (size_t k = 0; k < 4; ++k) {
      const __m256i v = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(src + i + 32 * k));
      if constexpr (kCopy) _mm256_storeu_si256(reinterpret_cast<__m256i*>(dst + i + 32 * k), v);
      low[k] = _mm256_add_epi64(low[k], _mm256_and_si256(v, low_half));
      high[k] = _mm256_add_epi64(high[k], _mm256_srli_epi64(v, 32));
    }
  }
  for (; i + 32 <= n; i += 32) {
    const __m256i v = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(src + i));
    if constexpr (kCopy) _mm256_storeu_si256(reinterpret_cast<__m256i*>(dst + i), v);
    low[0] = _mm256_add_epi64(low[0], _mm256_and_si256(v, low_half));
    high[0] = _mm256_add_epi64(high[0], _mm256_srli_epi64(v, 32));
  }
  const __m256i even = _mm256_add_epi64(_mm256_add_epi64(low[0], high[0]), _mm256_add_epi64(low[1], high[1]));
  const __m256i odd = _mm256_add_epi64(_mm256_add_epi64(low[2], high[2]), _mm256_add_epi64(low[3], high[3]));
  const __m256i lanes = _mm256_add_epi64(even, odd);
  const __m128i pair = _mm_add_epi64(_mm256_castsi256_si128(lanes), _mm256_extracti128_si256(lanes, 1));
  sum += static_cast<uint64_t>(_mm_cvtsi128_si64(pair)) + static_cast<uint64_t>(_mm_extract_epi64(pair, 1));
  return sum_words<kCopy>(kCopy ? dst + i : nullptr, src + i, n - i, sum);
}

const bool g_has_avx2 = __builtin_cpu_supports("avx2");

#endif

}  // namespace

uint64_t checksum_add_portable(const uint8_t* p, size_t n, uint64_t sum) {
  return sum_words<false>(nullptr, p, n, sum);
}

uint64_t checksum_copy_portable(uint8_t* dst, const uint8_t* src, size_t n, uint64_t sum) {
  return sum_words<true>(dst, src, n, sum);
}

uint64_t checksum_add(const uint8_t* p, size_t n, uint64_t sum) {
#if defined(__x86_64__)
  if (n >= 64 && g_has_avx2) return sum_avx2<false>(nullptr, p, n, sum);
#endif
  return sum_words<false>(nullptr, p, n, sum);
}

uint64_t checksum_copy(uint8_t* dst, const uint8_t* src, size_t n, uint64_t sum) {
#if defined(__x86_64__)
  if (n >= 64 && g_has_avx2) return sum_avx2<true>(dst, src, n, sum);
#endif
  return sum_words<true>(dst, src, n, sum);
}

uint64_t pseudo_header_sum(const uint8_t* ip, uint8_t protocol, uint32_t length) {
  const bool v4 = ip[0] >> 4 == 4;
  const uint64_t addresses = v4 ? sum_words<false>(nullptr, ip + 12, 8, 0) : sum_words<false>(nullptr, ip + 8, 32, 0);
  return addresses + __builtin_bswap16(protocol) + __builtin_bswap32(length);
}

}  // namespace weft::tun
