#include "tun/gro_merge.h"

#include <bit>
#include <cstring>

#include "tun/checksum.h"
#include "tun/ip_header.h"
#include "util/bytes.h"

namespace weft::tun {

namespace {

constexpr uint32_t kMaxIpLength = 65535;

constexpr uint16_t kTcpChecksum = 16;
constexpr uint16_t kUdpChecksum = 6;
constexpr uint8_t kTcpPsh = 0x08;
constexpr uint8_t kTcpAck = 0x10;

inline bool is_v4(const uint8_t* ip) { return ip[0] >> 4 == 4; }

// What all packets of a super-packet share in the IP header: TOS or traffic class, flow label, TTL or hop limit, DF.
inline bool same_ip_fields(const uint8_t* a, const uint8_t* b) {
  if (is_v4(a)) {
    return load<uint16_t>(a) == load<uint16_t>(b) && load<uint16_t>(a + 6) == load<uint16_t>(b + 6) && a[8] == b[8];
  }
  return load<uint32_t>(a) == load<uint32_t>(b) && a[7] == b[7];
}

// And in the TCP header: acknowledgement, data offset and flags but PSH, window, urgent pointer and options. The window
// is what Linux' own GRO compares as well (net/ipv4/tcp_offload.c, tcp_gro_receive).
inline bool same_tcp_fields(const uint8_t* a, const uint8_t* b, uint32_t header_length) {
  constexpr uint32_t kIgnorePsh = ~(uint32_t{kTcpPsh} << 8);
  return load<uint32_t>(a + 8) == load<uint32_t>(b + 8) &&
         ((load<uint32_t>(a + 12) ^ load<uint32_t>(b + 12)) & kIgnorePsh) == 0 &&
         std::memcmp(a + 18, b + 18, header_length - 18) == 0;
}

}  // namespace

// Of TCP and UDP all of `packet`, else nothing.
FlowKey::Kind GroMerger::parse(uint8_t* data, uint32_t length, Packet& packet) {
  const FlowKey key = flow_key(data, length);
  if (key.kind != FlowKey::Kind::kTransport) return key.kind;
  packet.data = data;
  packet.length = length;
  packet.transport = key.transport;
  packet.hash = key.hash;
  packet.protocol = key.protocol;
  if (key.protocol == kProtocolTcp)
    parse_tcp(packet);
  else
    parse_udp(packet);
  return key.kind;
}

void GroMerger::parse_tcp(Packet& packet) {
  const uint8_t* tcp = packet.data + packet.transport;
  const uint32_t tcp_header = (tcp[12] >> 4) * 4u;
  packet.header_length = packet.transport + tcp_header;
  packet.seedable = tcp_header >= kTcpHeader && packet.header_length <= packet.length;
  packet.mergeable = packet.seedable && packet.header_length < packet.length && (tcp[13] & ~kTcpPsh) == kTcpAck;
  packet.pushed = (tcp[13] & kTcpPsh) != 0;
}

void GroMerger::parse_udp(Packet& packet) {
  const uint8_t* udp = packet.data + packet.transport;
  packet.header_length = packet.transport + kUdpHeader;
  // Checksum 0: the sender computed none, and none may be added (RFC 6935 tunnels; RFC 768).
  packet.seedable = load_be16(udp + 4) == packet.length - packet.transport && load<uint16_t>(udp + kUdpChecksum) != 0;
  packet.mergeable = packet.seedable && packet.header_length < packet.length;
  packet.pushed = false;
}

bool GroMerger::same_flow(const Packet& a, const Packet& b) {
  if (a.protocol != b.protocol || a.transport != b.transport) return false;
  if (load<uint32_t>(a.data + a.transport) != load<uint32_t>(b.data + b.transport)) return false;
  if (is_v4(a.data)) return load<uint64_t>(a.data + 12) == load<uint64_t>(b.data + 12);
  return std::memcmp(a.data + 8, b.data + 8, 32) == 0;
}

bool GroMerger::can_append(const Flow& flow, const Packet& packet) {
  const Packet& first = flow.first;
  const uint32_t payload = packet.length - packet.header_length;
  if (packet.header_length != first.header_length || payload > flow.segment_size) return false;
  if (flow.total_length + payload > kMaxIpLength) return false;
  if (!same_ip_fields(first.data, packet.data)) return false;
  if (packet.protocol == kProtocolUdp) return true;

  const uint8_t* a = first.data + first.transport;
  const uint8_t* b = packet.data + packet.transport;
  const uint32_t next_sequence = load_be32(a + 4) + flow.total_length - first.header_length;
  return load_be32(b + 4) == next_sequence && same_tcp_fields(a, b, packet.header_length - packet.transport);
}

// Prepares the transport checksum for completion by the kernel: the folded pseudo-header sum in its place.
VirtioHeader GroMerger::seed(const Packet& packet, uint32_t total_length) {
  const uint16_t offset = packet.protocol == kProtocolTcp ? kTcpChecksum : kUdpChecksum;
  const uint64_t sum = pseudo_header_sum(packet.data, packet.protocol, total_length - packet.transport);
  store(packet.data + packet.transport + offset, checksum_fold(sum));
  return VirtioHeader{.flags = kNeedsCsum,
                      .gso_type = kGsoNone,
                      .hdr_len = static_cast<uint16_t>(packet.header_length),
                      .gso_size = 0,
                      .csum_start = static_cast<uint16_t>(packet.transport),
                      .csum_offset = offset};
}

uint32_t GroMerger::find(const Packet& packet) const {
  for (uint32_t rest = used_; rest != 0; rest &= rest - 1) {
    const auto slot = static_cast<uint32_t>(std::countr_zero(rest));
    if (hashes_[slot] == packet.hash && same_flow(flows_[slot].first, packet)) return slot;
  }
  return kNoSlot;
}

void GroMerger::open(const Packet& packet) {
  auto slot = static_cast<uint32_t>(std::countr_one(used_));
  if (slot == kFlows) {
    slot = evict_;
    evict_ = (evict_ + 1) % kFlows;
    close(slot);
  }
  used_ |= 1u << slot;
  hashes_[slot] = packet.hash;
  Flow& flow = flows_[slot];
  flow.first = packet;
  flow.segment_size = packet.length - packet.header_length;
  flow.total_length = packet.length;
  flow.segments = 1;
  flow.iov[1] = {packet.data, packet.length};
}

void GroMerger::append(uint32_t slot, const Packet& packet) {
  Flow& flow = flows_[slot];
  const uint32_t payload = packet.length - packet.header_length;
  flow.iov[++flow.segments] = {packet.data + packet.header_length, payload};
  flow.total_length += payload;
  if (packet.pushed) flow.first.data[flow.first.transport + 13] |= kTcpPsh;
  if (packet.pushed || payload < flow.segment_size || flow.segments == kMaxSegments) close(slot);
}

void GroMerger::close(uint32_t slot) {
  used_ &= ~(1u << slot);
  Flow& flow = flows_[slot];
  const Packet& first = flow.first;
  VirtioHeader header = seed(first, flow.total_length);
  if (flow.segments > 1) {
    uint8_t* ip = first.data;
    const bool v4 = is_v4(ip);
    const bool tcp = first.protocol == kProtocolTcp;
    header.gso_type = !tcp ? kGsoUdpL4 : v4 ? kGsoTcp4 : kGsoTcp6;
    header.gso_size = static_cast<uint16_t>(flow.segment_size);
    if (v4) {
      store_be16(ip + 2, static_cast<uint16_t>(flow.total_length));
      store<uint16_t>(ip + 10, 0);
      store(ip + 10, static_cast<uint16_t>(~checksum_fold(checksum_add(ip, kIpv4Header))));
    } else {
      store_be16(ip + 4, static_cast<uint16_t>(flow.total_length - kIpv6Header));
    }
    if (!tcp) store_be16(ip + first.transport + 4, static_cast<uint16_t>(flow.total_length - first.transport));
  }
  flow.iov[0] = {&header, sizeof header};
  ++writes_;
  sink_.write(flow.iov.data(), static_cast<int>(1 + flow.segments));
}

void GroMerger::write_alone(uint8_t* data, uint32_t length, VirtioHeader header) {
  const iovec iov[] = {{&header, sizeof header}, {data, length}};
  ++writes_;
  sink_.write(iov, 2);
}

void GroMerger::push(uint8_t* data, uint32_t length) {
  ++packets_;
  Packet packet;
  const FlowKey::Kind kind = parse(data, length, packet);
  if (kind != FlowKey::Kind::kTransport) {
    if (kind == FlowKey::Kind::kUnknown) flush();
    write_alone(data, length, VirtioHeader{});
    return;
  }
  const MergeOffload needed = packet.protocol == kProtocolTcp ? MergeOffload::kTcp : MergeOffload::kTcpAndUdp;
  const bool mergeable = packet.mergeable && offload_ >= needed;
  const uint32_t slot = find(packet);
  if (slot != kNoSlot) {
    if (mergeable && can_append(flows_[slot], packet)) {
      append(slot, packet);
      return;
    }
    close(slot);
  }
  if (mergeable && !packet.pushed) {
    open(packet);
  } else {
    write_alone(data, length, packet.seedable ? seed(packet, length) : VirtioHeader{});
  }
}

void GroMerger::flush() {
  for (uint32_t slot = 0; used_ != 0; ++slot) {
    if (used_ >> slot & 1) close(slot);
  }
}

}  // namespace weft::tun
