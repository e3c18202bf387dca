// IP packets for the tests and fuzz targets of the packet path, and a plain reference for their checksums.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

#include "util/bytes.h"

namespace weft::test {

using Bytes = std::vector<uint8_t>;

inline constexpr uint8_t kTcp = 6;
inline constexpr uint8_t kUdp = 17;
inline constexpr uint8_t kFin = 0x01, kSyn = 0x02, kRst = 0x04, kPsh = 0x08, kAck = 0x10, kCwr = 0x80;

struct PacketSpec {
  bool v6 = false;
  uint8_t protocol = kTcp;
  uint8_t tos = 0;  // or traffic class
  uint8_t ttl = 64;
  uint32_t flow_label = 0;
  uint16_t id = 0;
  uint16_t fragment = 0x4000;  // flags and offset: DF
  uint8_t source = 1;          // last byte of the address
  uint8_t destination = 2;
  uint16_t source_port = 1000;
  uint16_t destination_port = 2000;
  uint32_t seq = 1;
  uint32_t ack = 77;
  uint8_t flags = kAck;
  uint16_t window = 500;
  Bytes ip_options = {};        // IPv4, a multiple of 4
  Bytes extension = {};         // IPv6: complete extension headers that end in the protocol
  uint8_t first_extension = 0;  // type of the first of them
  Bytes tcp_options = {};       // a multiple of 4
  Bytes payload = {};
};

// RFC 1071, 16 bits at a time in network order, not complemented.
inline uint16_t reference_sum(std::span<const uint8_t> bytes, uint32_t sum = 0) {
  for (size_t i = 0; i < bytes.size(); ++i) {
    sum += i % 2 == 0 ? uint32_t{bytes[i]} << 8 : bytes[i];
    sum = (sum & 0xffff) + (sum >> 16);
  }
  return static_cast<uint16_t>(sum);
}

// Sum over the pseudo-header and `transport` (header and payload), network order.
inline uint16_t reference_transport_sum(const uint8_t* ip, uint8_t protocol, std::span<const uint8_t> transport) {
  Bytes pseudo = ip[0] >> 4 == 4 ? Bytes(ip + 12, ip + 20) : Bytes(ip + 8, ip + 40);
  const auto n = static_cast<uint32_t>(transport.size());
  for (const uint32_t byte : {n >> 24, n >> 16, n >> 8, n, 0u, uint32_t{protocol}}) {
    pseudo.push_back(static_cast<uint8_t>(byte));
  }
  return reference_sum(transport, reference_sum(pseudo));
}

inline size_t transport_offset(const PacketSpec& spec) {
  return spec.v6 ? 40 + spec.extension.size() : 20 + spec.ip_options.size();
}

inline size_t header_length(const PacketSpec& spec) {
  return transport_offset(spec) + (spec.protocol == kTcp ? 20 + spec.tcp_options.size() : 8);
}

inline size_t checksum_offset(uint8_t protocol) { return protocol == kTcp ? 16 : 6; }

inline void put_ip_header(const PacketSpec& spec, Bytes& packet) {
  uint8_t* ip = packet.data();
  if (spec.v6) {
    store_be32(ip, 6u << 28 | uint32_t{spec.tos} << 20 | spec.flow_label);
    store_be16(ip + 4, static_cast<uint16_t>(packet.size() - 40));
    ip[6] = spec.extension.empty() ? spec.protocol : spec.first_extension;
    ip[7] = spec.ttl;
    ip[8] = ip[24] = 0xfd;
    ip[23] = spec.source;
    ip[39] = spec.destination;
    if (!spec.extension.empty()) std::memcpy(ip + 40, spec.extension.data(), spec.extension.size());
    return;
  }
  ip[0] = static_cast<uint8_t>(0x45 + spec.ip_options.size() / 4);
  ip[1] = spec.tos;
  store_be16(ip + 2, static_cast<uint16_t>(packet.size()));
  store_be16(ip + 4, spec.id);
  store_be16(ip + 6, spec.fragment);
  ip[8] = spec.ttl;
  ip[9] = spec.protocol;
  ip[12] = ip[16] = 10;
  ip[15] = spec.source;
  ip[19] = spec.destination;
  if (!spec.ip_options.empty()) std::memcpy(ip + 20, spec.ip_options.data(), spec.ip_options.size());
  store_be16(ip + 10, static_cast<uint16_t>(~reference_sum({ip, 20 + spec.ip_options.size()})));
}

// A complete packet with right checksums.
inline Bytes build(const PacketSpec& spec) {
  Bytes packet(header_length(spec) + spec.payload.size());
  put_ip_header(spec, packet);
  const size_t offset = transport_offset(spec);
  uint8_t* t = packet.data() + offset;
  store_be16(t, spec.source_port);
  store_be16(t + 2, spec.destination_port);
  if (spec.protocol == kTcp) {
    store_be32(t + 4, spec.seq);
    store_be32(t + 8, spec.ack);
    t[12] = static_cast<uint8_t>((20 + spec.tcp_options.size()) / 4 << 4);
    t[13] = spec.flags;
    store_be16(t + 14, spec.window);
    if (!spec.tcp_options.empty()) std::memcpy(t + 20, spec.tcp_options.data(), spec.tcp_options.size());
  } else {
    store_be16(t + 4, static_cast<uint16_t>(packet.size() - offset));
  }
  if (!spec.payload.empty()) {
    std::memcpy(packet.data() + header_length(spec), spec.payload.data(), spec.payload.size());
  }
  const std::span<const uint8_t> transport = std::span(packet).subspan(offset);
  auto checksum = static_cast<uint16_t>(~reference_transport_sum(packet.data(), spec.protocol, transport));
  if (spec.protocol == kUdp && checksum == 0) checksum = 0xffff;
  store_be16(t + checksum_offset(spec.protocol), checksum);
  return packet;
}

inline Bytes payload(size_t n, unsigned seed = 0) {
  Bytes bytes(n);
  for (size_t i = 0; i < n; ++i) bytes[i] = static_cast<uint8_t>((i + seed) * 131 + (i >> 8) * 7 + seed);
  return bytes;
}

// Puts the pseudo-header sum where the checksum was, as the kernel does for an unfinished packet.
inline void unfinish(const PacketSpec& spec, Bytes& packet) {
  const size_t offset = transport_offset(spec);
  uint8_t* field = packet.data() + offset + checksum_offset(spec.protocol);
  Bytes zero(packet.size() - offset);
  store_be16(field, reference_transport_sum(packet.data(), spec.protocol, zero));
}

// Whether IPv4 header checksum and transport checksum of a packet are right, its transport header being at `offset`.
inline bool checksums_right(const Bytes& packet, size_t offset, uint8_t protocol) {
  if (packet[0] >> 4 == 4 && reference_sum(std::span(packet).first((packet[0] & 15u) * 4)) != 0xffff) return false;
  return reference_transport_sum(packet.data(), protocol, std::span(packet).subspan(offset)) == 0xffff;
}

}  // namespace weft::test
