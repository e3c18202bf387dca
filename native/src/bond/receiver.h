// The receiving half of a bond: order among packets that came by several paths, and what their sender is told of it.
//
//   receive      PathMarks: what has come by each path
//     -> Reorder       bulk, in the order of counters: released when all before it came, are proven lost, or its hole's
//                      deadline is over; late packets at once
//     -> LatencyOrder  the latency class, by its own 16-bit sequence
//     -> Released      for the host's stack
//   report_due, nack_due
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "bond/frames.h"
#include "bond/types.h"

namespace weft::bond {

// Packets for the host's stack, in order. Those that did not wait still are where the caller received them; the others
// live until clear().
class Released {
 public:
  struct Packet {
    uint8_t* data;
    uint32_t length;
  };
  std::span<const Packet> packets() const { return packets_; }
  void add(uint8_t* data, uint32_t length) { packets_.push_back({data, length}); }
  void add(std::unique_ptr<uint8_t[]> data, uint32_t length) {
    add(data.get(), length);
    held_.push_back(std::move(data));
  }
  void clear() {
    packets_.clear();
    held_.clear();
  }

 private:
  std::vector<Packet> packets_;
  std::vector<std::unique_ptr<uint8_t[]>> held_;
};

// One packet that authenticated and is no replay.
struct Arrival {
  PathId path = kNoPath;  // in our own numbers; kNoPath: by a way that is not known yet
  SessionIndex session = 0;
  uint64_t counter = 0;
  Class cls = Class::kBulk;
  uint16_t latency_sequence = 0;
  uint32_t wire_bytes = 0;  // UDP payload
  // The inner packet. Empty: nothing to deliver (a control frame, a keepalive, or refused by its address): it only
  // takes its place in the order.
  std::span<uint8_t> packet;
};

class Receiver {
 public:
  Receiver();
  ~Receiver();

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
  // At 25 ms while packets come, 5 ms while there are holes, every second when idle, at once on a new hole.
  std::optional<Report> report_due(uint64_t now);
  std::optional<Nack> nack_due(uint64_t now);

  struct Status {
    uint32_t buffered = 0;
    uint64_t delivered = 0, late = 0, proven_lost = 0, timed_out = 0, overflowed = 0;
    double longest_hold_ms = 0;
  };
  Status status() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;  // to be replaced by members as the parts take shape
};

}  // namespace weft::bond
