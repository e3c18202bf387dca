#include "tun/gro_merge.h"

#include <netinet/in.h>

#include <bit>
#include <cstring>

#include "tun/checksum.h"
#include "util/bytes.h"

namespace weft::tun {
namespace {

constexpr uint32_t kIpv4HeaderLength = 20;
constexpr uint32_t kIpv6HeaderLength = 40;
constexpr uint32_t kTcpHeaderLength = 20;
constexpr uint32_t kUdpHeaderLength = 8;
constexpr uint32_t kMaxIpLength = 65535;
constexpr uint8_t kTcpPsh = 0x08;
constexpr uint8_t kTcpAck = 0x10;
constexpr uint16_t kTcpChecksumOffset = 16;
constexpr uint16_t kUdpChecksumOffset = 6;
constexpr uint32_t kTcpFlags = 13;

bool is_ipv4(const uint8_t* ip) { return ip[0] >> 4 == 4; }

}  // namespace

// A parsed TCP or UDP packet.
struct GroMerger::Packet {
  uint8_t* data;
  uint32_t length;
  uint32_t transport;      // offset of the transport header
  uint32_t header_length;  // IP and transport headers
  uint32_t hash;           // of addresses, ports and protocol
  bool tcp;
  bool mergeable;  // may start or join a super-packet

