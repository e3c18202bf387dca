// ChaCha20 (RFC 8439, 2.3) on up to sixteen blocks at once with AVX-512.
//
// Two layouts of the lanes (blocks, see chacha20_lanes.h). Sixteen lanes stand in columns: register i holds word i of all
// lanes, a quarter round is the same for all, and a 16x16 transpose at the end makes the lanes' 64 bytes contiguous.
// Up to eight lanes lie in rows, four to a set of four registers: less throughput, but half the latency, which is what
// counts for the only pass of a small packet and for the last one of a batch:
//
//      a   sigma  0-3 of lane 0 | of lane 1 | of lane 2 | of lane 3
//      b   key    0-3           | ...
//      c   key    4-7           | ...
//      d   block, 0, counter    | ...
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

// Sixteen lanes: row[i] is state word i < 12, the same in every lane.
struct alignas(64) KeyColumns {
  __m512i row[12];
};

WEFT_AVX512 void load_key(KeyColumns& columns, const uint8_t* key) {
WEFT_UNROLL
  for (int i = 0; i < 4; i++) columns.row[i] = _mm512_set1_epi32((int)kSigma[i]);
WEFT_UNROLL
  for (int i = 0; i < 8; i++) columns.row[4 + i] = _mm512_set1_epi32((int)load_le32(key + 4 * i));
}

// The same step of four quarter rounds: X[i] += Y[i]; Z[i] = (Z[i] ^ X[i]) <<< kBits.
template <int kBits>
WEFT_AVX512 void step(__m512i* x, const __m512i* y, __m512i* z, int n) {
WEFT_UNROLL
  for (int i = 0; i < n; i++) x[i] = _mm512_add_epi32(x[i], y[i]);
WEFT_UNROLL
  for (int i = 0; i < n; i++) z[i] = _mm512_rol_epi32(_mm512_xor_si512(z[i], x[i]), kBits);
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
  step<16>(a, b, d, 4);
  step<12>(c, d, b, 4);
  step<8>(a, b, d, 4);
  step<7>(c, d, b, 4);
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

WEFT_AVX512 void store_lane(const Lanes<kLanes>& lanes, int l, __m512i key_stream) {
  _mm512_storeu_si512(lanes.to[l], _mm512_xor_si512(key_stream, _mm512_loadu_si512(lanes.from[l])));
}

// All sixteen lanes, in columns.
__attribute__((noinline, WEFT_AVX512_TARGET)) inline void pass(const KeyColumns& key, const Lanes<kLanes>& lanes) {
  __m512i x[16];
WEFT_UNROLL
  for (int i = 0; i < 12; i++) x[i] = key.row[i];
  x[12] = _mm512_load_si512(lanes.block);
  x[13] = _mm512_setzero_si512();
  x[14] = _mm512_load_si512(lanes.counter_lo);
  x[15] = _mm512_load_si512(lanes.counter_hi);
  for (int i = 0; i < 10; i++) {
    quarter_rounds<0, 0, 0>(x);
    quarter_rounds<1, 2, 3>(x);
  }
WEFT_UNROLL
  for (int i = 0; i < 12; i++) x[i] = _mm512_add_epi32(x[i], key.row[i]);
  x[12] = _mm512_add_epi32(x[12], _mm512_load_si512(lanes.block));
  x[14] = _mm512_add_epi32(x[14], _mm512_load_si512(lanes.counter_lo));
  x[15] = _mm512_add_epi32(x[15], _mm512_load_si512(lanes.counter_hi));
  transpose(x);
WEFT_UNROLL
  for (int l = 0; l < kLanes; l++) store_lane(lanes, l, x[l]);
}

// The first 4 kSets lanes, in rows.
template <int kSets>
__attribute__((noinline, WEFT_AVX512_TARGET)) void short_pass(const uint8_t* key, const Lanes<kLanes>& lanes) {
  const __m512i a0 = _mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i*)kSigma));
  const __m512i b0 = _mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i*)key));
  const __m512i c0 = _mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i*)(key + 16)));
  __m512i a[kSets], b[kSets], c[kSets], d[kSets], d0[kSets];
WEFT_UNROLL
  for (int s = 0; s < kSets; s++) {
    // Row d of lane l is the 128 bits block, 0, counter.
    const uint32_t *n = lanes.block + 4 * s, *lo = lanes.counter_lo + 4 * s, *hi = lanes.counter_hi + 4 * s;
    d0[s] = _mm512_setr_epi32((int)n[0], 0, (int)lo[0], (int)hi[0], (int)n[1], 0, (int)lo[1], (int)hi[1], (int)n[2], 0,
                              (int)lo[2], (int)hi[2], (int)n[3], 0, (int)lo[3], (int)hi[3]);
    a[s] = a0, b[s] = b0, c[s] = c0, d[s] = d0[s];
  }
  for (int round = 0; round < 20; round++) {
    step<16>(a, b, d, kSets);
    step<12>(c, d, b, kSets);
    step<8>(a, b, d, kSets);
    step<7>(c, d, b, kSets);
WEFT_UNROLL
    for (int s = 0; s < kSets; s++) {  // columns become diagonals and the other way round
      b[s] = round % 2 == 0 ? _mm512_shuffle_epi32(b[s], _MM_PERM_ADCB) : _mm512_shuffle_epi32(b[s], _MM_PERM_CBAD);
      c[s] = _mm512_shuffle_epi32(c[s], _MM_PERM_BADC);
      d[s] = round % 2 == 0 ? _mm512_shuffle_epi32(d[s], _MM_PERM_CBAD) : _mm512_shuffle_epi32(d[s], _MM_PERM_ADCB);
    }
  }
WEFT_UNROLL
  for (int s = 0; s < kSets; s++) {
    a[s] = _mm512_add_epi32(a[s], a0);
    b[s] = _mm512_add_epi32(b[s], b0);
    c[s] = _mm512_add_epi32(c[s], c0);
    d[s] = _mm512_add_epi32(d[s], d0[s]);
    const __m512i ab02 = _mm512_shuffle_i32x4(a[s], b[s], 0x88), ab13 = _mm512_shuffle_i32x4(a[s], b[s], 0xdd);
    const __m512i cd02 = _mm512_shuffle_i32x4(c[s], d[s], 0x88), cd13 = _mm512_shuffle_i32x4(c[s], d[s], 0xdd);
    store_lane(lanes, 4 * s, _mm512_shuffle_i32x4(ab02, cd02, 0x88));
    store_lane(lanes, 4 * s + 1, _mm512_shuffle_i32x4(ab13, cd13, 0x88));
    store_lane(lanes, 4 * s + 2, _mm512_shuffle_i32x4(ab02, cd02, 0xdd));
    store_lane(lanes, 4 * s + 3, _mm512_shuffle_i32x4(ab13, cd13, 0xdd));
  }
}

}  // namespace weft::crypto::avx512

#endif  // __x86_64__
