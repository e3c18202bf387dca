// Outbound, first step: what one TUN read gave (a packet, or a super-packet of TSO or USO segments with unfinished
// checksums) becomes the IP packets that go on the wire, each with finished lengths and checksums.
#pragma once

#include <cstdint>

#include "tun/virtio.h"

namespace weft::tun {

// How to cut one TUN read into packets. prepare() checks everything once; write() then cannot fail. Holds no memory of
// its own: `packet` must stay unchanged until the last write().
class SegmentPlan {
 public:
  // `packet` is the IP packet after the VirtioHeader. False, and reason() says why, if header and packet contradict
  // each other; nothing else may be called then. Bytes past the IP length are not sent.
  bool prepare(const VirtioHeader& header, const uint8_t* packet, uint32_t length);

  // Packets that will be written, at least 1. Not bounded by a sendmsg: up to 65,535 for a gso_size of 1.
  uint32_t count() const { return count_; }

  // Length of IP packet `i` < count(). All but the last are equally long.
  uint32_t length(uint32_t i) const { return i + 1 < count_ ? header_length_ + segment_size_ : last_length_; }

  // Writes packet `i` < count() into length(i) bytes at `out`, which must not overlap the packet.
  void write(uint32_t i, uint8_t* out) const;

  // Why prepare() returned false: a constant string.
  const char* reason() const { return reason_; }

 private:
  enum class Kind : uint8_t { kPlain, kChecksum, kTcp, kUdp };

  bool fail(const char* reason);
  bool prepare_checksum(const VirtioHeader& header);
  bool prepare_segments(const VirtioHeader& header);
  void write_ip_length(uint32_t i, uint32_t length, uint8_t* out) const;

  const uint8_t* packet_ = nullptr;
  const char* reason_ = "";
  uint32_t length_ = 0;            // IP length of the packet read
  uint32_t ip_header_length_ = 0;  // fixed IPv6 header, or IPv4 header with options
  uint32_t transport_ = 0;         // offset of the transport header
  uint32_t checksum_ = 0;          // offset of the transport checksum
  uint32_t header_length_ = 0;     // all headers, repeated in each segment
  uint32_t segment_size_ = 0;
  uint32_t last_length_ = 0;
  uint32_t count_ = 0;
  uint64_t ip_sum_ = 0;         // IPv4 header without length, id and checksum
  uint64_t transport_sum_ = 0;  // pseudo-header and transport header without what differs between segments
  uint16_t ip_id_ = 0;
  uint32_t tcp_seq_ = 0;
  Kind kind_ = Kind::kPlain;
};

}  // namespace weft::tun
