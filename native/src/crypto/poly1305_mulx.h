// Poly1305 (RFC 8439, 2.5) in scalar 64-bit arithmetic with BMI2's MULX. One block is short enough to be issued between
// the vector instructions of a ChaCha20 double round, where it uses the integer ports that those leave idle.
//
// Constant time: straight-line code, no branch or address depends on the key or on the text.
#pragma once

#if defined(__x86_64__)

#include <cstring>

#include "util/bytes.h"

#define WEFT_BMI2 __attribute__((always_inline, target("bmi2"))) inline

namespace weft::crypto {

inline constexpr uint32_t kPolyBlock = 16;

__extension__ typedef unsigned __int128 uint128_t;

// The accumulator h < 2^130 + a little, and the clamped multiplier r = r1:r0. s1 = 5/4 r1 is exact because the clamp
// clears the two lowest bits of r1; it folds the product's part above 2^130 back, as 2^130 = 5 (mod 2^130 - 5).
struct Poly1305 {
  uint64_t h0, h1, h2;
  uint64_t r0, r1, s1;
};

// `key`: the 32-byte one-time key r | s; s is only needed at the end.
WEFT_BMI2 void poly1305_init(Poly1305& p, const uint8_t* key) {
  p.h0 = p.h1 = p.h2 = 0;
  p.r0 = load_le64(key) & 0x0ffffffc0fffffff;
  p.r1 = load_le64(key + 8) & 0x0ffffffc0ffffffc;
  p.s1 = p.r1 + (p.r1 >> 2);
}

// h = (h + block + 2^128) r mod 2^130 - 5, partially reduced. With limbs of 64 bits:
//   d0 = h0 r0 + h1 s1,   d1 = h0 r1 + h1 r0 + h2 s1,   d2 = h2 r0      (h2 is a few bits, so its products fit 64)
// then what lies above bit 130 comes back times 5. By hand because gcc 12 spills the carries of the same in C.
WEFT_BMI2 void poly1305_block(Poly1305& p, const uint8_t* block) {
  uint64_t lo, hi, d1, d1_hi, d2, t;
  asm("add 0(%[block]), %[h0]\n\t"  // h += block + 2^128
      "adc 8(%[block]), %[h1]\n\t"
      "adc $1, %[h2]\n\t"
      "mov %[r0], %%rdx\n\t"
      "mulx %[h0], %[lo], %[hi]\n\t"     // hi:lo  = h0 r0
      "mulx %[h1], %[d1], %[d1_hi]\n\t"  // d1     = h1 r0
      "mov %[h2], %[d2]\n\t"
      "imul %%rdx, %[d2]\n\t"  // d2     = h2 r0
      "mov %[r1], %%rdx\n\t"
      "mulx %[h0], %[h0], %[t]\n\t"  // d1    += h0 r1
      "add %[h0], %[d1]\n\t"
      "adc %[t], %[d1_hi]\n\t"
      "mov %[s1], %%rdx\n\t"
      "mulx %[h1], %[h0], %[t]\n\t"  // hi:lo += h1 s1
      "imul %%rdx, %[h2]\n\t"        // h2     = h2 s1
      "add %[h0], %[lo]\n\t"
      "adc %[t], %[hi]\n\t"
      "add %[h2], %[d1]\n\t"  // d1    += h2 s1
      "adc $0, %[d1_hi]\n\t"
      "add %[hi], %[d1]\n\t"  // carry d0 into d1, d1 into d2
      "adc %[d1_hi], %[d2]\n\t"
      "mov %[d2], %[t]\n\t"  // h = d mod 2^130 + 5 (d >> 130)
      "and $3, %[d2]\n\t"
      "shr $2, %[t]\n\t"
      "lea (%[t],%[t],4), %[t]\n\t"
      "add %[t], %[lo]\n\t"
      "adc $0, %[d1]\n\t"
      "adc $0, %[d2]\n\t"
      : [h0] "+&r"(p.h0), [h1] "+&r"(p.h1), [h2] "+&r"(p.h2), [lo] "=&r"(lo), [hi] "=&r"(hi), [d1] "=&r"(d1),
        [d1_hi] "=&r"(d1_hi), [d2] "=&r"(d2), [t] "=&r"(t)
      : [block] "r"(block), [r0] "rm"(p.r0), [r1] "rm"(p.r1), [s1] "rm"(p.s1), "m"(*(const uint8_t(*)[16])block)
      : "rdx", "cc");
  p.h0 = lo;
  p.h1 = d1;
  p.h2 = d2;
}

// What follows the whole 16-byte blocks of a packet's text: its last `length` % 16 bytes, zero-padded, and the lengths
// (RFC 8439, 2.8; no AAD). May read 16 bytes from `rest`: the room of the tag follows the text.
WEFT_BMI2 void poly1305_last_blocks(Poly1305& p, const uint8_t* rest, uint32_t length) {
  uint64_t block[2];
  if (const uint32_t n = length % 16; n != 0) {
    const uint128_t mask = ((uint128_t)1 << (8 * n)) - 1;
    block[0] = load_le64(rest) & (uint64_t)mask;
    block[1] = load_le64(rest + 8) & (uint64_t)(mask >> 64);
    poly1305_block(p, (const uint8_t*)block);
  }
  block[0] = 0;
  block[1] = length;
  poly1305_block(p, (const uint8_t*)block);
}

// tag = (h mod 2^130 - 5) + s mod 2^128. h < 2 (2^130 - 5) here, so one conditional subtraction, by mask, reduces it.
WEFT_BMI2 void poly1305_tag(const Poly1305& p, const uint8_t* key, uint64_t tag[2]) {
  uint128_t t = (uint128_t)p.h0 + 5;
  const uint64_t g0 = (uint64_t)t;
  t = (uint128_t)p.h1 + (uint64_t)(t >> 64);
  const uint64_t g1 = (uint64_t)t;
  const uint64_t g2 = p.h2 + (uint64_t)(t >> 64);
  const uint64_t reduced = 0 - (g2 >> 2);  // all ones if h + 5 >= 2^130
  t = (uint128_t)((p.h0 & ~reduced) | (g0 & reduced)) + load_le64(key + 16);
  tag[0] = (uint64_t)t;
  tag[1] = ((p.h1 & ~reduced) | (g1 & reduced)) + load_le64(key + 24) + (uint64_t)(t >> 64);
}

}  // namespace weft::crypto

#endif  // __x86_64__
