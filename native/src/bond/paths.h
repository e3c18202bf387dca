// The table of ways to a peer: which there are, which are proven, how long a round trip takes.
//
//   candidate -> validating -> active -> gone
//
// A way begins as a candidate of the control plane (local uplink x the peer's endpoint), or because an authentic, fresh
// packet came by it. A challenge of 8 random bytes, answered by the same way, proves it; until then at most three times what
// came from there is sent there (RFC 9000, 8.1), but for the challenges to the control plane's own candidates. An active
// path is pinged, and is validated anew when it has been silent.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "bond/frames.h"
#include "bond/types.h"
#include "net/endpoint.h"

namespace weft::bond {

enum class PathPhase : uint8_t { kFree = 0, kCandidate = 1, kValidating = 2, kActive = 3 };

class Paths {
 public:
  struct Path {
    PathPhase phase = PathPhase::kFree;
    net::Path way;
    bool configured = false;       // the control plane asked for it
    PathId remote = kNoPath;       // the peer's number of it
    uint32_t generation = 0;       // of this place in the table
    uint64_t rtt_ns = 0;           // smoothed (RFC 6298); 0 = unknown
    uint64_t min_rtt_ns = 0;
    uint64_t last_received_ns = 0;
    uint32_t mtu = 0;              // largest UDP payload proven (RFC 8899)
  };
  // What changed, for the sender and the control plane.
  struct Change {
    enum class Kind : uint8_t { kActive, kRtt, kMtu, kGone } kind;
    PathId path;
  };
  struct Outgoing {
    PathId path;
    Frame frame;
  };

  explicit Paths(uint64_t seed);

  const Path& operator[](PathId id) const { return paths_[id]; }
  PathId find(const net::Path& way) const;

  void set_candidates(uint64_t now, std::span<const net::Path> ways);
  // See Bond::arrived.
  PathId arrived(uint64_t now, const net::Path& way, uint32_t bytes, bool fresh);
  // Ping, Pong, Challenge, Response. `remote`: the number that the peer gave the path.
  void receive(uint64_t now, PathId path, PathId remote, const Frame& frame);

  uint64_t next_deadline() const;
  void advance(uint64_t now);
  std::vector<Outgoing> take_frames();
  std::vector<Change> take_changes();

 private:
  // Completed by the implementation.
  std::array<Path, kMaxPaths> paths_{};
};

}  // namespace weft::bond
