// ChaCha20 (RFC 8439, 2.3) on eight blocks at once with AVX2, with Poly1305 of other data issued in between.
//
// A lane is one 64-byte block. Register i holds word i of all eight lanes, one lane a 32-bit column, so a quarter round
// is the same for all and needs no diagonal shuffles:
//
//              lane 0     lane 1     ...   lane 7
//      x0     "expa"     "expa"            "expa"
//      ...
//      x4..x11  key        key               key
//      x12    block no.  block no.         block no.     (64 bytes of one packet, or of eight different ones)
//      x13       0          0                 0
//      x14,15 counter    counter           counter       (the packet's)
//
// At the end two 8x8 transposes turn columns into the lanes' 64 contiguous bytes.
//
// Up to six lanes may lie in rows instead, two to a set of four registers: less throughput, but half the latency, which
// is what counts for the only pass of a small packet:
//
//      a   sigma 0..3 of lane 0     | sigma 0..3 of lane 1
//      b   key   0..3               | key   0..3
//      c   key   4..7               | key   4..7
//      d   block no., 0, counter    | block no., 0, counter
#pragma once

#if defined(__x86_64__)

#include <immintrin.h>

#include <cstddef>

#include "crypto/chacha20_lanes.h"
#include "crypto/poly1305_mulx.h"

#define WEFT_AVX2 __attribute__((always_inline, target("avx2,bmi2"))) inline

// In chacha20_avx2.S: `hashed` + `plain` > 0 double rounds on eight lanes, whose words i are from[i] before and to[i]
// after them (32-byte aligned; the same array or two). Each of the hashed ones, which come first, also takes in the
// next three or four 16-byte blocks of `text`; without any neither `hash` nor `text` is touched.
using ChaCha20Rounds = void(const __m256i* from, __m256i* to, int hashed, int plain, weft::crypto::Poly1305* hash,
                            const uint8_t* text);
extern "C" ChaCha20Rounds weft_chacha20_avx2_hash3, weft_chacha20_avx2_hash4;

namespace weft::crypto::avx2 {

inline constexpr int kLanes = 8;

inline constexpr uint32_t kSigma[4] = {0x61707865, 0x3320646e, 0x79622d32, 0x6b206574};  // "expand 32-byte k"

// What all lanes start from, word i of each at initial()[i], and what becomes of it in a pass, at words()[i].
struct alignas(64) State {
  uint32_t constant[4][kLanes], key[8][kLanes];
  Lanes<kLanes> lanes;  // differs from pass to pass
  alignas(64) uint32_t work[16][kLanes];
  bool keyed = false;  // passes in rows need only the lanes

