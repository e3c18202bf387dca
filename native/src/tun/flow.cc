#include "tun/flow.h"

#include <bit>

#include "tun/ip_header.h"
#include "util/bytes.h"

namespace weft::tun {
namespace {

uint32_t spread(uint64_t addresses, uint32_t ports, uint8_t protocol) {
  const uint64_t h = (addresses ^ (uint64_t{ports} << 8) ^ protocol) * 0x9e3779b97f4a7c15;
  return static_cast<uint32_t>(h >> 32);
}

}  // namespace

FlowKey flow_key(const uint8_t* packet, uint32_t length) {
  constexpr FlowKey kUnknown{FlowKey::Kind::kUnknown, 0, 0, 0};
  FlowKey key;
  uint64_t addresses;
  if (length >= kIpv4Header && packet[0] >> 4 == 4) {
    if ((packet[0] & 15) != kIpv4Header / 4 || load_be16(packet + 2) != length) return kUnknown;
    if (load_be16(packet + 6) & 0x3fff) return kUnknown;
    key.protocol = packet[9];
    key.transport = kIpv4Header;
    addresses = load<uint64_t>(packet + 12);
  } else if (length >= kIpv6Header && packet[0] >> 4 == 6) {
    if (load_be16(packet + 4) + kIpv6Header != length || is_extension_header(packet[6])) return kUnknown;
    key.protocol = packet[6];
    key.transport = kIpv6Header;
    addresses = load<uint64_t>(packet + 8) ^ std::rotl(load<uint64_t>(packet + 16), 1) ^
                std::rotl(load<uint64_t>(packet + 24), 2) ^ std::rotl(load<uint64_t>(packet + 32), 3);
  } else {
    return kUnknown;
  }
  const bool tcp = key.protocol == kProtocolTcp;
  if (!tcp && key.protocol != kProtocolUdp) {
    key.kind = FlowKey::Kind::kOther;
    key.hash = spread(addresses, 0, key.protocol);
    return key;
  }
  if (key.transport + (tcp ? kTcpHeader : kUdpHeader) > length) return kUnknown;
  key.kind = FlowKey::Kind::kTransport;
  key.hash = spread(addresses, load<uint32_t>(packet + key.transport), key.protocol);
  return key;
}

}  // namespace weft::tun
