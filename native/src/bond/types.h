// What the parts of a bond share. A bond is all the uplinks between this node and one peer, used as one.
//
// Times are nanoseconds of one monotonic clock that the caller passes in; nothing here reads a clock, a socket or
// randomness, so that a simulator runs the same code in virtual time.
#pragma once

#include <cstdint>

#include "util/clock.h"

namespace weft::bond {

inline constexpr uint32_t kMaxPaths = 8;

// A path's place in the peer's table: each end numbers its paths itself, and frames name the sender's number.
using PathId = uint8_t;
inline constexpr PathId kNoPath = 0xFF;
// A set of paths: bit i is path i.
using PathSet = uint8_t;
constexpr bool has(PathSet set, PathId id) { return set >> id & 1; }
constexpr PathSet only(PathId id) { return static_cast<PathSet>(1u << id); }

inline constexpr uint64_t kNever = UINT64_MAX;

// The transport session that a counter belongs to: the index under which the *receiver* of the packets knows it.
using SessionIndex = uint32_t;

// What a packet is to the scheduler.
enum class Class : uint8_t {
  kBulk = 0,     // kept in order, fills all paths
  kSparse = 1,   // the beginning of a flow, and its small packets: the fastest path, delivered on arrival
  kLatency = 2,  // calls and games: the fastest path, in order among themselves, never late
};

// How the paths are used.
enum class Mode : uint8_t {
  kAggregate = 0,  // all of them: earliest delivery
  kLatency = 1,    // the fastest that lives; the others stand by
  kRedundant = 2,  // each packet on every path
};

// What the control plane allows a path to be used for.
enum class Role : uint8_t {
  kNormal = 0,
  kBackup = 1,  // while no normal path is active
  kOff = 2,     // drained, or its quota is spent: validated and measured, carries nothing
  kPinned = 3,  // while it is active, nothing else
};

// Why a path is used as it is; for people.
enum class Reason : uint8_t {
  kActive,
  kLoss,     // excluded: more than 3 % lost
  kSilent,   // excluded: nothing came back
  kRefused,  // excluded: the host cannot send by it
  kStandby,  // backup, or another is pinned, or the mode uses one path
  kOff,
  kUnvalidated,
  kApart,  // left out of the aggregate: a flow over it too would be slower
};

// The control plane's word on what a packet is, before the rules of FlowClasses; the first that matches counts.
struct ClassRule {
  int16_t dscp = -1;                           // -1: any
  uint8_t protocol = 0;                        // 6, 17; 0: any
  uint16_t first_port = 0, last_port = 65535;  // of either end
  uint32_t max_length = 65535;
  Class cls = Class::kBulk;
};

// The last bytes of the plaintext of what is not bulk, behind the inner packet, where WireGuard pads with zeros:
//   byte 0      Class (1 or 2)
//   byte 1      0
//   bytes 2-3   the class's sequence number, little-endian (latency only)
// A packet that has no room for it within the MTU is sent as bulk.
inline constexpr uint32_t kTrailerSize = 4;

}  // namespace weft::bond
