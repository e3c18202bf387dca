// ChaCha20 (RFC 8439, 2.3) on up to sixteen blocks at once with AVX-512.
//
// Two layouts of the lanes (blocks, see chacha20_lanes.h). Sixteen lanes stand in columns: register i holds word i of
// all lanes, a quarter round is the same for all, and a 16x16 transpose at the end makes the lanes' 64 bytes
// contiguous. Up to eight lanes lie in rows, two to a set of four 256-bit registers: less throughput, but half the
// latency, which is what counts for the only pass of a small packet and for the last one of a batch:
//
//      a   sigma 0..3 of lane 0     | sigma 0..3 of lane 1
//      b   key   0..3               | key   0..3
//      c   key   4..7               | key   4..7
//      d   block no., 0, counter    | block no., 0, counter
#pragma once

#if defined(__x86_64__)

// gcc 12 takes the don't-care operands inside its own intrinsics for mistakes.
#pragma GCC diagnostic push
#if !defined(__clang__)
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <immintrin.h>
#pragma GCC diagnostic pop

#include "crypto/chacha20_lanes.h"
#include "util/bytes.h"

#define WEFT_AVX512_TARGET target("avx512f,avx512bw,avx512vl,avx512ifma,avx2,bmi2")
#define WEFT_AVX512 __attribute__((always_inline, WEFT_AVX512_TARGET)) inline

