// The receiving half of a bond: order among packets that came by several paths, and what their sender is told of it.
//
//   receive      SessionOrder: one order over all sessions
//     -> PathTally     what has come by each path, and how far it is
//     -> Reorder       bulk, in that order: released when all before it came, are proven lost, or its hole's
//                      deadline is over; late packets at once
//     -> LatencyOrder  the latency class, by its own 16-bit sequence
//     -> Released      for the host's stack
//   report_due, nack_due
//
// A hole is proven lost when every path that carries bulk has passed it, for as long as the sender asks to wait for
// stragglers and repairs. Its deadline is told by the first packet that waits behind it, however many follow: at least
// 1 ms, at most 250 ms later. When a path stops carrying both wait for what it may have been given, within 250 ms.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "bond/frames.h"
#include "bond/latency_order.h"
#include "bond/path_tally.h"
#include "bond/released.h"
#include "bond/reorder.h"
#include "bond/sequence.h"
#include "bond/session_order.h"
#include "bond/types.h"

namespace weft::bond {

// One packet that authenticated and is no replay.
struct Arrival {
  PathId path = kNoPath;  // in our own numbers; kNoPath: by a way that is not known yet
  SessionIndex session = 0;
  uint64_t counter = 0;
  Class cls = Class::kBulk;
  uint16_t latency_sequence = 0;
  uint32_t wire_bytes = 0;  // UDP payload
  // The inner packet. Empty: nothing to deliver (a control frame, a keepalive): it only takes its place in the order,
  // and its sender counts it on no path.
  std::span<uint8_t> packet;
  bool refused = false;  // not to be delivered, by its address, though its sender counts it
};

class Receiver {
 public:
  Receiver() { remote_of_.fill(kNoPath); }

  // Of a hole's deadline, while the sender has said nothing.
  static constexpr uint64_t kDefaultHoldNs = 100 * kNanosPerMilli;
  static constexpr uint64_t kMinHoldNs = kNanosPerMilli;
  static constexpr uint64_t kMaxHoldNs = 250 * kNanosPerMilli;

  // The peer's number of our path, known once it has spoken by it; reports name that.
  void set_remote_path(PathId path, PathId remote);
  void remove_path(PathId path);
  // A session under which packets may come from now on. Those of the one before are still waited for.
  void start_session(SessionIndex session);

  void receive(uint64_t now, const Arrival& arrival, Released& released);
  // Authentic, but its counter came before: a copy.
  void duplicate(uint64_t now, PathId path, SessionIndex session, uint64_t counter, Class cls, uint32_t wire_bytes);
  void on_path_state(uint64_t now, const PathState& state);

  // When expire(), report_due() or nack_due() has something; kNever = not before another packet.
  uint64_t next_deadline() const;
  void expire(uint64_t now, Released& released);
  // At 25 ms while packets come and for a moment after, 5 ms while some wait, then ever more rarely down to every
  // second, and not at all after 30 s of that.
  std::optional<Report> report_due(uint64_t now);
  // Goes with a report, while anything is missing.
  std::optional<Nack> nack_due(uint64_t now);

  // What came by one of our paths, authentic, copies included.
  struct Totals {
    uint64_t packets = 0;
    uint64_t bytes = 0;  // UDP payload
  };
  const Totals& totals(PathId path) const { return totals_[path]; }

  struct Status {
    uint32_t buffered = 0;
    uint64_t delivered = 0, late = 0, proven_lost = 0, timed_out = 0, overflowed = 0;
    double longest_hold_ms = 0;
  };
  Status status() const;

 private:
  // A path as its sender numbers it.
  struct RemotePath {
    PathTally tally;
    bool carries_bulk = false;
    uint64_t slack_ns = 0;
  };
  struct Stretch {
    uint64_t first, end;
  };

  void forget_if_unused(PathId remote);
  PathTally& tally_of(PathId path);
  void count(uint64_t now, PathId path, const PathTally::Bulk* bulk, uint32_t wire_bytes);
  // To the host, but for what waits for its turn by its order.
  void deliver_at_once(uint64_t now, const Arrival& arrival, Released& released);

  // By the sender's numbers: the paths that must have passed a hole.
  PathSet carrying(uint64_t now) const;
  uint64_t wait_on(const RemotePath& path) const { return path.slack_ns + repair_ns_; }
  // All that is missing below is lost; none: some path has not come so far.
  std::optional<uint64_t> proven_below(uint64_t now) const;
  // When the next hole will be proven if nothing more comes; kNever: some path has not passed it.
  uint64_t proven_at() const;
  uint64_t hole_deadline() const { return std::max(reorder_.waiting_since() + hold_ns_, moved_until()); }
  // A path carries no more. It may have died; what it was given then comes by another, and nothing is given up until it
  // can be there.
  uint64_t moved_until() const { return std::min(moved_until_ns_, reorder_.waiting_since() + kMaxHoldNs); }
  // Gives up what is due.
  void settle(uint64_t now, Released& released);
  uint64_t give_up_below(uint64_t now, uint64_t order, Released& released);

  bool several_paths() const;
  uint64_t next_report() const;
  // The orders whose missing ones are listed now, ascending.
  std::vector<Stretch> suspects(uint64_t now);
  void list_missing(const Stretch& stretch, uint64_t base, Nack& nack);

  SessionOrder sessions_;
  Reorder reorder_;
  LatencyOrder latency_;
  SequenceWindow nacked_{Reorder::kSlots};  // what was reported missing

  std::array<PathId, kMaxPaths> remote_of_;   // by our path
  std::array<RemotePath, kMaxPaths> remote_;  // by the sender's
  std::array<PathTally, kMaxPaths> unknown_;  // by our path, while the sender's number is not known

  uint64_t state_ns_ = 0;  // when the last PathState was taken; 0: none yet
  uint32_t state_sequence_ = 0;
  uint64_t hold_ns_ = kDefaultHoldNs;
  uint64_t repair_ns_ = 0;
  uint64_t moved_until_ns_ = 0;

  uint64_t settled_ns_ = 0;   // when holes were last looked at
  uint64_t data_ns_ = 0;      // when something came that is no control frame; 0: never
  uint64_t reported_ns_ = 0;  // the last report; 0: none yet
  bool unreported_ = false;   // something came since
  bool nack_due_ = false;
  uint64_t full_nack_ns_ = 0;

  std::array<Totals, kMaxPaths> totals_{};
  uint64_t delivered_at_once_ = 0;
  uint64_t proven_lost_ = 0;
  uint64_t timed_out_ = 0;
};

}  // namespace weft::bond
