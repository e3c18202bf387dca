// ChaCha20 (RFC 8439, 2.3) on two to eight blocks at once with AVX2, with Poly1305 of other data issued in between.
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
// Up to six lanes may lie in rows instead, two to a set of four registers. That takes more cycles a block, but fewer
// where there are no eight, and no transpose:
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
#include "crypto/text_hash.h"

#define WEFT_AVX2_LAMBDA __attribute__((always_inline, target("avx2,bmi2")))
#define WEFT_AVX2 WEFT_AVX2_LAMBDA inline

// In chacha20_avx2.S: `hashed` + `plain` > 0 double rounds on eight lanes in columns or on one to three sets of rows,
// whose registers i are from[i] before and to[i] after them (32-byte aligned; the same array or two). Each of the
// hashed ones, which come first, also takes in the next 16-byte blocks of `text`: three, or four with the one in
// columns that is named so; without any neither `hash` nor `text` is touched.
using ChaCha20Rounds = void(const __m256i* from, __m256i* to, int hashed, int plain, weft::crypto::Poly1305* hash,
                            const uint8_t* text);
extern "C" ChaCha20Rounds weft_chacha20_avx2_columns_hash3, weft_chacha20_avx2_columns_hash4,
    weft_chacha20_avx2_rows1_hash3, weft_chacha20_avx2_rows2_hash3, weft_chacha20_avx2_rows3_hash3;

namespace weft::crypto::avx2 {

inline constexpr int kLanes = 8;
inline constexpr int kRowSets = 3;
inline constexpr int kRowLanes = 2 * kRowSets;

inline constexpr uint32_t kSigma[4] = {0x61707865, 0x3320646e, 0x79622d32, 0x6b206574};  // "expand 32-byte k"

// What lanes in columns start from, word i of each at initial()[i], and what becomes of it in a pass, at words()[i].
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

// Ten double rounds, and Poly1305 beside them, kBlocks blocks a double round as far as they are at hand. What is left
// then may wait, or else hash.detour() does it after a double round without.
template <int kBlocks, class Hash>
WEFT_AVX2 void double_rounds(ChaCha20Rounds* rounds, const __m256i* from, __m256i* to, Hash& hash) {
  for (int left = 10; left > 0; from = to) {
    const bool rest_may_wait = hash.rest_may_wait();
    const int hashed = hash.at_hand(left, kBlocks);
    const int plain = rest_may_wait ? left - hashed : std::min(left - hashed, 1);
    rounds(from, to, hashed, plain, &hash.state(), hash.text());
    left -= hashed + plain;
    hash.advance((uint32_t)hashed * kBlocks);
    if (plain > 0 && !rest_may_wait) hash.detour();
  }
}

// Eight lanes.
template <int kBlocks, class Hash>
__attribute__((noinline, target("avx2,bmi2"))) void pass(State& state, Hash& hash) {
  constexpr ChaCha20Rounds* rounds = kBlocks == 3 ? weft_chacha20_avx2_columns_hash3 : weft_chacha20_avx2_columns_hash4;
  double_rounds<kBlocks>(rounds, state.initial(), state.words(), hash);
  __m256i x[16];
  WEFT_UNROLL
  for (int i = 0; i < 16; i++) x[i] = _mm256_add_epi32(state.words()[i], state.initial()[i]);
  store_half(state.lanes, x, 0);
  store_half(state.lanes, x + 8, 32);
}

// What lanes in rows start from, and what becomes of it in a pass.
class Rows {
 public:
  WEFT_AVX2 Rows(const uint8_t* key, int sets) : sets_(sets) {
    for (int s = 0; s < sets; s++) {
      initial_[s][0] = _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i*)kSigma));
      initial_[s][1] = _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i*)key));
      initial_[s][2] = _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i*)(key + 16)));
    }
  }
  ~Rows() {
    wipe(initial_, sizeof initial_[0] * (size_t)sets_);
    wipe(words_, sizeof words_[0] * (size_t)sets_);
  }
  Rows(const Rows&) = delete;
  Rows& operator=(const Rows&) = delete;

  // Of lanes 2 s and 2 s + 1.
  WEFT_AVX2 void set_last_words(int s, __m256i d) { initial_[s][3] = d; }

  // The first 2 kSets lanes: store(lane, offset, key_stream) gets 32 bytes each.
  template <int kSets, class Hash, class Store>
  WEFT_AVX2 void pass(Hash& hash, Store store) {
    constexpr ChaCha20Rounds* rounds = kSets == 1   ? weft_chacha20_avx2_rows1_hash3
                                       : kSets == 2 ? weft_chacha20_avx2_rows2_hash3
                                                    : weft_chacha20_avx2_rows3_hash3;
    double_rounds<3>(rounds, initial_[0], words_[0], hash);
    WEFT_UNROLL
    for (int s = 0; s < kSets; s++) {
      __m256i x[4];
      WEFT_UNROLL
      for (int i = 0; i < 4; i++) x[i] = _mm256_add_epi32(words_[s][i], initial_[s][i]);
      store(2 * s, 0, _mm256_permute2x128_si256(x[0], x[1], 0x20));
      store(2 * s, 32, _mm256_permute2x128_si256(x[2], x[3], 0x20));
      store(2 * s + 1, 0, _mm256_permute2x128_si256(x[0], x[1], 0x31));
      store(2 * s + 1, 32, _mm256_permute2x128_si256(x[2], x[3], 0x31));
    }
  }

 private:
  const int sets_;
  __m256i initial_[kRowSets][4], words_[kRowSets][4];
};

