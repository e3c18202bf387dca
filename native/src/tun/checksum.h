// The Internet checksum (RFC 1071) as partial sums. A partial sum is a 64-bit integer congruent modulo 2^16 - 1 to the
// sum of the bytes taken as 16-bit words in native order; one's complement sums do not depend on byte order, so a
// folded sum is stored as it is, without a swap. A checksum field holds ~checksum_fold(sum).
#pragma once

#include <cstddef>
#include <cstdint>

namespace weft::tun {

// Adds `n` bytes to a partial sum. Only the last piece of a chain may have an odd length.
uint64_t checksum_add(const uint8_t* p, size_t n, uint64_t sum = 0);

// The same while copying to `dst`, which must not overlap `src`.
uint64_t checksum_copy(uint8_t* dst, const uint8_t* src, size_t n, uint64_t sum = 0);

// The sum in 16 bits, not complemented.
inline uint16_t checksum_fold(uint64_t sum) {
  sum = (sum >> 32) + (sum & 0xffffffff);
  sum = (sum >> 32) + (sum & 0xffffffff);
  sum = (sum >> 16) + (sum & 0xffff);
  sum = (sum >> 16) + (sum & 0xffff);
  return static_cast<uint16_t>(sum);
}

// Partial sum of the pseudo-header (RFC 9293 3.1, RFC 8200 8.1). `ip` is a complete IPv4 or IPv6 header; `length` is
// that of transport header and payload.
uint64_t pseudo_header_sum(const uint8_t* ip, uint8_t protocol, uint32_t length);

// The portable forms, which the two above fall back to and are tested against.
uint64_t checksum_add_portable(const uint8_t* p, size_t n, uint64_t sum);
uint64_t checksum_copy_portable(uint8_t* dst, const uint8_t* src, size_t n, uint64_t sum);

}  // namespace weft::tun
