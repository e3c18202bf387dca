// BLAKE2s (RFC 7693), for what the data plane itself must check: mac1 of handshake messages.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace weft::crypto {

inline constexpr size_t kBlake2sHashSize = 32;
inline constexpr size_t kBlake2sMacSize = 16;

// Unkeyed, 32 bytes.
void blake2s_256(uint8_t out[kBlake2sHashSize], std::span<const uint8_t> data);

// Keyed (at most 32 bytes of key), 16 bytes: MAC() of the WireGuard whitepaper 5.4.
void blake2s_mac(uint8_t out[kBlake2sMacSize], std::span<const uint8_t> key, std::span<const uint8_t> data);

// Whether `mac` (16 bytes) is blake2s_mac(key, data), in constant time.
bool mac_equals(std::span<const uint8_t> key, std::span<const uint8_t> data, const uint8_t* mac);

// Any key (0..32 bytes) and output length (1..32 bytes).
void blake2s(std::span<uint8_t> out, std::span<const uint8_t> key, std::span<const uint8_t> data);

}  // namespace weft::crypto
