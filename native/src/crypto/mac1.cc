#include "crypto/mac1.h"

#include <cstring>
#include <string_view>

#include "crypto/blake2s.h"

namespace weft::crypto {

namespace {

constexpr std::string_view kLabel = "mac1----";

}  // namespace

Mac1Key::Mac1Key(const uint8_t public_key[32]) {
  std::array<uint8_t, kLabel.size() + 32> input;
  std::memcpy(input.data(), kLabel.data(), kLabel.size());
  std::memcpy(input.data() + kLabel.size(), public_key, 32);
  blake2s_256(key_.data(), input);
}

bool Mac1Key::verify(std::span<const uint8_t> handshake_message) const {
  if (handshake_message.size() < 2 * kBlake2sMacSize) return false;
  const auto covered = handshake_message.first(handshake_message.size() - 2 * kBlake2sMacSize);
  return mac_equals(key_, covered, covered.data() + covered.size());
}

}  // namespace weft::crypto