  uint32_t payload() const { return length - header_length; }
  bool push() const { return tcp && (data[transport + kTcpFlags] & kTcpPsh) != 0; }
};

// False: not TCP or UDP with a plain header, so its flow cannot be told.
bool GroMerger::parse(uint8_t* data, uint32_t length, Packet& packet) {
  uint8_t protocol;
  uint32_t hash;
  if (is_ipv4(data)) {
    constexpr uint16_t kFragment = 0x3fff;  // more fragments, or an offset
    if (length < kIpv4HeaderLength || data[0] != 0x45 || (load_be16(data + 6) & kFragment) != 0) return false;
    protocol = data[9];
    packet.transport = kIpv4HeaderLength;
    hash = load<uint32_t>(data + 12) * 31 + load<uint32_t>(data + 16);
  } else {
    if (length < kIpv6HeaderLength) return false;
    protocol = data[6];
    packet.transport = kIpv6HeaderLength;
    hash = 0;
    for (uint32_t i = 8; i < kIpv6HeaderLength; i += 4) hash = hash * 31 + load<uint32_t>(data + i);
  }
  packet.data = data;
  packet.length = length;
  packet.tcp = protocol == IPPROTO_TCP;
  const uint32_t minimum = packet.tcp ? kTcpHeaderLength : kUdpHeaderLength;
  if ((!packet.tcp && protocol != IPPROTO_UDP) || length < packet.transport + minimum) return false;
  const uint8_t* transport = data + packet.transport;
  const uint32_t transport_header = packet.tcp ? (transport[12] >> 4) * 4u : kUdpHeaderLength;
  packet.header_length = packet.transport + transport_header;
  if (transport_header < minimum || length < packet.header_length) return false;
  if (!packet.tcp && load_be16(transport + 4) != length - packet.transport) return false;
  packet.hash = (hash * 31 + load<uint32_t>(transport)) * 31 + protocol;
  packet.mergeable = packet.payload() != 0 && (packet.tcp ? (transport[kTcpFlags] & ~kTcpPsh) == kTcpAck
                                                          : load<uint16_t>(transport + kUdpChecksumOffset) != 0);
  return true;
}

// Same addresses, ports and protocol.
bool GroMerger::same_flow(const Flow& flow, const Packet& packet) {
  const uint8_t* a = flow.packet;
  const uint8_t* b = packet.data;
  if ((a[0] ^ b[0]) >> 4 != 0 || flow.transport != packet.transport) return false;
  const bool same_ip = is_ipv4(a) ? a[9] == b[9] && std::memcmp(a + 12, b + 12, 8) == 0
                                  : a[6] == b[6] && std::memcmp(a + 8, b + 8, 32) == 0;
  return same_ip && std::memcmp(a + flow.transport, b + packet.transport, 4) == 0;
}

// Whether the segments that the kernel cuts from the super-packet would be what was received.
bool GroMerger::can_append(const Flow& flow, const Packet& packet) {
  if (!packet.mergeable || flow.header_length != packet.header_length || packet.payload() > flow.segment_size ||
      flow.total_length + packet.payload() > kMaxIpLength || flow.segments >= kMaxSegments) {
    return false;
  }
  const uint8_t* a = flow.packet;
  const uint8_t* b = packet.data;
  if (is_ipv4(a)) {
    constexpr uint8_t kFlagBits = 0xe0;
    if (a[1] != b[1] || a[8] != b[8] || ((a[6] ^ b[6]) & kFlagBits) != 0) return false;
  } else if (std::memcmp(a, b, 4) != 0 || a[7] != b[7]) {
    return false;
  }
  if (!packet.tcp) return true;
  const uint8_t* s = a + flow.transport;
  const uint8_t* t = b + packet.transport;
  return load_be32(t + 4) == flow.next_sequence && std::memcmp(s + 8, t + 8, 4) == 0 &&
         std::memcmp(s + 14, t + 14, 2) == 0 &&
         std::memcmp(s + kTcpHeaderLength, t + kTcpHeaderLength,
                     flow.header_length - flow.transport - kTcpHeaderLength) == 0;
}

// The slot of the packet's flow, kFlows if it has none.
uint32_t GroMerger::find(const Packet& packet) const {
  for (uint32_t open = used_; open != 0; open &= open - 1) {
    const auto slot = static_cast<uint32_t>(std::countr_zero(open));
    if (hashes_[slot] == packet.hash && same_flow(flows_[slot], packet)) return slot;
  }
  return kFlows;
}

void GroMerger::push(uint8_t* data, uint32_t length) {
  ++packets_;
  Packet packet;
  if (!parse(data, length, packet)) {
    flush();
    write_opaque(data, length);
    return;
  }
  const uint32_t slot = find(packet);
  if (slot != kFlows) {
    if (can_append(flows_[slot], packet)) {
      append(flows_[slot], packet);
      if (packet.payload() < flows_[slot].segment_size || packet.push()) close(slot);
      return;
    }
    close(slot);
  }
  if (!packet.mergeable || packet.push() || (!packet.tcp && !udp_offload_)) {
    write_single(packet);
  } else {
    open(packet);
  }
}

void GroMerger::open(const Packet& packet) {
  if (used_ == (1u << kFlows) - 1) {
    close(evict_);
    evict_ = (evict_ + 1) % kFlows;
  }
  const auto slot = static_cast<uint32_t>(std::countr_one(used_));
  used_ |= 1u << slot;
  hashes_[slot] = packet.hash;
  Flow& flow = flows_[slot];
  flow.packet = packet.data;
  flow.header_length = packet.header_length;
  flow.transport = packet.transport;
  flow.segment_size = packet.payload();
  flow.total_length = packet.length;
  flow.next_sequence = packet.tcp ? load_be32(packet.data + packet.transport + 4) + packet.payload() : 0;
  flow.segments = 1;
  flow.iov[1] = {packet.data, packet.length};
}

void GroMerger::append(Flow& flow, const Packet& packet) {
  flow.iov[1 + flow.segments++] = {packet.data + packet.header_length, packet.payload()};
  flow.total_length += packet.payload();
  flow.next_sequence += packet.payload();
  if (packet.push()) flow.packet[flow.transport + kTcpFlags] |= kTcpPsh;
}

void GroMerger::close(uint32_t slot) {
  used_ &= ~(1u << slot);
  Flow& flow = flows_[slot];
  uint8_t* ip = flow.packet;
  const bool v4 = is_ipv4(ip);
  const bool tcp = ip[v4 ? 9 : 6] == IPPROTO_TCP;
  const uint32_t transport_length = flow.total_length - flow.transport;

  VirtioHeader header{};
  header.flags = kNeedsCsum;
  header.csum_start = static_cast<uint16_t>(flow.transport);
  header.csum_offset = tcp ? kTcpChecksumOffset : kUdpChecksumOffset;
  if (flow.segments > 1) {
    header.gso_type = tcp ? (v4 ? kGsoTcp4 : kGsoTcp6) : kGsoUdpL4;
    header.hdr_len = static_cast<uint16_t>(flow.header_length);
    header.gso_size = static_cast<uint16_t>(flow.segment_size);
    if (v4) {
      store_be16(ip + 2, static_cast<uint16_t>(flow.total_length));
      store<uint16_t>(ip + 10, 0);
      store<uint16_t>(ip + 10, static_cast<uint16_t>(~checksum_fold(checksum_add(ip, kIpv4HeaderLength))));
    } else {
      store_be16(ip + 4, static_cast<uint16_t>(flow.total_length - kIpv6HeaderLength));
    }
    if (!tcp) store_be16(ip + flow.transport + 4, static_cast<uint16_t>(transport_length));
  }
  store<uint16_t>(ip + flow.transport + header.csum_offset,
                  checksum_fold(pseudo_header_sum(ip, tcp ? IPPROTO_TCP : IPPROTO_UDP, transport_length)));
  flow.iov[0] = {&header, sizeof header};
  ++writes_;
  sink_.write(flow.iov.data(), static_cast<int>(1 + flow.segments));
}

void GroMerger::write_single(const Packet& packet) {
  const uint16_t offset = packet.tcp ? kTcpChecksumOffset : kUdpChecksumOffset;
  uint8_t* checksum = packet.data + packet.transport + offset;
  if (!packet.tcp && load<uint16_t>(checksum) == 0) {  // UDP without a checksum stays so
    write_opaque(packet.data, packet.length);
    return;
  }
  VirtioHeader header{};
  header.flags = kNeedsCsum;
  header.csum_start = static_cast<uint16_t>(packet.transport);
  header.csum_offset = offset;
  store<uint16_t>(checksum, checksum_fold(pseudo_header_sum(packet.data, packet.tcp ? IPPROTO_TCP : IPPROTO_UDP,
                                                            packet.length - packet.transport)));
  const iovec iov[] = {{&header, sizeof header}, {packet.data, packet.length}};
  ++writes_;
  sink_.write(iov, 2);
}

void GroMerger::write_opaque(uint8_t* data, uint32_t length) {
  VirtioHeader header{};
  const iovec iov[] = {{&header, sizeof header}, {data, length}};
  ++writes_;
  sink_.write(iov, 2);
}

void GroMerger::flush() {
  while (used_ != 0) close(static_cast<uint32_t>(std::countr_zero(used_)));
}

}  // namespace weft::tun
