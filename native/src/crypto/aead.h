// ChaCha20-Poly1305 for batches of packets: the one leaf interface that the engine knows. A back end is a pair of
// functions without state or threads; a keypair holds the one its session uses.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace weft::crypto {

inline constexpr size_t kAeadKeySize = 32;
inline constexpr size_t kAeadTagSize = 16;

// One packet, sealed or opened in place. Nonce = 4 zero bytes | counter, little-endian (whitepaper 5.4.6); no AAD.
struct AeadJob {
  const uint8_t* key;  // kAeadKeySize bytes
  uint64_t counter;
  uint8_t* data;    // `length` bytes of text, then room for the tag (kAeadTagSize)
  uint32_t length;  // without the tag
  bool ok;          // open: set to whether the tag verified; if not, the text is unspecified
};

struct Aead {
  std::string_view name;
  void (*seal)(std::span<AeadJob> jobs);
  void (*open)(std::span<AeadJob> jobs);
};

// The fastest back end this CPU can run.
const Aead& default_aead();

// Every back end this CPU can run, fastest first.
std::span<const Aead* const> available_aeads();

}  // namespace weft::crypto
