// What the relay must know of an IP packet: its addresses, and the ports of UDP.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <span>

#include "tun/ip_header.h"
#include "util/bytes.h"

namespace weft::relay {

// IPv4 as ::ffff:a.b.c.d.
using Address = std::array<uint8_t, 16>;

// A view of one packet, valid as long as its bytes.
class IpPacket {
 public:
  explicit IpPacket(std::span<uint8_t> bytes) : bytes_(bytes) {
    if (bytes.empty()) return;
    version_ = bytes[0] >> 4;
    if (version_ == 4 && bytes.size() >= tun::kIpv4Header) {
      header_ = (bytes[0] & 0x0f) * 4u;
      protocol_ = bytes[9];
    } else if (version_ == 6 && bytes.size() >= tun::kIpv6Header) {
      header_ = tun::kIpv6Header;
      protocol_ = bytes[6];
    }
  }

  explicit operator bool() const { return header_ != 0; }
  bool is_udp() const { return protocol_ == tun::kProtocolUdp && bytes_.size() >= header_ + tun::kUdpHeader; }
  Address source() const { return address(version_ == 4 ? 12 : 8); }
  Address destination() const { return address(version_ == 4 ? 16 : 24); }
  uint16_t source_port() const { return load_be16(port(0)); }
  uint16_t destination_port() const { return load_be16(port(2)); }
  void set_source_port(uint16_t value) { rewrite(port(0), value); }
  void set_destination_port(uint16_t value) { rewrite(port(2), value); }

 private:
  static constexpr size_t kChecksumOffset = 6;

  uint8_t* port(size_t offset) const { return bytes_.data() + header_ + offset; }

  Address address(size_t offset) const {
    Address address{};
    if (version_ == 6) {
      std::memcpy(address.data(), bytes_.data() + offset, 16);
    } else {
      address[10] = address[11] = 0xff;
      std::memcpy(address.data() + 12, bytes_.data() + offset, 4);
    }
    return address;
  }

  // With the change of the checksum that belongs to it (RFC 1624, equation 3).
  void rewrite(uint8_t* field, uint16_t value) {
    uint8_t* checksum = port(kChecksumOffset);
    const uint16_t old = load<uint16_t>(field);
    store_be16(field, value);
    if (load<uint16_t>(checksum) == 0) return;  // IPv4: none was computed
    uint32_t sum = static_cast<uint16_t>(~load<uint16_t>(checksum));
    sum += static_cast<uint16_t>(~old);
    sum += load<uint16_t>(field);
    sum = (sum >> 16) + (sum & 0xffff);
    sum = (sum >> 16) + (sum & 0xffff);
    const auto changed = static_cast<uint16_t>(~sum);
    store<uint16_t>(checksum, changed == 0 ? 0xffff : changed);
  }

  std::span<uint8_t> bytes_;
  uint8_t version_ = 0;
  uint8_t protocol_ = 0;
  size_t header_ = 0;
};

}  // namespace weft::relay
