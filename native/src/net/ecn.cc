#include "net/ecn.h"

#include "util/bytes.h"

namespace weft::net {

namespace {

// Replaces the ECN field. IPv4: the checksum follows by RFC 1624 equation 3.
void set_ecn(uint8_t* ip, uint8_t ecn) {
  if (ip[0] >> 4 == 6) {
    ip[1] = static_cast<uint8_t>((ip[1] & ~0x30) | ecn << 4);
    return;
  }
  const uint16_t before = load<uint16_t>(ip);
  ip[1] = static_cast<uint8_t>((ip[1] & ~3) | ecn);
  const uint16_t after = load<uint16_t>(ip);
  uint32_t sum = static_cast<uint16_t>(~load<uint16_t>(ip + 10)) + static_cast<uint16_t>(~before) + uint32_t{after};
  sum = (sum >> 16) + (sum & 0xffff);
  sum = (sum >> 16) + (sum & 0xffff);
  store(ip + 10, static_cast<uint16_t>(~sum));
}

}  // namespace

uint8_t inner_ecn(const uint8_t* ip) { return ip[0] >> 4 == 6 ? (ip[1] >> 4) & 3 : ip[1] & 3; }

bool decapsulate_ecn(uint8_t* ip, uint8_t outer_ecn) {
  outer_ecn &= 3;
  if (outer_ecn != kCe && outer_ecn != kEct1) return true;
  const uint8_t inner = inner_ecn(ip);
  if (inner == kNotEct) return outer_ecn != kCe;
  if (outer_ecn == kCe && inner != kCe) set_ecn(ip, kCe);
  if (outer_ecn == kEct1 && inner == kEct0) set_ecn(ip, kEct1);
  return true;
}

}  // namespace weft::net
