// Sizes and numbers of IP, TCP and UDP headers (RFC 791, 8200, 9293, 768).
#pragma once

#include <cstdint>

namespace weft::tun {

inline constexpr uint32_t kIpv4Header = 20;  // without options
inline constexpr uint32_t kIpv6Header = 40;
inline constexpr uint32_t kTcpHeader = 20;  // without options
inline constexpr uint32_t kUdpHeader = 8;
inline constexpr uint8_t kProtocolTcp = 6;
inline constexpr uint8_t kProtocolUdp = 17;

}  // namespace weft::tun
