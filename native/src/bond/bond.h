// All uplinks between this node and one peer, as one: the two halves, the table of paths, and the control frames
// between the two ends. One thread at a time: the owner guards it by `mutex`, held also while what it releases is
// written to the TUN and what is due is sent, as both are in order.
//
//   out: classify -> choose -> (counter) take -> (seal) -> pump          in: receive | duplicate | refused -> released
//   by the clock: next_deadline() -> advance()
#pragma once

#include <cstdint>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

#include "bond/paths.h"
#include "bond/receiver.h"
#include "bond/sender.h"
#include "bond/types.h"

namespace weft::bond {

// A control frame to be sealed and sent at once, the same message on each of these paths.
struct OutgoingFrame {
  PathSet paths;
  std::vector<uint8_t> plaintext;
};

class Bond {
 public:
  std::mutex mutex;

  explicit Bond(uint64_t seed);  // of nonces: unpredictable

  Sender& sender() { return sender_; }
  Receiver& receiver() { return receiver_; }
  const Paths& paths() const { return paths_; }

  // The ways that are to be tried: replaces what was asked for before; others end.
  void set_candidates(uint64_t now, std::span<const net::Path> ways);
  void set_policy(uint64_t now, const Policy& policy);

  void start_sending_session(SessionIndex session);
  void start_receiving_session(SessionIndex session) { receiver_.start_session(session); }

  // An authentic message came by this way: its path; kNoPath, and a candidate from now on, if that is new. `bytes`: UDP
  // payload, which bounds what may be sent there before it is validated. `fresh`: no replay.
  PathId arrived(uint64_t now, const net::Path& way, uint32_t bytes, bool fresh);
  // The plaintext of a control frame that was no replay.
  void receive_frame(uint64_t now, PathId path, const net::Path& way, std::span<const uint8_t> plaintext);

  // After packets were taken, before they are pumped: the receiver must know which paths carry bulk before any comes by
  // them, or it would take what is still under way on a new one for lost. Then take_frames(), and only then pump.
  void announce(uint64_t now);

  // When advance() has something to do; past: frames wait to be taken.
  uint64_t next_deadline() const;
  // What is due by time: challenges, pings, reports, deadlines of holes. Then take_frames(), and pump the sender.
  void advance(uint64_t now, Released& released);
  std::vector<OutgoingFrame> take_frames();

 private:
  void queue(PathSet paths, PathId path, const Frame& frame);
  // For what belongs to no path: on two, as one may just be failing.
  void queue_on_best(const Frame& frame);
  // What the table of paths has decided.
  void take_from_paths(uint64_t now);

  Sender sender_;
  Receiver receiver_;
  Paths paths_;
  std::optional<SessionIndex> sending_session_;
  std::vector<OutgoingFrame> frames_;
};

}  // namespace weft::bond
