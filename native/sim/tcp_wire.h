// What the simulated TCP ends say to each other: whole segments, numbered from 0, and acknowledgements with SACK
// (RFC 2018), DSACK (RFC 2883) and time stamps (RFC 7323).
#pragma once

#include <array>
#include <cstdint>

namespace weft::sim {

inline constexpr uint32_t kSegmentPayload = 1368;  // inner MTU 1420, less 20 + 32 bytes of headers
inline constexpr uint32_t kAckLength = 52;         // inner packet; 8 more a SACK block

struct TcpBody {
  struct Range {
    uint32_t begin = 0, end = 0;  // [begin, end)
  };
  bool is_ack = false;
  bool syn = false;    // opens the connection, or answers that
  bool dsack = false;  // range[0] came twice
  uint8_t ranges = 0;
  uint32_t segment = 0;  // of data
  uint32_t ack = 0;      // the next expected
  uint64_t stamp = 0;    // when it was sent
  uint64_t echo = 0;     // of an acknowledgement: the stamp of what caused it
  std::array<Range, 3> range{};
};

}  // namespace weft::sim
