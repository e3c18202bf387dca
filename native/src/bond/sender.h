// The sending half of a bond: which path each packet takes, and when it leaves.
//
//   classify        FlowClasses: latency, sparse or bulk
//     -> choose     Scheduler: the path that delivers it earliest; the pad of the equaliser; none: dropped, as all wait
//     too long
//     -> take       SentRing remembers it; room in the path's CiphertextStore, where the caller seals it
//     -> pump       Pacer: what is due leaves; copies for excluded paths (probes) and in redundant mode
//   and back, in sender_feedback.cc:
//     on_report     PathRate (capacity), LossJudge (policer or random), Exclusion, Equaliser (BBR)
//     on_nack       Repair: the same ciphertext again
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "bond/equaliser.h"
#include "bond/flow_classes.h"
#include "bond/frames.h"
#include "bond/repair.h"
#include "bond/scheduler.h"
#include "bond/sender_path.h"
#include "bond/sent_ring.h"
#include "bond/types.h"

namespace weft::bond {

// Where datagrams go. `data` holds `count` of `segment` bytes each, the last possibly shorter.
class Wire {
 public:
  virtual ~Wire() = default;
  // False: refused by the host, as its uplink is down.
  virtual bool send(PathId path, const uint8_t* data, uint32_t length, uint32_t segment, uint32_t count,
                    uint8_t traffic_class) = 0;
};

// A decision about one packet.
struct Placement {
  Class cls = Class::kBulk;
  PathId path = 0;
  uint64_t leave_ns = 0;
  PathSet copies = 0;  // further paths that get the same ciphertext
};

// What the control plane decides; the rest is measured here.
struct Policy {
  Mode mode = Mode::kAggregate;
  std::array<Role, kMaxPaths> role{};
  std::array<uint8_t, kMaxPaths> weight{};  // per cent, 10-100: how much of its measured rate the path is trusted with
  bool repair = true;
  std::vector<ClassRule> rules;
};

// A snapshot of a path, for the evaluator and for people.
struct PathStatus {
  Reason reason = Reason::kUnvalidated;
  bool capped = false;       // at what it carries without the losses that it has above, as behind a policer
  double rate_bps = 0;       // what it is believed to carry
  double delivered_bps = 0;  // what arrived lately
  double offered_bps = 0;    // what was sent lately
  double queue_delay_ms = 0;
  double delay_difference_ms = 0;  // one way, above that of the fastest
  double jitter_ms = 0;
  double loss = 0;  // of the last second's bulk, 0-1
  uint64_t sent_packets = 0;
  uint64_t sent_bytes = 0;
  uint64_t lost_packets = 0;  // in all
  uint64_t repaired_packets = 0;
};

class Sender {
 public:
  Sender();
  ~Sender();

  // A path that is validated now (or again): starts to be measured. `rtt_ns`: of its validation.
  void add_path(uint64_t now, PathId path, uint64_t rtt_ns, uint32_t mtu);
  void remove_path(uint64_t now, PathId path);
  void on_rtt(uint64_t now, PathId path, uint64_t rtt_ns);
  // The largest UDP payload that the path carries.
  void set_mtu(PathId path, uint32_t bytes);
  void set_policy(uint64_t now, const Policy& policy);

  // Packets are sealed under another session from here on, with counters from 0.
  void start_session(SessionIndex session);

  // `ip`: the inner packet's first bytes, at least its IP header; `length`: of all of it.
  Class classify(uint64_t now, std::span<const uint8_t> ip, uint32_t length);
  // None: it is to be dropped. `wire_bytes`: of its UDP payload.
  std::optional<Placement> choose(uint64_t now, Class cls, uint32_t wire_bytes);
  // Sequence number of the next latency packet's trailer.
  uint16_t next_latency_sequence();
  // Room for the message, which is to be written and sealed before pump(). Counters ascend.
  uint8_t* take(uint64_t now, const Placement& placement, uint64_t counter, uint32_t wire_bytes, uint8_t traffic_class);
  // This counter went to a control frame.
  void skip(uint64_t counter);

  // Sends what is due.
  void pump(uint64_t now, Wire& wire);
  // When pump() or tick() has something to do; kNever = not before another call.
  uint64_t next_deadline() const;
  // What happens by time alone: exclusion of silent paths, decay without reports.
  void tick(uint64_t now);

