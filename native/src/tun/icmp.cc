#include "tun/icmp.h"

#include <algorithm>
#include <cstring>

#include "tun/checksum.h"
#include "tun/ip_header.h"
#include "util/bytes.h"

namespace weft::tun {

namespace {

constexpr uint32_t kIcmpHeader = 8;
constexpr uint32_t kMaxIpv4Reply = 576;   // RFC 1812 4.3.2.3
constexpr uint32_t kMaxIpv6Reply = 1280;  // RFC 4443 3.1: the minimum IPv6 MTU
static_assert(kMaxUnreachableLength >= std::max(kMaxIpv4Reply, kMaxIpv6Reply));
constexpr uint8_t kHopLimit = 64;
constexpr uint8_t kInternetworkControl = 0xc0;  // precedence of ICMP errors (RFC 1812 4.3.2.5)

constexpr uint8_t kProtocolIcmp = 1;
constexpr uint8_t kProtocolIcmpv6 = 58;

// Whether an address names one IPv4 host: not 0/8, 127/8, multicast, reserved or broadcast (RFC 1122 3.2.1.3).
bool is_host4(const uint8_t* address) { return address[0] != 0 && address[0] != 127 && address[0] < 224; }

bool is_host6(const uint8_t* address) {
  static constexpr uint8_t kZero[15] = {};
  const bool unspecified_or_loopback = std::memcmp(address, kZero, sizeof kZero) == 0 && address[15] <= 1;
  return address[0] != 0xff && !unspecified_or_loopback;
}

// Query messages may be answered, errors and redirects may not. Unknown types count as errors.
bool is_query4(uint8_t type) {
  return type == 0 || type == 8 || (type >= 9 && type <= 10) || (type >= 13 && type <= 18);
}
bool is_informational6(uint8_t type) { return type >= 128 && type != 137; }

bool may_answer4(const uint8_t* packet, uint32_t length) {
  const uint32_t header_length = (packet[0] & 15u) * 4;
  if (header_length < kIpv4Header || header_length > length) return false;
  if (load_be16(packet + 6) & 0x1fff) return false;
  if (!is_host4(packet + 12) || !is_host4(packet + 16)) return false;
  if (packet[9] != kProtocolIcmp) return true;
  return header_length < length && is_query4(packet[header_length]);
}

// Finds an ICMPv6 message behind extension headers (RFC 8200 4.1), so that errors are never answered.
bool may_answer6(const uint8_t* packet, uint32_t length) {
  if (!is_host6(packet + 8) || !is_host6(packet + 24)) return false;
  uint8_t next = packet[6];
  uint32_t offset = kIpv6Header;
  while (is_extension_header(next)) {
    const bool fragment = next == kFragmentHeader;
    const bool authentication = next == kAuthenticationHeader;
    if (offset + 8 > length) return false;
    if (fragment && load_be16(packet + offset + 2) & 0xfff8) return false;
    const uint32_t units = packet[offset + 1];
    next = packet[offset];
    offset += fragment ? 8 : authentication ? (units + 2) * 4 : (units + 1) * 8;
  }
  if (next != kProtocolIcmpv6) return true;
  return offset < length && is_informational6(packet[offset]);
}

uint32_t answer4(const uint8_t* packet, uint32_t length, uint8_t* out) {
  const uint32_t quoted = std::min(length, kMaxIpv4Reply - kIpv4Header - kIcmpHeader);
  const uint32_t total = kIpv4Header + kIcmpHeader + quoted;
  std::memset(out, 0, kIpv4Header + kIcmpHeader);
  out[0] = 0x45;
  out[1] = kInternetworkControl;
  store_be16(out + 2, static_cast<uint16_t>(total));
  out[8] = kHopLimit;
  out[9] = kProtocolIcmp;
  std::memcpy(out + 12, packet + 16, 4);
  std::memcpy(out + 16, packet + 12, 4);
  store(out + 10, static_cast<uint16_t>(~checksum_fold(checksum_add(out, kIpv4Header))));

  uint8_t* icmp = out + kIpv4Header;
  icmp[0] = 3;  // destination unreachable
  icmp[1] = 1;  // host
  std::memcpy(icmp + kIcmpHeader, packet, quoted);
  store(icmp + 2, static_cast<uint16_t>(~checksum_fold(checksum_add(icmp, kIcmpHeader + quoted))));
  return total;
}

uint32_t answer6(const uint8_t* packet, uint32_t length, uint8_t* out) {
  const uint32_t quoted = std::min(length, kMaxIpv6Reply - kIpv6Header - kIcmpHeader);
  std::memset(out, 0, kIpv6Header + kIcmpHeader);
  out[0] = 0x60;
  store_be16(out + 4, static_cast<uint16_t>(kIcmpHeader + quoted));
  out[6] = kProtocolIcmpv6;
  out[7] = kHopLimit;
  std::memcpy(out + 8, packet + 24, 16);
  std::memcpy(out + 24, packet + 8, 16);

  uint8_t* icmp = out + kIpv6Header;
  icmp[0] = 1;  // destination unreachable
  icmp[1] = 3;  // address
  std::memcpy(icmp + kIcmpHeader, packet, quoted);
  const uint64_t pseudo = pseudo_header_sum(out, kProtocolIcmpv6, kIcmpHeader + quoted);
  store(icmp + 2, static_cast<uint16_t>(~checksum_fold(checksum_add(icmp, kIcmpHeader + quoted, pseudo))));
  return kIpv6Header + kIcmpHeader + quoted;
}

}  // namespace

uint32_t make_unreachable(const uint8_t* packet, uint32_t length, uint8_t* out) {
  if (length >= kIpv4Header && packet[0] >> 4 == 4) {
    return may_answer4(packet, length) ? answer4(packet, length, out) : 0;
  }
  if (length >= kIpv6Header && packet[0] >> 4 == 6) {
    return may_answer6(packet, length) ? answer6(packet, length, out) : 0;
  }
  return 0;
}

}  // namespace weft::tun
