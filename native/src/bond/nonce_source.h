// Numbers that the peer cannot foresee, though it sees all the earlier ones: SipHash-2-4 (Aumasson, Bernstein 2012) of
// a counter, under a key made from the seed.
#pragma once

#include <bit>
#include <cstdint>

namespace weft::bond {

class NonceSource {
 public:
  // The seed is secret and random.
  explicit NonceSource(uint64_t seed) : key_{seed, seed ^ 0x9E3779B97F4A7C15} {}

  uint64_t next() {
    State v{key_[0] ^ 0x736F6D6570736575, key_[1] ^ 0x646F72616E646F6D, key_[0] ^ 0x6C7967656E657261,
            key_[1] ^ 0x7465646279746573};
    v.absorb(count_++);
    v.absorb(uint64_t{sizeof count_} << 56);
    v.c ^= 0xFF;
    for (int i = 0; i < 4; ++i) v.round();
    return v.a ^ v.b ^ v.c ^ v.d;
  }

 private:
  struct State {
    uint64_t a, b, c, d;

    void absorb(uint64_t word) {
      d ^= word;
      round();
      round();
      a ^= word;
    }
    void round() {
      a += b;
      b = std::rotl(b, 13) ^ a;
      a = std::rotl(a, 32);
      c += d;
      d = std::rotl(d, 16) ^ c;
      a += d;
      d = std::rotl(d, 21) ^ a;
      c += b;
      b = std::rotl(b, 17) ^ c;
      c = std::rotl(c, 32);
    }
  };

  uint64_t key_[2];
  uint64_t count_ = 0;
};

}  // namespace weft::bond
