// The header of segment i differs from that of the packet read in few words: IP length and id, TCP sequence number and
// flags, UDP length. prepare() sums all the others once; write() adds those few to the sum of the payload, which it
// takes while copying.
#include "tun/gso_split.h"

#include <algorithm>
#include <cstring>

#include "tun/checksum.h"
#include "tun/ip_header.h"
#include "util/bytes.h"

namespace weft::tun {

namespace {

constexpr uint32_t kTcpChecksum = 16;
constexpr uint32_t kUdpChecksum = 6;
constexpr uint8_t kTcpFin = 0x01;
constexpr uint8_t kTcpPsh = 0x08;
constexpr uint8_t kTcpCwr = 0x80;

// A sum that comes out as zero is sent as its other form, as UDP demands (RFC 768); to all others both are the same.
inline uint16_t finish(uint64_t sum) {
  const auto checksum = static_cast<uint16_t>(~checksum_fold(sum));
  return checksum != 0 ? checksum : 0xffff;
}

inline uint64_t subtract(uint64_t sum, uint16_t word) { return sum + static_cast<uint16_t>(~word); }

inline uint16_t be16(uint32_t v) { return __builtin_bswap16(static_cast<uint16_t>(v)); }

}  // namespace

bool SegmentPlan::fail(const char* reason) {
  reason_ = reason;
  return false;
}

bool SegmentPlan::prepare(const VirtioHeader& header, const uint8_t* packet, uint32_t length) {
  if (length < kIpv4Header) return fail("shorter than an IP header");
  packet_ = packet;
  if (packet[0] >> 4 == 4) {
    ip_header_length_ = (packet[0] & 15u) * 4;
    length_ = load_be16(packet + 2);
  } else if (packet[0] >> 4 == 6) {
    if (length < kIpv6Header) return fail("shorter than an IP header");
    ip_header_length_ = kIpv6Header;
    length_ = kIpv6Header + load_be16(packet + 4);
  } else {
    return fail("neither IPv4 nor IPv6");
  }
  if (ip_header_length_ < kIpv4Header || length_ < ip_header_length_) return fail("IP header length");
  if (length_ > length) return fail("shorter than its IP length");

  count_ = 1;
  last_length_ = length_;
  if ((header.gso_type & ~kGsoEcn) != kGsoNone) return prepare_segments(header);
  if (header.flags & kNeedsCsum) return prepare_checksum(header);
  kind_ = Kind::kPlain;
  return true;
}

bool SegmentPlan::prepare_checksum(const VirtioHeader& header) {
  kind_ = Kind::kChecksum;
  transport_ = header.csum_start;
  checksum_ = transport_ + header.csum_offset;
  if (transport_ < ip_header_length_) return fail("checksum starts within the IP header");
  if (checksum_ + 2 > length_) return fail("checksum past the end");
  return true;
}

bool SegmentPlan::prepare_segments(const VirtioHeader& header) {
  const bool v4 = packet_[0] >> 4 == 4;
  const uint8_t type = header.gso_type & static_cast<uint8_t>(~kGsoEcn);
  if (type != kGsoUdpL4 && type != (v4 ? kGsoTcp4 : kGsoTcp6)) return fail("segmentation type");
  if (!(header.flags & kNeedsCsum)) return fail("segmentation without checksum offload");
  if (header.gso_size == 0) return fail("segment size 0");

  const bool tcp = type != kGsoUdpL4;
  kind_ = tcp ? Kind::kTcp : Kind::kUdp;
  transport_ = header.csum_start;
  checksum_ = transport_ + (tcp ? kTcpChecksum : kUdpChecksum);
  if (header.csum_offset != checksum_ - transport_) return fail("checksum offset");
  if (transport_ + (tcp ? kTcpHeader : kUdpHeader) > length_) return fail("transport header past the end");
  if (v4) {
    if (transport_ != ip_header_length_) return fail("transport header not after the IPv4 header");
    if (packet_[9] != (tcp ? kProtocolTcp : kProtocolUdp)) return fail("protocol");
    if (load_be16(packet_ + 6) & 0x3fff) return fail("segmentation of a fragment");
  } else if (transport_ < kIpv6Header) {  // behind extension headers it may start later
    return fail("transport header within the IPv6 header");
  }

  const uint8_t* transport = packet_ + transport_;
  const uint32_t transport_header = tcp ? (transport[12] >> 4) * 4u : kUdpHeader;
  if (tcp && transport_header < kTcpHeader) return fail("TCP data offset");
  header_length_ = transport_ + transport_header;
  if (header_length_ > length_) return fail("TCP data offset");

  const uint32_t payload = length_ - header_length_;
  segment_size_ = header.gso_size;
  count_ = std::max(1u, (payload + segment_size_ - 1) / segment_size_);
  last_length_ = header_length_ + payload - (count_ - 1) * segment_size_;

  // The checksum field holds the pseudo-header sum over the whole length. Kept rather than computed anew: behind an
  // IPv6 routing header only the kernel knows the final destination.
  transport_sum_ = subtract(checksum_add(transport, transport_header), be16(length_ - transport_));
  if (tcp) {
    tcp_seq_ = load_be32(transport + 4);
    transport_sum_ = subtract(subtract(transport_sum_, load<uint16_t>(transport + 4)), load<uint16_t>(transport + 6));
    transport_sum_ = subtract(transport_sum_, load<uint16_t>(transport + 12));
  } else {
    transport_sum_ = subtract(transport_sum_, load<uint16_t>(transport + 4));
  }
  if (v4) {
    ip_id_ = load_be16(packet_ + 4);
    ip_sum_ = checksum_add(packet_, ip_header_length_);
    for (const uint32_t offset : {2, 4, 10}) ip_sum_ = subtract(ip_sum_, load<uint16_t>(packet_ + offset));
  }
  return true;
}

void SegmentPlan::write_ip_length(uint32_t i, uint32_t length, uint8_t* out) const {
  if (out[0] >> 4 == 6) {
    store_be16(out + 4, static_cast<uint16_t>(length - kIpv6Header));
    return;
  }
  const uint16_t total = be16(length);
  const uint16_t id = be16(ip_id_ + i);
  store(out + 2, total);
  store(out + 4, id);
  store(out + 10, static_cast<uint16_t>(~checksum_fold(ip_sum_ + total + id)));
}

void SegmentPlan::write(uint32_t i, uint8_t* out) const {
  if (kind_ == Kind::kPlain) {
    std::memcpy(out, packet_, length_);
    return;
  }
  if (kind_ == Kind::kChecksum) {
    std::memcpy(out, packet_, transport_);
    const uint64_t sum = checksum_copy(out + transport_, packet_ + transport_, length_ - transport_);
    store(out + checksum_, finish(sum));
    return;
  }

  const uint32_t length = this->length(i);
  std::memcpy(out, packet_, header_length_);
  write_ip_length(i, length, out);

  uint8_t* transport = out + transport_;
  uint64_t sum = transport_sum_ + be16(length - transport_);
  if (kind_ == Kind::kTcp) {
    const uint32_t seq = __builtin_bswap32(tcp_seq_ + i * segment_size_);
    store(transport + 4, seq);
    if (i != 0) transport[13] &= static_cast<uint8_t>(~kTcpCwr);
    if (i + 1 != count_) transport[13] &= static_cast<uint8_t>(~(kTcpFin | kTcpPsh));
    sum += uint64_t{seq} + load<uint16_t>(transport + 12);
  } else {
    const uint16_t udp_length = be16(length - transport_);
    store(transport + 4, udp_length);
    sum += udp_length;
  }
  sum = checksum_copy(out + header_length_, packet_ + header_length_ + uint64_t{i} * segment_size_,
                      length - header_length_, sum);
  store(out + checksum_, finish(sum));
}

}  // namespace weft::tun
