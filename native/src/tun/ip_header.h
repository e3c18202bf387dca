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
inline constexpr uint8_t kFragmentHeader = 44;
inline constexpr uint8_t kAuthenticationHeader = 51;

// Next headers behind which a transport header or a fragment may stand (RFC 8200 4.1).
inline bool is_extension_header(uint8_t next) {
  return next == 0 || next == 43 || next == kFragmentHeader || next == kAuthenticationHeader || next == 60 ||
         next == 135 || next == 139 || next == 140;
}

}  // namespace weft::tun