  // Something authentic came by this path.
  void heard(uint64_t now, PathId path);
  void on_report(uint64_t now, const Report& report);
  void on_nack(uint64_t now, const Nack& nack);
  // What the receiver is to know, if that changed or is due again.
  std::optional<PathState> path_state_due(uint64_t now);

  // The path for what belongs to no class: control frames, handshakes. kNoPath: none is validated.
  PathId best_path() const;
  // Those that carry something.
  PathSet active() const;
  // Nothing has been sent for so long that the receiver need not report.
  bool idle(uint64_t now) const;
  PathStatus status(uint64_t now, PathId path) const;

 private:
  // choose
  void refresh();  // which paths are usable, and how; after any change of that
  PathSet tier(Role role, bool alive_only) const;
  PathSet apart() const;
  void set_apart(uint64_t now);
  bool repairs() const;
  PathView view(uint64_t now, const SenderPath& path, uint32_t bytes) const;
  PathSet copies(uint64_t now, Class cls, uint32_t bytes, PathId chosen);
  // Who takes copies for a path that may be dead.
  PathId stand_in(PathId id) const;
  // The last of a call, which went by such a path, go by another too.
  void rescue_calls(PathId id, PathId by);
  // So do those that one which now goes by a faster path would pass: what comes after a later one is not played.
  void move_calls(uint64_t now, PathId to);
  void send_calls_again(PathId id, PathId by, uint64_t since);
  // pump
  void pump_path(uint64_t now, PathId id, Wire& wire);
  void left(uint64_t now, PathId id, Pacer::Kind kind, uint64_t order, SentPacket& packet);
  // feedback
  void apply(uint64_t now, const Report& report, const PathReport& figures);
  void control_step(uint64_t now, const Report& report);
  void step_rate(uint64_t now, const Report& report, SenderPath& path, uint64_t sent);
  void refresh_delays();
  void step_equaliser(uint64_t now);
  bool silent(uint64_t now, const Report& report, const PathReport& figures) const;
  void exclude_silent(uint64_t now, const Report& report);
  void exclude(uint64_t now, PathId id, Reason reason);
  void rejoin(PathId id);
  // Finds another path for what the excluded one was given and did not deliver.
  void evacuate(uint64_t now, PathId id, bool outstanding);
  void resend(uint64_t now, uint64_t order, SentPacket& packet, PathId by);
  PathState describe(uint64_t now) const;
  uint64_t fastest_rtt() const;
  PathId next_best(PathId best) const;
  // Whether one of the others could take over.
  bool another_lives(PathId id) const;
  // Whether they carry enough that a lossy one can be spared.
  bool others_suffice(PathId id) const;

  FlowClasses classes_;
  SentRing ring_;
  Repair repair_;
  Equaliser equaliser_;
  std::array<std::unique_ptr<SenderPath>, kMaxPaths> paths_;  // once added, they stay: what is under way goes on
  Policy policy_;
  PathSet validated_ = 0;
  PathSet ready_ = 0;   // fit to carry something, and of the best role
  PathSet usable_ = 0;  // of these, what the scheduler chooses from
  PathSet quick_ = 0;   // the same for what is not bulk
  PathSet excluded_ = 0;
  PathId chosen_ = kNoPath;  // the one, in latency mode
  bool paced_ = false;

  uint16_t latency_sequence_ = 0;
  uint32_t bulk_count_ = 0;  // every 16th is a probe for the excluded
  uint64_t last_probe_ns_ = 0;
  uint64_t last_taken_ns_ = 0;
  uint64_t last_wait_ns_ = 0;  // bulk had to wait
  bool waited_ = false;        // since the last step
  uint64_t wait_drops_ = 0;

  uint64_t last_nack_ns_ = 0;
  uint64_t last_report_ns_ = 0;
  uint64_t last_report_us_ = 0;  // the receiver's clock
  uint64_t last_step_ns_ = 0;
  uint64_t last_decay_ns_ = 0;
  std::vector<uint64_t> evacuated_;
  // Of the latency class, the last ones.
  struct CallPacket {
    uint64_t order = 0;
    uint64_t taken_ns = 0;
    PathId path = kNoPath;
    uint8_t again = 0;  // times sent again
  };
  static constexpr uint32_t kCallPackets = 64;
  std::array<CallPacket, kCallPackets> calls_{};
  uint32_t call_count_ = 0;
  uint64_t moved_ns_ = 0;  // when they were last sent again by a faster path

  PathState told_;
  uint64_t told_ns_ = 0;
  uint32_t told_again_ = 0;  // times left
};

}  // namespace weft::bond
