// XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha-03) and randomness, by libsodium: for cookie replies.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "crypto/aead.h"

namespace weft::crypto {

inline constexpr size_t kXNonceSize = 24;

// `sealed` has room for the plaintext and the tag.
void xchacha20poly1305_seal(std::span<uint8_t> sealed, std::span<const uint8_t> plaintext, std::span<const uint8_t> aad,
                            const uint8_t nonce[kXNonceSize], const uint8_t key[kAeadKeySize]);

void random_bytes(std::span<uint8_t> out);

}  // namespace weft::crypto
