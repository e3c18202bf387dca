// ChaCha20-Poly1305 of one packet by itself with AVX2: what a ping, a keepalive or a lone acknowledgement costs, where
// nothing fills the lanes of a pass but its own text. So its blocks go in rows, up to six at a time:
//
//      pass        0        1        2        3
//      blocks      K 1..5   6..11    12..17   18..23       K = the one-time key
//      sealing     -        1..5     6..11    12..17       hashed beside; the rest after the last pass
//      opening     -        from 1 on, 7.5 blocks a pass   hashed beside; decrypted a pass after its key stream is made
#pragma once

#if defined(__x86_64__)

#include <algorithm>

#include "crypto/chacha20_avx2.h"

namespace weft::crypto::avx2 {

// Of so many the key stream has room on the stack.
inline constexpr uint32_t kMaxSingleBlocks = 4 * kRowLanes;
inline constexpr uint32_t kMaxSingleLength = (kMaxSingleBlocks - 1) * kChaChaBlock;

template <bool kOpen>
class Single {
 public:
  WEFT_AVX2 explicit Single(AeadJob& job)
      : job_(job),
        blocks_(1 + (job.length + kChaChaBlock - 1) / kChaChaBlock),
        rows_(job.key, (int)std::min((blocks_ + 1) / 2, (uint32_t)kRowSets)) {}
  ~Single() { wipe(stream_, sizeof(Block) * ((blocks_ + 1) & ~1u)); }
  Single(const Single&) = delete;
  Single& operator=(const Single&) = delete;

  WEFT_AVX2 void run() {
    make(0);
    hash_.start(stream_[0], job_.data);
    if constexpr (kOpen) {
      hash_.allow_until(text(blocks_));
      for (uint32_t made = kRowLanes; made < blocks_; made += kRowLanes) {
        make(made);
        hash_.reach(text(made));  // two 16-byte blocks at most
        apply_until(made);
      }
    } else {
      encrypt_until(kRowLanes);
      for (uint32_t made = kRowLanes; made < blocks_; made += kRowLanes) {
        make(made);
        encrypt_until(made + kRowLanes);
      }
    }
    uint64_t tag[2];
    hash_.finish(stream_[0], job_, tag);
    settle<kOpen>(job_, tag);
    if constexpr (kOpen) apply_until(blocks_);
  }

 private:
  class Hash : public TextHash {
   public:
    WEFT_AVX2 void start(const uint8_t* key, const uint8_t* text) {
      poly1305_init(poly_, key);
      at_ = text;
    }
    WEFT_AVX2 void allow_until(const uint8_t* end) { blocks_ = (uint32_t)(end - at_) / kPolyBlock; }
    WEFT_AVX2 bool rest_may_wait() const { return true; }
    WEFT_AVX2 void detour() {}
    WEFT_AVX2 void reach(const uint8_t* end) {
      while (blocks_ > 0 && at_ < end) next();
    }
    WEFT_AVX2 void finish(const uint8_t* key, const AeadJob& job, uint64_t (&tag)[2]) {
      reach(job.data + job.length);
      TextHash::finish(key, job.length, tag);
    }
  };

  // The text of the key stream's block `block`, or the text's end.
  WEFT_AVX2 uint8_t* text(uint32_t block) const {
    return job_.data + std::min((block - 1) * kChaChaBlock, job_.length);
  }

  // The key stream's blocks from `from` on, as many as are wanted and fit.
  WEFT_AVX2 void make(uint32_t from) {
    for_sets((int)(blocks_ - from), [&]<int kSets>() WEFT_AVX2_LAMBDA { make_sets<kSets>(from); });
  }
  template <int kSets>
  __attribute__((noinline, target("avx2,bmi2"))) void make_sets(uint32_t from) {
    for (int s = 0; s < kSets; s++) {
      const auto number = (long long)from + 2 * s, nonce = (long long)job_.counter;
      rows_.set_last_words(s, _mm256_setr_epi64x(number, nonce, number + 1, nonce));
    }
    rows_.pass<kSets>(hash_, [&](int lane, int offset, __m256i key_stream) WEFT_AVX2_LAMBDA {
      _mm256_store_si256((__m256i*)(stream_[from + (uint32_t)lane] + offset), key_stream);
    });
  }

  // text ^= key stream, up to the block `end`.
  WEFT_AVX2 void apply_until(uint32_t end) {
    for (; applied_ < end; applied_++) {
      uint8_t* at = text(applied_);
      apply({at, stream_[applied_], std::min((uint32_t)(job_.data + job_.length - at), kChaChaBlock)});
    }
  }
  WEFT_AVX2 void encrypt_until(uint32_t end) {
    apply_until(std::min(end, blocks_));
    hash_.allow_until(text(end));
  }

  alignas(64) Block stream_[kMaxSingleBlocks];
  AeadJob& job_;
  const uint32_t blocks_;  // of the key stream, the first of which is the one-time key
  uint32_t applied_ = 1;   // of these
  Rows rows_;
  Hash hash_;
};

// `job`: of at most kMaxSingleLength.
template <bool kOpen>
__attribute__((noinline, target("avx2,bmi2"))) void single(AeadJob& job) {
  Single<kOpen>(job).run();
}

}  // namespace weft::crypto::avx2

#endif  // __x86_64__
