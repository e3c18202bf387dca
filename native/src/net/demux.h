// What a datagram claims to be, by its first word and length (whitepaper 5.4). Nothing here is authenticated.
#pragma once

#include <algorithm>
#include <cstdint>

#include "util/bytes.h"

namespace weft::net {

inline constexpr uint32_t kInitiationSize = 148;
inline constexpr uint32_t kResponseSize = 92;
inline constexpr uint32_t kCookieReplySize = 64;
inline constexpr uint32_t kDataHeaderSize = 16;                  // type, receiver index, counter
inline constexpr uint32_t kDataOverhead = kDataHeaderSize + 16;  // and the tag
inline constexpr uint32_t kDataType = 4;

// What messages are padded to.
inline constexpr uint32_t kPadding = 16;

// To a multiple of it, but not past the MTU (whitepaper 5.4.6; the kernel module's calculate_skb_padding).
inline uint32_t padded_length(uint32_t length, uint32_t mtu) {
  const uint32_t rounded = (length + kPadding - 1) & ~(kPadding - 1);
  return std::max(length, std::min(rounded, mtu));
}

// First byte of the mesh's own messages is at least this: neither WireGuard (1-4) nor STUN (0-3) begins so.
inline constexpr uint8_t kMinGossipByte = 0x80;
// Cookie, accept and data name a token that their receiver drew (docs/protocol.md, "Gossip"). Anybody can send the
// others: hellos, which ask for a session, and "unknown".
inline constexpr uint8_t kFirstWithToken = 0x81;
inline constexpr uint8_t kLastWithToken = 0x83;
inline constexpr uint32_t kMaxGossipSize = 1400;

inline bool names_our_token(uint8_t gossip_type) {
  return gossip_type >= kFirstWithToken && gossip_type <= kLastWithToken;
}

enum class Kind : uint8_t { kData, kHandshake, kCookieReply, kGossip, kUnknown };

// The type is a little-endian u32: the three reserved bytes must be zero.
inline Kind classify(const uint8_t* bytes, uint32_t length) {
  if (length < 4) return Kind::kUnknown;
  switch (load_le32(bytes)) {
    case kDataType:
      return length >= kDataOverhead ? Kind::kData : Kind::kUnknown;
    case 1:
      return length == kInitiationSize ? Kind::kHandshake : Kind::kUnknown;
    case 2:
      return length == kResponseSize ? Kind::kHandshake : Kind::kUnknown;
    case 3:
      return length == kCookieReplySize ? Kind::kCookieReply : Kind::kUnknown;
    default:
      return bytes[0] >= kMinGossipByte && length <= kMaxGossipSize ? Kind::kGossip : Kind::kUnknown;
  }
}

}  // namespace weft::net