namespace weft::crypto::avx512 {

inline constexpr int kLanes = 16;

inline constexpr uint32_t kSigma[4] = {0x61707865, 0x3320646e, 0x79622d32, 0x6b206574};  // "expand 32-byte k"

// The same step of four quarter rounds: X[i] += Y[i]; Z[i] = (Z[i] ^ X[i]) <<< kBits.
template <int kBits>
WEFT_AVX512 void step(__m512i (&x)[4], const __m512i (&y)[4], __m512i (&z)[4]) {
  WEFT_UNROLL
  for (int i = 0; i < 4; i++) x[i] = _mm512_add_epi32(x[i], y[i]);
  WEFT_UNROLL
  for (int i = 0; i < 4; i++) z[i] = _mm512_rol_epi32(_mm512_xor_si512(z[i], x[i]), kBits);
}

// Four quarter rounds on columns, or on diagonals if the rows b, c, d come rotated.
template <int B, int C, int D>
WEFT_AVX512 void quarter_rounds(__m512i (&x)[16]) {
  __m512i a[4], b[4], c[4], d[4];
  WEFT_UNROLL
  for (int i = 0; i < 4; i++) {
    a[i] = x[i];
    b[i] = x[4 + (i + B) % 4];
    c[i] = x[8 + (i + C) % 4];
    d[i] = x[12 + (i + D) % 4];
  }
  step<16>(a, b, d);
  step<12>(c, d, b);
  step<8>(a, b, d);
  step<7>(c, d, b);
  WEFT_UNROLL
  for (int i = 0; i < 4; i++) {
    x[i] = a[i];
    x[4 + (i + B) % 4] = b[i];
    x[8 + (i + C) % 4] = c[i];
    x[12 + (i + D) % 4] = d[i];
  }
}

// From word i of all lanes in x[i] to the sixteen words of lane l in x[l].
WEFT_AVX512 void transpose(__m512i (&x)[16]) {
  __m512i t[16];
  WEFT_UNROLL
  for (int i = 0; i < 16; i += 2) {
    t[i] = _mm512_unpacklo_epi32(x[i], x[i + 1]);
    t[i + 1] = _mm512_unpackhi_epi32(x[i], x[i + 1]);
  }
  WEFT_UNROLL
  for (int i = 0; i < 16; i += 4) {  // x[i + j]: words i..i+3 of lanes j, j + 4, j + 8, j + 12
    x[i] = _mm512_unpacklo_epi64(t[i], t[i + 2]);
    x[i + 1] = _mm512_unpackhi_epi64(t[i], t[i + 2]);
    x[i + 2] = _mm512_unpacklo_epi64(t[i + 1], t[i + 3]);
    x[i + 3] = _mm512_unpackhi_epi64(t[i + 1], t[i + 3]);
  }
  WEFT_UNROLL
  for (int j = 0; j < 4; j++) {
    t[j] = _mm512_shuffle_i32x4(x[j], x[4 + j], 0x44);
    t[4 + j] = _mm512_shuffle_i32x4(x[j], x[4 + j], 0xee);
    t[8 + j] = _mm512_shuffle_i32x4(x[8 + j], x[12 + j], 0x44);
    t[12 + j] = _mm512_shuffle_i32x4(x[8 + j], x[12 + j], 0xee);
  }
  WEFT_UNROLL
  for (int j = 0; j < 4; j++) {
    x[j] = _mm512_shuffle_i32x4(t[j], t[8 + j], 0x88);
    x[4 + j] = _mm512_shuffle_i32x4(t[j], t[8 + j], 0xdd);
    x[8 + j] = _mm512_shuffle_i32x4(t[4 + j], t[12 + j], 0x88);
    x[12 + j] = _mm512_shuffle_i32x4(t[4 + j], t[12 + j], 0xdd);
  }
}

// Word i < 12 of the state, the same in every lane.
WEFT_AVX512 __m512i key_word(const uint8_t* key, int i) {
  return _mm512_set1_epi32((int)(i < 4 ? kSigma[i] : load_le32(key + 4 * (i - 4))));
}

// All sixteen lanes, in columns.
__attribute__((noinline, WEFT_AVX512_TARGET)) inline void pass(const uint8_t* key, const Lanes<kLanes>& lanes) {
  __m512i x[16];
  WEFT_UNROLL
  for (int i = 0; i < 12; i++) x[i] = key_word(key, i);
  x[12] = _mm512_load_si512(lanes.block);
  x[13] = _mm512_setzero_si512();
  x[14] = _mm512_load_si512(lanes.counter_lo);
  x[15] = _mm512_load_si512(lanes.counter_hi);
  for (int i = 0; i < 10; i++) {
    quarter_rounds<0, 0, 0>(x);
    quarter_rounds<1, 2, 3>(x);
  }
  WEFT_UNROLL
  for (int i = 0; i < 12; i++) x[i] = _mm512_add_epi32(x[i], key_word(key, i));
  x[12] = _mm512_add_epi32(x[12], _mm512_load_si512(lanes.block));
  x[14] = _mm512_add_epi32(x[14], _mm512_load_si512(lanes.counter_lo));
  x[15] = _mm512_add_epi32(x[15], _mm512_load_si512(lanes.counter_hi));
  transpose(x);
  WEFT_UNROLL
  for (int l = 0; l < kLanes; l++) {
    _mm512_storeu_si512(lanes.to[l], _mm512_xor_si512(x[l], _mm512_loadu_si512(lanes.from[l])));
  }
}

// X += Y; Z = (Z ^ X) <<< kBits on the rows of all sets.
template <int kBits, int kSets>
WEFT_AVX512 void row_step(__m256i (&x)[kSets], const __m256i (&y)[kSets], __m256i (&z)[kSets]) {
  WEFT_UNROLL
  for (int s = 0; s < kSets; s++) {
    x[s] = _mm256_add_epi32(x[s], y[s]);
    z[s] = _mm256_rol_epi32(_mm256_xor_si256(z[s], x[s]), kBits);
  }
}

WEFT_AVX512 void store_half(const Lanes<kLanes>& lanes, int l, int offset, __m256i key_stream) {
  const __m256i text = _mm256_loadu_si256((const __m256i*)(lanes.from[l] + offset));
  _mm256_storeu_si256((__m256i*)(lanes.to[l] + offset), _mm256_xor_si256(key_stream, text));
}

// The first 2 kSets lanes, in rows.
template <int kSets>
__attribute__((noinline, WEFT_AVX512_TARGET)) void short_pass(const uint8_t* key, const Lanes<kLanes>& lanes) {
  const __m256i a0 = _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i*)kSigma));
  const __m256i b0 = _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i*)key));
  const __m256i c0 = _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i*)(key + 16)));
  __m256i a[kSets], b[kSets], c[kSets], d[kSets], d0[kSets];
  WEFT_UNROLL
  for (int s = 0; s < kSets; s++) {
    const uint32_t *n = lanes.block + 2 * s, *lo = lanes.counter_lo + 2 * s, *hi = lanes.counter_hi + 2 * s;
    d0[s] = _mm256_setr_epi32((int)n[0], 0, (int)lo[0], (int)hi[0], (int)n[1], 0, (int)lo[1], (int)hi[1]);
    a[s] = a0, b[s] = b0, c[s] = c0, d[s] = d0[s];
  }
  for (int i = 0; i < 10; i++) {
    row_step<16>(a, b, d);
    row_step<12>(c, d, b);
    row_step<8>(a, b, d);
    row_step<7>(c, d, b);
    WEFT_UNROLL
    for (int s = 0; s < kSets; s++) {  // diagonals become columns
      b[s] = _mm256_shuffle_epi32(b[s], _MM_SHUFFLE(0, 3, 2, 1));
      c[s] = _mm256_shuffle_epi32(c[s], _MM_SHUFFLE(1, 0, 3, 2));
      d[s] = _mm256_shuffle_epi32(d[s], _MM_SHUFFLE(2, 1, 0, 3));
    }
    row_step<16>(a, b, d);
    row_step<12>(c, d, b);
    row_step<8>(a, b, d);
    row_step<7>(c, d, b);
    WEFT_UNROLL
    for (int s = 0; s < kSets; s++) {  // and back
      b[s] = _mm256_shuffle_epi32(b[s], _MM_SHUFFLE(2, 1, 0, 3));
      c[s] = _mm256_shuffle_epi32(c[s], _MM_SHUFFLE(1, 0, 3, 2));
      d[s] = _mm256_shuffle_epi32(d[s], _MM_SHUFFLE(0, 3, 2, 1));
    }
  }
  WEFT_UNROLL
  for (int s = 0; s < kSets; s++) {
    a[s] = _mm256_add_epi32(a[s], a0);
    b[s] = _mm256_add_epi32(b[s], b0);
    c[s] = _mm256_add_epi32(c[s], c0);
    d[s] = _mm256_add_epi32(d[s], d0[s]);
    store_half(lanes, 2 * s, 0, _mm256_permute2x128_si256(a[s], b[s], 0x20));
    store_half(lanes, 2 * s, 32, _mm256_permute2x128_si256(c[s], d[s], 0x20));
    store_half(lanes, 2 * s + 1, 0, _mm256_permute2x128_si256(a[s], b[s], 0x31));
    store_half(lanes, 2 * s + 1, 32, _mm256_permute2x128_si256(c[s], d[s], 0x31));
  }
}

}  // namespace weft::crypto::avx512

#endif  // __x86_64__
