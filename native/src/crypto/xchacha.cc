#include "crypto/xchacha.h"

#include <sodium.h>

namespace weft::crypto {

void xchacha20poly1305_seal(std::span<uint8_t> sealed, std::span<const uint8_t> plaintext, std::span<const uint8_t> aad,
                            const uint8_t nonce[kXNonceSize], const uint8_t key[kAeadKeySize]) {
  crypto_aead_xchacha20poly1305_ietf_encrypt(sealed.data(), nullptr, plaintext.data(), plaintext.size(), aad.data(),
                                             aad.size(), nullptr, nonce, key);
}

void random_bytes(std::span<uint8_t> out) { randombytes_buf(out.data(), out.size()); }

}  // namespace weft::crypto
