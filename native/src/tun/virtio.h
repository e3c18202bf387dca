// The header in front of every packet on a TUN device opened with IFF_VNET_HDR: struct virtio_net_hdr of
// <linux/virtio_net.h> in its legacy, native-endian form. Read with each packet outbound, written with each inbound.
#pragma once

#include <cstdint>

namespace weft::tun {

struct VirtioHeader {
  uint8_t flags;
  uint8_t gso_type;
  uint16_t hdr_len;      // a hint only: the length of the headers that each segment repeats
  uint16_t gso_size;     // payload bytes a segment
  uint16_t csum_start;   // where the transport header begins
  uint16_t csum_offset;  // from there, where the checksum lies
};
static_assert(sizeof(VirtioHeader) == 10);

// VirtioHeader::flags: the checksum field holds the folded pseudo-header sum, the rest is to be added.
inline constexpr uint8_t kNeedsCsum = 1;

// VirtioHeader::gso_type
inline constexpr uint8_t kGsoNone = 0;
inline constexpr uint8_t kGsoTcp4 = 1;
inline constexpr uint8_t kGsoTcp6 = 4;
inline constexpr uint8_t kGsoUdpL4 = 5;
inline constexpr uint8_t kGsoEcn = 0x80;  // a flag beside kGsoTcp4/6: the first segment carries CWR

}  // namespace weft::tun
