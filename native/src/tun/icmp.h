// Outbound, the refusal: the ICMP message that tells a local sender that no peer, or no endpoint, takes its packet.
#pragma once

#include <cstdint>

namespace weft::tun {

inline constexpr uint32_t kMaxUnreachableLength = 1280;

// Writes to `out` (kMaxUnreachableLength bytes) the complete IP packet that answers `packet`: ICMP host unreachable
// (type 3 code 1, RFC 792) or ICMPv6 address unreachable (type 1 code 3, RFC 4443 3.1), from the packet's destination
// to its source. Returns its length; 0 if the packet is malformed or must not be answered (RFC 1122 3.2.2, RFC 4443
// 2.4 (e)): ICMP errors, fragments other than the first, senders or destinations that are not one host.
uint32_t make_unreachable(const uint8_t* packet, uint32_t length, uint8_t* out);

}  // namespace weft::tun