// f<kSets>() with as many sets as `lanes` need, 1 to kRowLanes.
template <class F>
WEFT_AVX2 void for_sets(int lanes, F f) {
  if (lanes > 4) {
    f.template operator()<3>();
  } else if (lanes > 2) {
    f.template operator()<2>();
  } else {
    f.template operator()<1>();
  }
}

// The first 2 kSets lanes, in rows.
template <int kSets, class Hash>
__attribute__((noinline, target("avx2,bmi2"))) void pass_in_rows(Rows& rows, const Lanes<kLanes>& lanes, Hash& hash) {
  for (int s = 0; s < kSets; s++) {
    const uint32_t *n = lanes.block + 2 * s, *lo = lanes.counter_lo + 2 * s, *hi = lanes.counter_hi + 2 * s;
    rows.set_last_words(s,
                        _mm256_setr_epi32((int)n[0], 0, (int)lo[0], (int)hi[0], (int)n[1], 0, (int)lo[1], (int)hi[1]));
  }
  rows.pass<kSets>(
      hash, [&](int lane, int offset, __m256i key_stream) WEFT_AVX2_LAMBDA { store(lanes, lane, offset, key_stream); });
}

// text ^= key stream. Of the 16 bytes from its last partial chunk on, those behind the text are rewritten unchanged:
// the tag or its room.
WEFT_AVX2 void apply(const PendingText& p) {
  uint8_t* text = p.text;
  const uint8_t* stream = p.key_stream;
  if (p.length == kChaChaBlock) {
    for (int i = 0; i < 2; i++) {
      __m256i* to = (__m256i*)(text + 32 * i);
      _mm256_storeu_si256(to, _mm256_xor_si256(_mm256_loadu_si256(to), _mm256_load_si256((const __m256i*)stream + i)));
    }
    return;
  }
  static constexpr uint8_t kMask[32] = {255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255};
  for (uint32_t left = p.length; left > 0; text += kPolyBlock, stream += kPolyBlock) {
    const uint32_t n = std::min(left, kPolyBlock);
    const __m128i mask = _mm_loadu_si128((const __m128i*)(kMask + 16 - n));
    const __m128i key_stream = _mm_and_si128(_mm_load_si128((const __m128i*)stream), mask);
    _mm_storeu_si128((__m128i*)text, _mm_xor_si128(_mm_loadu_si128((const __m128i*)text), key_stream));
    left -= n;
  }
}

}  // namespace weft::crypto::avx2

#endif  // __x86_64__
