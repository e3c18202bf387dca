#include "crypto/aead_sodium.h"

#include <sodium.h>

#include "util/bytes.h"

namespace weft::crypto {

namespace {

struct Nonce {
  explicit Nonce(uint64_t counter) { store_le64(bytes + 4, counter); }
  uint8_t bytes[crypto_aead_chacha20poly1305_ietf_NPUBBYTES] = {};
};

void seal(std::span<AeadJob> jobs) {
  for (AeadJob& job : jobs) {
    const Nonce nonce(job.counter);
    crypto_aead_chacha20poly1305_ietf_encrypt_detached(job.data, job.data + job.length, nullptr, job.data, job.length,
                                                       nullptr, 0, nullptr, nonce.bytes, job.key);
  }
}

void open(std::span<AeadJob> jobs) {
  for (AeadJob& job : jobs) {
    const Nonce nonce(job.counter);
    job.ok = crypto_aead_chacha20poly1305_ietf_decrypt_detached(
                 job.data, nullptr, job.data, job.length, job.data + job.length, nullptr, 0, nonce.bytes, job.key) == 0;
  }
}

}  // namespace

const Aead& sodium_aead() {
  // Chooses libsodium's implementations for this CPU; if that fails its portable ones run, which are right as well.
  [[maybe_unused]] static const int initialised = sodium_init();
  static constexpr Aead aead{"libsodium", seal, open};
  return aead;
}

}  // namespace weft::crypto
