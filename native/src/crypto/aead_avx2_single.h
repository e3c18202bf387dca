// ChaCha20-Poly1305 of one packet by itself with AVX2: what a ping, a keepalive or a lone acknowledgement costs, where
// nothing fills the lanes of a pass but its own text. So its blocks go in rows, up to six at a time:
//
//      pass        0        1        2        3
//      blocks      K 1..5   6..11    12..17   18..23       K = the one-time key
//      sealing     -        1..5     6..11    12..17       hashed beside; the rest after the last pass
//      opening     -        from 1 on, 7.5 blocks a pass   hashed beside; decrypted a pass after its key stream is made
#pragma once

#if defined(__x86_64__)

#include "crypto/chacha20_avx2.h"

namespace weft::crypto::avx2 {

// Longer than that, the throughput of passes in columns is worth more.
inline constexpr uint32_t kMaxSingleBlocks = 4 * kRowLanes;
inline constexpr uint32_t kMaxSingleLength = (kMaxSingleBlocks - 1) * kChaChaBlock;

// Job done: its tag is `tag`.
template <bool kOpen>
WEFT_AVX2 void settle(AeadJob& job, const uint64_t tag[2]) {
  if constexpr (kOpen) {
    job.ok = tag_matches(tag, job.data + job.length);
  } else {
    std::memcpy(job.data + job.length, tag, kAeadTagSize);
  }
}

class SingleHash : public TextHash {
 public:
  WEFT_AVX2 void start(const uint8_t* key, const uint8_t* text) {
    poly1305_init(poly_, key);
    at_ = text;
  }
  WEFT_AVX2 void allow_until(const uint8_t* end) { blocks_ = (uint32_t)(end - at_) / kPolyBlock; }
  // What is left can wait.
  WEFT_AVX2 bool idle() const { return true; }
  WEFT_AVX2 void detour() {}
  WEFT_AVX2 void reach(const uint8_t* end) {
    while (blocks_ > 0 && at_ < end) next();
  }
};

// The key stream's blocks [block, block + 2 kSets).
template <int kSets>
WEFT_AVX2 void next_blocks(Rows& rows, uint64_t counter, uint32_t block, SingleHash& hash, Block* blocks) {
  for (int s = 0; s < kSets; s++) {
    const auto number = (long long)block + 2 * s, nonce = (long long)counter;
    rows.set_last_words(s, _mm256_setr_epi64x(number, nonce, number + 1, nonce));
  }
  rows.pass<kSets>(hash, [&](int lane, int offset, __m256i key_stream)
                             WEFT_AVX2_LAMBDA { _mm256_store_si256((__m256i*)(blocks[lane] + offset), key_stream); });
}

// `job`: of at most kMaxSingleLength.
template <bool kOpen>
__attribute__((noinline, target("avx2,bmi2"))) void single(AeadJob& job) {
  alignas(64) Block stream[kMaxSingleBlocks];
  const uint32_t blocks = 1 + (job.length + kChaChaBlock - 1) / kChaChaBlock;
  Rows rows(job.key, (int)std::min((blocks + 1) / 2, 3u));
  SingleHash hash;

  uint32_t applied = 1;  // of the blocks
  const auto apply_until = [&](uint32_t end) WEFT_AVX2_LAMBDA {
    for (; applied < end; applied++) {
      const uint32_t offset = (applied - 1) * kChaChaBlock;
      apply({job.data + offset, stream[applied], std::min(job.length - offset, kChaChaBlock)});
    }
  };
  for (uint32_t made = 0; made < blocks;) {
    const uint32_t left = blocks - made, before = made;
    Block* next = stream + made;
    if (left > 4) {
      next_blocks<3>(rows, job.counter, made, hash, next);
    } else if (left > 2) {
      next_blocks<2>(rows, job.counter, made, hash, next);
    } else {
      next_blocks<1>(rows, job.counter, made, hash, next);
    }
    made = std::min(made + kRowLanes, blocks);
    if (before == 0) {
      hash.start(stream[0], job.data);
      if constexpr (kOpen) hash.allow_until(job.data + job.length);
    }
    if constexpr (kOpen) {
      if (before != 0) hash.reach(job.data + (before - 1) * kChaChaBlock);  // some two blocks at most
      apply_until(before);
    } else {
      apply_until(made);
      hash.allow_until(job.data + std::min((made - 1) * kChaChaBlock, job.length));
    }
  }
  hash.reach(job.data + job.length);
  uint64_t tag[2];
  hash.finish(stream[0], job.length, tag);
  settle<kOpen>(job, tag);
  if constexpr (kOpen) apply_until(blocks);
  wipe(stream, sizeof(Block) * ((blocks + 1) & ~1u));
}

}  // namespace weft::crypto::avx2

#endif  // __x86_64__
