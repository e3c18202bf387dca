// The table of ways to a peer: which there are, which are proven, how long a round trip takes.
//
//   candidate -> validating -> active -> (silent) validating -> active | gone
//
// A way begins as a candidate of the control plane (local uplink x the peer's endpoint), or because an authentic, fresh
// packet came by it. A challenge of 8 random bytes, answered by the same way, proves it; until then at most three times
// what came from there is sent there (RFC 9000, 8.1), but for the challenges to the control plane's own candidates. An
// active path is pinged, and is validated anew when no ping has been answered for long: that something comes from an
// address does not show that the peer is still there. What came uninvited displaces of what was asked for only what
// does not answer, and only until there is room again.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "bond/frames.h"
#include "bond/nonce_source.h"
#include "bond/path_mtu.h"
#include "bond/path_validation.h"
#include "bond/round_trip.h"
#include "bond/types.h"
#include "net/endpoint.h"

namespace weft::bond {

// kCandidate: no challenge has been sent yet.
enum class PathPhase : uint8_t { kFree = 0, kCandidate = 1, kValidating = 2, kActive = 3 };

class Paths {
 public:
  struct Path {
    PathPhase phase = PathPhase::kFree;
    net::Path way;
    bool configured = false;  // the control plane asked for it
    PathId remote = kNoPath;  // the peer's number of it
    uint32_t generation = 0;  // of this place in the table
    uint64_t rtt_ns = 0;      // smoothed (RFC 6298); 0 = unknown
    uint64_t min_rtt_ns = 0;
    uint64_t last_received_ns = 0;
    uint32_t mtu = 0;  // largest UDP payload to be sent (RFC 8899)
  };
  // What changed, for the sender and the control plane.
  struct Change {
    enum class Kind : uint8_t {
      kActive,  // validated
      kRtt,
      kMtu,
      kLost,  // active no more: silent, and being validated anew
      kGone,  // its place in the table is free
    } kind;
    PathId path;
  };
  struct Outgoing {
    PathId path;
    Frame frame;
  };

  static constexpr uint64_t kSilentNs = 15 * kNanosPerSecond;
  static constexpr uint64_t kCandidateNs = 10 * kNanosPerSecond;  // uninvited, to prove itself
  static constexpr uint32_t kMaxUninvited = 2;                    // candidates at a time
  static constexpr uint64_t kLoadedPingNs = 200 * kNanosPerMilli;
  static constexpr uint64_t kIdlePingNs = kNanosPerSecond;
  // More than pings and their answers, between two pings.
  static constexpr uint64_t kLoadedBytes = 2000;
  static constexpr uint32_t kMaxFrames = 64;  // that wait to be taken; more are not answered

  explicit Paths(uint64_t seed) : nonces_(seed) {}

  const Path& operator[](PathId id) const { return paths_[id]; }
  PathId find(const net::Path& way) const;

  void set_candidates(uint64_t now, std::span<const net::Path> ways);
  // Without a session nothing was sent: what is not proven is tried anew.
  void session_started();
  // See Bond::arrived.
  PathId arrived(uint64_t now, const net::Path& way, uint32_t bytes, bool fresh);
  // Ping, Pong, Challenge, Response. `remote`: the number that the peer gave the path.
  void receive(uint64_t now, PathId path, PathId remote, const Frame& frame);

  uint64_t next_deadline() const;
  void advance(uint64_t now);
  std::vector<Outgoing> take_frames();
  std::vector<Change> take_changes();

 private:
  struct Work {
    PathValidation validation;
    uint64_t since_ns = 0;  // in the table, or silent
    RoundTrip round_trip;
    TokensInFlight<kSilentNs / kLoadedPingNs + 1> pings;
    uint64_t pinged_ns = 0;
    uint64_t answered_ns = 0;  // the last challenge or ping
    uint64_t bytes = 0;        // that came since
    PathMtu mtu;
  };

  // For what came uninvited.
  PathId free_place() const;
  // The last of what was asked for that has not answered.
  PathId unanswering() const;
  // A place for what the control plane asks for, at the cost of what came uninvited.
  PathId place_for_configured();
  void occupy(uint64_t now, PathId id, const net::Path& way, bool configured);
  void vacate(PathId id);
  // `displacing`: what came uninvited makes room.
  void seat_wanted(uint64_t now, bool displacing);

  void validated(uint64_t now, PathId id);
  // The path whose address changed to that of the candidate `id`; kNoPath: none.
  PathId predecessor(PathId id) const;
  void take_over(uint64_t now, PathId old, PathId candidate);
  void pong(uint64_t now, PathId id, uint64_t token);
  void note_mtu(PathId id);

  void advance_validation(uint64_t now, PathId id);
  void advance_active(uint64_t now, PathId id);
  uint64_t deadline_of(PathId id) const;
  uint64_t next_ping_ns(const Work& work) const;
  void ping(uint64_t now, PathId id);
  bool loaded(const Work& work) const { return work.bytes > kLoadedBytes; }
  // False: not now, as the way is not proven or too many wait.
  bool send(PathId id, const Frame& frame, bool free_of_charge = false);

  std::array<Path, kMaxPaths> paths_{};
  std::array<Work, kMaxPaths> work_{};
  std::vector<net::Path> wanted_;
  NonceSource nonces_;
  std::vector<Outgoing> frames_;
  std::vector<Change> changes_;
};

}  // namespace weft::bond