  void set_key(const uint8_t* k) {
    for (int i = 0; i < 4; i++) std::fill_n(constant[i], kLanes, kSigma[i]);
    for (int i = 0; i < 8; i++) std::fill_n(key[i], kLanes, load_le32(k + 4 * i));
    keyed = true;
  }
  ~State() {
    if (!keyed) return;
    wipe(key, sizeof key);
    wipe(work, sizeof work);
  }
  const __m256i* initial() const { return (const __m256i*)this; }
  __m256i* words() { return (__m256i*)work; }
};
static_assert(offsetof(State, lanes.block) == 12 * 32 && offsetof(State, lanes.counter_hi) == 15 * 32);
static_assert(offsetof(Poly1305, h0) == 0 && offsetof(Poly1305, r0) == 24 && offsetof(Poly1305, s1) == 40);

// The byte shuffles that rotate 32-bit words left by 16 and by 8.
struct Rotations {
  __m256i by16, by8;
};

WEFT_AVX2 Rotations rotations() {
  Rotations r = {
      _mm256_broadcastsi128_si256(_mm_setr_epi8(2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13)),
      _mm256_broadcastsi128_si256(_mm_setr_epi8(3, 0, 1, 2, 7, 4, 5, 6, 11, 8, 9, 10, 15, 12, 13, 14)),
  };
  // Opaque to the compiler: clang, knowing the masks, trades cheap xors for more shuffles.
  asm("" : "+x"(r.by16), "+x"(r.by8));
  return r;
}

template <int kBits>
WEFT_AVX2 __m256i rotate(__m256i x) {
  return _mm256_or_si256(_mm256_slli_epi32(x, kBits), _mm256_srli_epi32(x, 32 - kBits));
}

// 8x8 transpose of 32-bit words; `a` is the first of eight registers, out[l] becomes lane l's 32 bytes.
WEFT_AVX2 void transpose(const __m256i* a, __m256i (&out)[8]) {
  __m256i t[8], u[8];
  WEFT_UNROLL
  for (int i = 0; i < 8; i += 2) {
    t[i] = _mm256_unpacklo_epi32(a[i], a[i + 1]);
    t[i + 1] = _mm256_unpackhi_epi32(a[i], a[i + 1]);
  }
  WEFT_UNROLL
  for (int i = 0; i < 8; i += 4) {
    u[i] = _mm256_unpacklo_epi64(t[i], t[i + 2]);
    u[i + 1] = _mm256_unpackhi_epi64(t[i], t[i + 2]);
    u[i + 2] = _mm256_unpacklo_epi64(t[i + 1], t[i + 3]);
    u[i + 3] = _mm256_unpackhi_epi64(t[i + 1], t[i + 3]);
  }
  WEFT_UNROLL
  for (int i = 0; i < 4; i++) {
    out[i] = _mm256_permute2x128_si256(u[i], u[i + 4], 0x20);
    out[i + 4] = _mm256_permute2x128_si256(u[i], u[i + 4], 0x31);
  }
}

WEFT_AVX2 void store(const Lanes<kLanes>& lanes, int l, int offset, __m256i key_stream) {
  const __m256i text = _mm256_loadu_si256((const __m256i*)(lanes.from[l] + offset));
  _mm256_storeu_si256((__m256i*)(lanes.to[l] + offset), _mm256_xor_si256(text, key_stream));
}

WEFT_AVX2 void store_half(const Lanes<kLanes>& lanes, const __m256i* half, int offset) {
  __m256i out[8];
  transpose(half, out);
  WEFT_UNROLL
  for (int l = 0; l < kLanes; l++) store(lanes, l, offset, out[l]);
}

// The ten double rounds of eight lanes, and Poly1305 beside them, kBlocks blocks a double round: hash.rounds(n,
// kBlocks) says for how many of n so many blocks are at hand, advance() that they were hashed, detour() does what else
// has to be done.
template <int kBlocks, class Hash>
__attribute__((noinline, target("avx2,bmi2"))) void pass(State& state, Hash& hash) {
  constexpr ChaCha20Rounds* rounds = kBlocks == 3 ? weft_chacha20_avx2_hash3 : weft_chacha20_avx2_hash4;
  const __m256i* from = state.initial();
  for (int left = 10; left > 0; from = state.words()) {
    const int hashed = hash.rounds(left, kBlocks), plain = hash.idle() ? left : std::min(left - hashed, 1);
    rounds(from, state.words(), hashed, plain, &hash.state(), hash.text());
    left -= hashed + plain;
    hash.advance((uint32_t)hashed * kBlocks);
    if (plain > 0) hash.detour();
  }

  __m256i x[16];
  WEFT_UNROLL
  for (int i = 0; i < 16; i++) x[i] = _mm256_add_epi32(state.words()[i], state.initial()[i]);
  store_half(state.lanes, x, 0);
  store_half(state.lanes, x + 8, 32);
}

// X += Y; Z = (Z ^ X) <<< n on the rows of all sets: n by a byte shuffle (16, 8), or kBits.
template <int kSets>
WEFT_AVX2 void row_step(__m256i (&x)[kSets], const __m256i (&y)[kSets], __m256i (&z)[kSets], __m256i byte_rotation) {
  WEFT_UNROLL
  for (int s = 0; s < kSets; s++) {
    x[s] = _mm256_add_epi32(x[s], y[s]);
    z[s] = _mm256_shuffle_epi8(_mm256_xor_si256(z[s], x[s]), byte_rotation);
  }
}

template <int kBits, int kSets>
WEFT_AVX2 void row_step(__m256i (&x)[kSets], const __m256i (&y)[kSets], __m256i (&z)[kSets]) {
  WEFT_UNROLL
  for (int s = 0; s < kSets; s++) {
    x[s] = _mm256_add_epi32(x[s], y[s]);
    z[s] = rotate<kBits>(_mm256_xor_si256(z[s], x[s]));
  }
}

// The first 2 kSets lanes, in rows, with nothing beside.
template <int kSets>
__attribute__((noinline, target("avx2,bmi2"))) void short_pass(const uint8_t* key, const Lanes<kLanes>& lanes) {
  const Rotations r = rotations();
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
    row_step(a, b, d, r.by16);
    row_step<12>(c, d, b);
    row_step(a, b, d, r.by8);
    row_step<7>(c, d, b);
    WEFT_UNROLL
    for (int s = 0; s < kSets; s++) {  // diagonals become columns
      b[s] = _mm256_shuffle_epi32(b[s], _MM_SHUFFLE(0, 3, 2, 1));
      c[s] = _mm256_shuffle_epi32(c[s], _MM_SHUFFLE(1, 0, 3, 2));
      d[s] = _mm256_shuffle_epi32(d[s], _MM_SHUFFLE(2, 1, 0, 3));
    }
    row_step(a, b, d, r.by16);
    row_step<12>(c, d, b);
    row_step(a, b, d, r.by8);
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
    store(lanes, 2 * s, 0, _mm256_permute2x128_si256(a[s], b[s], 0x20));
    store(lanes, 2 * s, 32, _mm256_permute2x128_si256(c[s], d[s], 0x20));
    store(lanes, 2 * s + 1, 0, _mm256_permute2x128_si256(a[s], b[s], 0x31));
    store(lanes, 2 * s + 1, 32, _mm256_permute2x128_si256(c[s], d[s], 0x31));
  }
}

}  // namespace weft::crypto::avx2

#endif  // __x86_64__
