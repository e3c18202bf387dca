// The inner IP packets of a simulation: real IPv4 headers, as flows are told apart by them, and the number of what the
// simulated transport says, which its flow keeps: not every acknowledgement had room for that. Only the beginning of a
// packet is carried, and its length.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "util/bytes.h"

namespace weft::sim {

inline constexpr uint32_t kInnerHead = 48;  // bytes of a packet that are carried; none is shorter
inline constexpr uint32_t kInnerMtu = 1420;
inline constexpr uint8_t kTcp = 6, kUdp = 17;
inline constexpr uint8_t kExpedited = 46 << 2;  // EF, as traffic class

struct InnerPacket {
  std::array<uint8_t, kInnerHead> head{};
  uint32_t length = 0;
};

// `note`: the number of what it says.
inline InnerPacket inner_packet(uint8_t protocol, uint8_t traffic_class, bool forward, uint16_t flow, uint32_t length,
                                uint64_t note) {
  InnerPacket packet;
  packet.length = length;
  uint8_t* p = packet.head.data();
  p[0] = 0x45;
  p[1] = traffic_class;
  store_be16(p + 2, static_cast<uint16_t>(length));
  p[8] = 64;
  p[9] = protocol;
  store_be32(p + 12, forward ? 0x0A4E0001 : 0x0A4E0002);
  store_be32(p + 16, forward ? 0x0A4E0002 : 0x0A4E0001);
  // Ports: the flow's number is the listener's.
  store_be16(p + 20, forward ? static_cast<uint16_t>(40'000 + flow) : static_cast<uint16_t>(5'000 + flow));
  store_be16(p + 22, forward ? static_cast<uint16_t>(5'000 + flow) : static_cast<uint16_t>(40'000 + flow));
  if (protocol == kTcp) {
    p[32] = 8 << 4;
    p[33] = 0x10;  // ACK
  } else {
    store_be16(p + 24, static_cast<uint16_t>(length - 20));
  }
  store(p + 40, note);
  return packet;
}

inline bool is_forward(std::span<const uint8_t> packet) { return packet[15] == 1; }
inline uint16_t flow_of(std::span<const uint8_t> packet) {
  return static_cast<uint16_t>(load_be16(packet.data() + (is_forward(packet) ? 22 : 20)) - 5'000);
}
inline uint64_t note_of(std::span<const uint8_t> packet) { return load_le64(packet.data() + 40); }

}  // namespace weft::sim
