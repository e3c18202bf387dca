// Explicit Congestion Notification through the tunnel (RFC 6040, normal mode). Outbound the outer header takes the
// inner ECN field; inbound the two are combined before the packet goes to the TUN device.
#pragma once

#include <cstdint>

namespace weft::net {

inline constexpr uint8_t kNotEct = 0;
inline constexpr uint8_t kEct1 = 1;
inline constexpr uint8_t kEct0 = 2;
inline constexpr uint8_t kCe = 3;

// The ECN field of a complete IPv4 or IPv6 header.
uint8_t inner_ecn(const uint8_t* ip);

// Combines the outer ECN field into a complete inner header, fixing the IPv4 checksum (RFC 6040 4.2). False: the packet
// must be dropped, as the path marked congestion and the inner transport would not understand it.
bool decapsulate_ecn(uint8_t* ip, uint8_t outer_ecn);

// Says congestion to the inner transport itself. False: it does not understand marks.
inline bool mark_congestion(uint8_t* ip) { return decapsulate_ecn(ip, kCe); }

}  // namespace weft::net
