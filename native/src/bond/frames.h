// Control frames of a bond: plaintexts of ordinary transport messages that begin with 0xB1, which no IP packet does, so
// a plain WireGuard peer drops them (it never gets one: they need the capability `bond/1`). The session authenticates
// them and keeps replays out. docs/protocol.md has the bytes.
//
//   0     0xB1
//   1     FrameType
//   2     the sender's PathId of the path that it leaves by; kNoPath: of no particular one
//   3     0
//   4     body, little-endian; then zeros up to at least kMinFrame, and to a multiple of 16
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <variant>
#include <vector>

#include "bond/types.h"

namespace weft::bond {

inline constexpr uint8_t kFrameMagic = 0xB1;
inline constexpr uint32_t kMinFrame = 32;
inline constexpr uint32_t kMaxFrame = 1200;  // nothing is fragmented on the way

// Asks for a Pong at once. `padding`: so many bytes of plaintext in all, just those, to probe the path's MTU (RFC
// 8899); 0 = least.
struct Ping {
  uint64_t token = 0;  // the sender's, echoed
  uint16_t padding = 0;
  bool operator==(const Ping&) const = default;
};
struct Pong {
  uint64_t token = 0;
  bool operator==(const Pong&) const = default;
};

// Proves that the address at the other end receives what is sent to it, before more than a little is (QUIC's path
// validation, RFC 9000, 8.2).
struct Challenge {
  uint64_t nonce = 0;
  bool operator==(const Challenge&) const = default;
};
struct Response {
  uint64_t nonce = 0;
  bool operator==(const Response&) const = default;
};

// The receiver's view of one of the data sender's paths. All counts are since the path began, over all sessions.
struct PathReport {
  static constexpr uint32_t kMaxSamples = 8;
  // When a bulk packet came in: what one-way delays are told from. Clocks need not agree: only differences are used.
  struct Sample {
    uint32_t below_highest = 0;  // its counter is `highest` less this
    uint32_t age_us = 0;         // before the report's time
    bool operator==(const Sample&) const = default;
  };

  PathId path = kNoPath;     // in the data sender's numbers
  bool has_highest = false;  // a bulk packet of this session came by it
  uint64_t highest = 0;      // counter: the highest bulk packet of this session that came by it
  uint64_t received = 0;     // bulk packets that came by it, each once, copies too, repairs not
  uint64_t bytes = 0;        // all that came by it, as UDP payload
  uint64_t last_age_us = 0;  // since anything authentic came by it
  uint8_t samples = 0;
  std::array<Sample, kMaxSamples> sample{};
  bool operator==(const PathReport&) const = default;
};

struct Report {
  SessionIndex session = 0;
  uint64_t time_us = 0;   // the receiver's clock
  uint64_t next = 0;      // the lowest counter that is neither received nor given up
  uint32_t buffered = 0;  // packets that wait for their turn
  uint8_t paths = 0;
  std::array<PathReport, kMaxPaths> path{};
  bool operator==(const Report&) const = default;
};

// Counters that are missing although later ones came, in ascending ranges. Most are merely on their way by a slower
// path: the sender knows which path each took. Each is listed when a path has lately passed it, and often once all
// have.
struct Nack {
  static constexpr uint32_t kMaxRanges = 256;
  static constexpr uint32_t kMaxCounters = 8192;  // in all: what its receiver has to look up
  struct Range {
    uint64_t first = 0;
    uint16_t count = 0;
    bool operator==(const Range&) const = default;
  };
  SessionIndex session = 0;
  std::vector<Range> ranges;  // at most kMaxRanges
  bool operator==(const Nack&) const = default;
};

// What the data sender tells the receiver of its paths: who is to be waited for, and how long.
struct PathState {
  struct Entry {
    PathId path = kNoPath;
    bool carries_bulk = false;  // its mark counts: packets are being sent by it
    uint32_t slack_us = 0;      // how much later than its successors a packet may come on this path
    bool operator==(const Entry&) const = default;
  };
  uint32_t sequence = 0;   // the newest counts
  uint32_t hold_us = 0;    // the longest that a hole may hold up what is behind it
  uint32_t repair_us = 0;  // how long a packet that is proven lost is still waited for; 0 = not at all
  uint8_t paths = 0;
  std::array<Entry, kMaxPaths> path{};
  bool operator==(const PathState&) const = default;
};

using Frame = std::variant<Ping, Pong, Challenge, Response, Report, Nack, PathState>;

// The plaintext of a frame. Fits kMaxFrame, but for a padded Ping; the ranges of a Nack that would not are left out.
std::vector<uint8_t> encode_frame(PathId path, const Frame& frame);

struct DecodedFrame {
  PathId path;
  Frame frame;
};
// None: malformed, or of an unknown type. `plaintext` begins with kFrameMagic.
std::optional<DecodedFrame> decode_frame(std::span<const uint8_t> plaintext);

inline bool is_frame(std::span<const uint8_t> plaintext) { return !plaintext.empty() && plaintext[0] == kFrameMagic; }

}  // namespace weft::bond
