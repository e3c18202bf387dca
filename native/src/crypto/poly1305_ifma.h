// Poly1305 (RFC 8439, 2.5) on eight blocks at once with AVX-512 IFMA, for the whole 16-byte blocks of one text.
//
// Lane l of the vectors takes every eighth block and multiplies by r^8 at each step; at the end the lanes are brought
// in line by r^8 .. r^1 and summed:
//
//      h = ((m0 r^8 + m8) r^8 + ...) r^8     ...     h = ((m7 r^8 + m15) r^8 + ...) r
//
// Numbers are three limbs of 44, 44 and 42 bits, as VPMADD52 multiplies 52 bits and gives the low or the high 52 bits
// of the product. Constant time: only the length decides branches.
#pragma once

#if defined(__x86_64__)

#include "crypto/chacha20_avx512.h"
#include "crypto/poly1305_mulx.h"

namespace weft::crypto::avx512 {

inline constexpr uint64_t kMask44 = (uint64_t{1} << 44) - 1;
inline constexpr uint64_t kMask42 = (uint64_t{1} << 42) - 1;

// Eight numbers modulo 2^130 - 5.
struct Limbs {
  __m512i v0, v1, v2;
};

// A multiplier r and its limbs 1 and 2 times 20: what a product has from 2^132 on comes back times 4 * 5.
struct Multiplier {
  Limbs r;
  __m512i s1, s2;
};

WEFT_AVX512 __m512i times5(__m512i x) { return _mm512_add_epi64(x, _mm512_slli_epi64(x, 2)); }

WEFT_AVX512 Multiplier multiplier(const Limbs& r) {
  return {r, _mm512_slli_epi64(times5(r.v1), 2), _mm512_slli_epi64(times5(r.v2), 2)};
}

// a b, carried so that limbs are below 2^44, 2^44 + small, 2^42; those of `a` may be up to 2^46.
WEFT_AVX512 Limbs multiply(const Limbs& a, const Multiplier& b) {
  const __m512i zero = _mm512_setzero_si512();
  const __m512i mask44 = _mm512_set1_epi64((long long)kMask44), mask42 = _mm512_set1_epi64((long long)kMask42);
  __m512i lo0 = _mm512_madd52lo_epu64(zero, a.v0, b.r.v0), hi0 = _mm512_madd52hi_epu64(zero, a.v0, b.r.v0);
  __m512i lo1 = _mm512_madd52lo_epu64(zero, a.v0, b.r.v1), hi1 = _mm512_madd52hi_epu64(zero, a.v0, b.r.v1);
  __m512i lo2 = _mm512_madd52lo_epu64(zero, a.v0, b.r.v2), hi2 = _mm512_madd52hi_epu64(zero, a.v0, b.r.v2);
  lo0 = _mm512_madd52lo_epu64(lo0, a.v1, b.s2), hi0 = _mm512_madd52hi_epu64(hi0, a.v1, b.s2);
  lo1 = _mm512_madd52lo_epu64(lo1, a.v1, b.r.v0), hi1 = _mm512_madd52hi_epu64(hi1, a.v1, b.r.v0);
  lo2 = _mm512_madd52lo_epu64(lo2, a.v1, b.r.v1), hi2 = _mm512_madd52hi_epu64(hi2, a.v1, b.r.v1);
  lo0 = _mm512_madd52lo_epu64(lo0, a.v2, b.s1), hi0 = _mm512_madd52hi_epu64(hi0, a.v2, b.s1);
  lo1 = _mm512_madd52lo_epu64(lo1, a.v2, b.s2), hi1 = _mm512_madd52hi_epu64(hi1, a.v2, b.s2);
  lo2 = _mm512_madd52lo_epu64(lo2, a.v2, b.r.v0), hi2 = _mm512_madd52hi_epu64(hi2, a.v2, b.r.v0);

  // hi counts 2^52: 2^8 of the next limb, 2^10 after the last one.
  Limbs h;
  __m512i carry = _mm512_add_epi64(_mm512_srli_epi64(lo0, 44), _mm512_slli_epi64(hi0, 8));
  h.v0 = _mm512_and_si512(lo0, mask44);
  lo1 = _mm512_add_epi64(lo1, carry);
  carry = _mm512_add_epi64(_mm512_srli_epi64(lo1, 44), _mm512_slli_epi64(hi1, 8));
  h.v1 = _mm512_and_si512(lo1, mask44);
  lo2 = _mm512_add_epi64(lo2, carry);
  carry = _mm512_add_epi64(_mm512_srli_epi64(lo2, 42), _mm512_slli_epi64(hi2, 10));
  h.v2 = _mm512_and_si512(lo2, mask42);
  h.v0 = _mm512_add_epi64(h.v0, times5(carry));
  h.v1 = _mm512_add_epi64(h.v1, _mm512_srli_epi64(h.v0, 44));
  h.v0 = _mm512_and_si512(h.v0, mask44);
  return h;
}

// The eight powers of r. unpack (see add_blocks) leaves blocks 0, 4, 1, 5, 2, 6, 3, 7 in lanes 0..7, so these want the
// exponents 8, 4, 7, 3, 6, 2, 5, 1: one less, in binary, says which lanes take a factor r, r^2 and r^4.
WEFT_AVX512 Limbs blend(__mmask8 lanes, const Limbs& a, const Limbs& b) {
  return {_mm512_mask_mov_epi64(a.v0, lanes, b.v0), _mm512_mask_mov_epi64(a.v1, lanes, b.v1),
          _mm512_mask_mov_epi64(a.v2, lanes, b.v2)};
}

WEFT_AVX512 Limbs broadcast_lane0(const Limbs& a) {
  return {_mm512_broadcastq_epi64(_mm512_castsi512_si128(a.v0)), _mm512_broadcastq_epi64(_mm512_castsi512_si128(a.v1)),
          _mm512_broadcastq_epi64(_mm512_castsi512_si128(a.v2))};
}

WEFT_AVX512 Limbs powers(const Poly1305& p) {
  const Limbs r = {_mm512_set1_epi64((long long)(p.r0 & kMask44)),
                   _mm512_set1_epi64((long long)((p.r0 >> 44 | p.r1 << 20) & kMask44)),
                   _mm512_set1_epi64((long long)(p.r1 >> 24))};
  const Limbs r2 = multiply(r, multiplier(r));
  const Limbs to2 = blend(0b00110011, r, r2);                                      // 2 2 1 1 2 2 1 1
  const Limbs to4 = blend(0b00001111, to2, multiply(to2, multiplier(r2)));         // 4 4 3 3 2 2 1 1
  return blend(0b01010101, to4, multiply(to4, multiplier(broadcast_lane0(to4))));  // 8 4 7 3 6 2 5 1
}

// h + eight blocks with their 2^128, or with a `pad` bit of 0 for those which are none.
WEFT_AVX512 Limbs add_blocks(const Limbs& h, __m512i first4, __m512i last4, __m512i pad) {
  const __m512i mask44 = _mm512_set1_epi64((long long)kMask44);
  const __m512i lo = _mm512_unpacklo_epi64(first4, last4), hi = _mm512_unpackhi_epi64(first4, last4);
  const __m512i middle = _mm512_or_si512(_mm512_srli_epi64(lo, 44), _mm512_slli_epi64(hi, 20));
  return {_mm512_add_epi64(h.v0, _mm512_and_si512(lo, mask44)),
          _mm512_add_epi64(h.v1, _mm512_and_si512(middle, mask44)),
          _mm512_add_epi64(h.v2, _mm512_or_si512(_mm512_srli_epi64(hi, 24), pad))};
}

// Sums the lanes into p's accumulator.
WEFT_AVX512 void sum_lanes(Poly1305& p, const Limbs& h) {
  const uint64_t v0 = (uint64_t)_mm512_reduce_add_epi64(h.v0), v1 = (uint64_t)_mm512_reduce_add_epi64(h.v1);
  const uint64_t v2 = (uint64_t)_mm512_reduce_add_epi64(h.v2);
  uint128_t t = (uint128_t)v0 + ((uint128_t)v1 << 44);
  p.h0 = (uint64_t)t;
  t = (t >> 64) + ((uint128_t)v2 << 24);
  p.h1 = (uint64_t)t;
  p.h2 = (uint64_t)(t >> 64);
  // Back below 2^130 + a little, as poly1305_tag wants it.
  t = (uint128_t)p.h0 + (p.h2 >> 2) * 5;
  p.h0 = (uint64_t)t;
  t = (uint128_t)p.h1 + (uint64_t)(t >> 64);
  p.h1 = (uint64_t)t;
  p.h2 = (p.h2 & 3) + (uint64_t)(t >> 64);
}

// Hashes the n >= 1 whole blocks of each of kTexts texts into fresh accumulators: two at a time keep the multipliers
// busy where one would wait for its carries. The first vector is filled up in front with zeros that are no blocks (they
// leave h at 0), so that all others are full.
template <int kTexts>
__attribute__((noinline, WEFT_AVX512_TARGET)) void poly1305_blocks(Poly1305 (&p)[kTexts],
                                                                   const uint8_t* const (&texts)[kTexts], uint32_t n) {
  const __m512i pad = _mm512_set1_epi64(int64_t{1} << 40);  // 2^128 in limb 2
  const __m512i zero = _mm512_setzero_si512();
  const uint32_t none = (8 - n % 8) % 8;
  const uint32_t present = 0xffffu & (0xffffu << (2 * none));  // one bit for each 8 bytes
  const __mmask8 present0 = (__mmask8)present, present1 = (__mmask8)(present >> 8);
  const __m512i first_pad =
      _mm512_unpacklo_epi64(_mm512_maskz_mov_epi64(present0, pad), _mm512_maskz_mov_epi64(present1, pad));

  Limbs h[kTexts], r_powers[kTexts];
  Multiplier r8[kTexts];
  const uint8_t* at[kTexts];
  WEFT_UNROLL
  for (int t = 0; t < kTexts; t++) {
    r_powers[t] = powers(p[t]);
    r8[t] = multiplier(broadcast_lane0(r_powers[t]));
    at[t] = texts[t] - kPolyBlock * none;
    h[t] = add_blocks({zero, zero, zero}, _mm512_maskz_loadu_epi64(present0, at[t]),
                      _mm512_maskz_loadu_epi64(present1, at[t] + 64), first_pad);
  }
  for (uint32_t vectors = (n + none) / 8; vectors > 1; vectors--) {
    WEFT_UNROLL
    for (int t = 0; t < kTexts; t++) {
      at[t] += 128;
      h[t] = add_blocks(multiply(h[t], r8[t]), _mm512_loadu_si512(at[t]), _mm512_loadu_si512(at[t] + 64), pad);
    }
  }
  WEFT_UNROLL
  for (int t = 0; t < kTexts; t++) sum_lanes(p[t], multiply(h[t], multiplier(r_powers[t])));
}

}  // namespace weft::crypto::avx512

#endif  // __x86_64__
