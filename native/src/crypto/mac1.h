// The first gate for a handshake message: its mac1 shows that the sender knows our public key (whitepaper 5.4.4).
// Checked in the data plane, so that junk never costs more than one hash.
#pragma once

#include <array>
#include <cstdint>
#include <span>

namespace weft::crypto {

class Mac1Key {
 public:
  // `public_key`: the 32 bytes of the receiver's own key.
  explicit Mac1Key(const uint8_t public_key[32]);

  // Whether the message, which ends in mac1 | mac2 of 16 bytes each, carries the right mac1.
  bool verify(std::span<const uint8_t> handshake_message) const;

 private:
  std::array<uint8_t, 32> key_;  // HASH("mac1----" | public key)
};

}  // namespace weft::crypto
