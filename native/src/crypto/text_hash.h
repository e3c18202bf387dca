// Poly1305 on its way through a packet's text, of whose next bytes some may be hashed already: here, or beside other
// work by someone who then calls advance().
#pragma once

#if defined(__x86_64__)

#include <algorithm>

#include "crypto/chacha20_lanes.h"
#include "crypto/poly1305_mulx.h"

namespace weft::crypto {

class TextHash {
 public:
  TextHash() = default;
  TextHash(const TextHash&) = delete;
  TextHash& operator=(const TextHash&) = delete;
  ~TextHash() { wipe(&poly_, sizeof poly_); }

  // For how many times, `most` at most, `blocks` blocks are at hand.
  WEFT_BMI2 int at_hand(int most, uint32_t blocks) const { return (int)std::min((uint32_t)most, blocks_ / blocks); }
  WEFT_BMI2 Poly1305& state() { return poly_; }
  WEFT_BMI2 const uint8_t* text() const { return at_; }
  WEFT_BMI2 void advance(uint32_t blocks) {
    blocks_ -= blocks;
    at_ += blocks * kPolyBlock;
  }

 protected:
  WEFT_BMI2 void next() {
    poly1305_block(poly_, at_);
    advance(1);
  }
  // Once all whole blocks of a text of `length` bytes are hashed: its tag.
  WEFT_BMI2 void finish(const uint8_t* key, uint32_t length, uint64_t tag[2]) {
    poly1305_last_blocks(poly_, at_, length);
    poly1305_tag(poly_, key, tag);
  }

  Poly1305 poly_{};
  const uint8_t* at_ = nullptr;  // the next block
  uint32_t blocks_ = 0;          // how many may be hashed now
};

}  // namespace weft::crypto

#endif  // __x86_64__
