// The path that delivers a packet earliest: when it can leave, plus how long it takes to be sent, plus how long it is
// under way.
#pragma once

#include <array>
#include <cstdint>

#include "bond/types.h"

namespace weft::bond {

// What is known of a path at the moment of a decision.
struct PathView {
  uint64_t wait_ns = 0;           // for what was placed before; bulk only
  uint64_t serialization_ns = 0;  // of this packet
  uint64_t delay_ns = 0;          // one way, with its queue, above that of the fastest without
  bool full = false;              // has no room for bulk
};

struct Choice {
  PathId path = kNoPath;
  uint64_t pad_ns = 0;   // leaves not earlier than this from now
  uint64_t wait_ns = 0;  // beyond the pad
};

// `usable`: the paths to choose from. `pad_ns`: what the equaliser adds to the fastest path.
Choice choose_path(const std::array<PathView, kMaxPaths>& views, PathSet usable, Class cls, uint64_t pad_ns);
// The one with the least delay; kNoPath of none.
PathId fastest_path(const std::array<PathView, kMaxPaths>& views, PathSet usable);

}  // namespace weft::bond
