// Makes paths of different delay look like one pipe to what measures its round trip (BBR): what goes by the faster
// paths leaves later, by the `pad`, so that everything takes as long as by the slowest.
//
// Without it such a flow never builds the queue that makes earliest delivery use the slow path. The pad cannot simply
// be switched on: BBR keeps the least round trip of 10 s, sends at most two of them at once, and starves if round trips
// more than double meanwhile. So either
//   early   flows are padded from their first packet, if the bond's flows have needed it before (or nothing is known
//   yet), or rung    the pad goes as far as is free, until the 10 s are over, and then all the way.
#pragma once

#include <array>
#include <cstdint>

#include "bond/types.h"

namespace weft::bond {

class Equaliser {
 public:
  struct PathFigures {
    bool usable = false;
    bool starting = false;
    uint64_t delay_ns = 0;  // one way without queue, above that of the fastest there is
    double rate = 0;        // bits/s
    double best = 0;        // the most that was ever delivered
    double delivered = 0;
    double offered = 0;
  };
  struct Step {
    uint64_t now = 0;
    uint64_t waited_ns = 0;    // when bulk last had to wait for a path; 0 = never
    uint64_t fast_rtt_ns = 0;  // without queue
    std::array<PathFigures, kMaxPaths> path{};
  };
  // A control step, every 25 ms.
  void step(const Step& step);

  // Whether a flow that begins now is to be padded from its first packet.
  bool wants_early() const { return early_possible_; }
  void on_early_flow(uint64_t now);
  // A packet of a flow that was not: flows that are established are not to be surprised.
  void on_established_bulk(uint64_t now);

  uint64_t pad_ns() const { return pad_ns_; }
  // Flows that pause are to come back as what they were.
  bool padding() const { return pad_ns_ > 0; }
  enum class Phase : uint8_t { kOff, kEarly, kRung, kFull };
  Phase phase() const { return phase_; }

 private:
  struct View {
    uint64_t difference_ns = 0;  // of the slowest usable path to the fastest
    double fast_rate = 0, fast_offered = 0, fast_best = 0;
    bool fast_starting = false;
    double others = 0;     // what they would carry
    double spare = 0;      // of that, what is not used
    double delivered = 0;  // by all
    uint32_t usable = 0;
  };
  static View look(const Step& step);
  void enter(uint64_t now, Phase phase, uint64_t pad_ns);
  void off(const Step& step, const View& view);
  void padded(const Step& step, const View& view);

  Phase phase_ = Phase::kOff;
  uint64_t pad_ns_ = 0;
  uint64_t since_ns_ = 0;       // of the phase
  uint64_t difference_ns_ = 0;  // as of the last step
  bool early_possible_ = false;
  uint32_t early_credit_ = 8;  // flows that may be padded early before one turns out to need it
  uint64_t last_unpadded_ns_ = 0;
  uint64_t unpadded_since_ns_ = 0;  // the established flow's beginning, as far as we know
  uint64_t last_busy_ns_ = 0;
  uint64_t alone_since_ns_ = 0;  // only one path is usable
  uint64_t not_before_ns_ = 0;   // after a roll-back
  double score_ = 0;             // of the conditions of the start, 1 = held for a second
  double before_ = 0;            // delivered before
  bool judged_ = true;
};

}  // namespace weft::bond
