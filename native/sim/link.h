// One direction of an uplink's way to the other end: what the internet does to datagrams.
//
//   send -> up? -> policer -> drop-tail queue, rate -> loss (random, bursts) -> delay, jitter -> (duplicate) -> arrive
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "sim/loop.h"
#include "sim/random.h"

namespace weft::sim {

// IPv4 and UDP headers, which count against the rate.
inline constexpr uint32_t kUdpOverhead = 28;

struct Datagram {
  uint32_t length = 0;       // UDP payload
  uint16_t source_port = 0;  // as the other end sees it
  uint16_t destination_port = 0;
  uint64_t sent_at = 0;
  std::vector<uint8_t> bytes;  // its beginning, as far as the simulation needs it
};

// What a link is like; may change at any time.
struct Shape {
  double rate_bps = 0;    // IP bits a second; 0 = unlimited
  double delay_ms = 10;   // one way
  double queue_ms = 100;  // what waits longer is dropped at the tail
  double jitter_ms = 0;   // 0 to this much more, evenly
  bool jitter_reorders = false;
  double loss = 0;  // each datagram by itself
  // Bursts (Gilbert and Elliott): chance a datagram of a good phase to end, of a bad one to end, and of loss within.
  double burst_begin = 0, burst_end = 0, burst_loss = 1;
  // Token bucket without a queue; 0 = none.
  double policer_bps = 0;
  double policer_burst_bytes = 15'000;
  double duplicate = 0;
  uint32_t mtu = 1500;      // IP bytes; what is longer vanishes
  bool black_hole = false;  // all vanishes
  bool unplugged = false;   // the host itself cannot send
};

class Link {
 public:
  struct Counters {
    uint64_t sent = 0, delivered = 0, delivered_bytes = 0;  // IP bytes
    uint64_t queue_drops = 0, random_drops = 0, policer_drops = 0, hole_drops = 0;
  };

  Link(Loop& loop, uint64_t seed, Shape shape, std::function<void(Datagram&&)> arrive);

  Shape shape;
  // False: unplugged.
  bool send(Datagram&& datagram);
  const Counters& counters() const { return counters_; }
  // What a datagram sent now would wait for others.
  uint64_t queue_ns() const { return busy_until_ > loop_.now() ? busy_until_ - loop_.now() : 0; }

 private:
  struct Flying {
    uint64_t at;
    uint64_t order;
    Datagram datagram;
    bool operator<(const Flying& o) const { return at != o.at ? at > o.at : order > o.order; }
  };
  bool policed(uint32_t bytes);
  bool lost();
  void fly(uint64_t at, Datagram&& datagram);
  void land();

  Loop& loop_;
  Random random_;
  std::function<void(Datagram&&)> arrive_;
  Alarm alarm_;
  Counters counters_;
  uint64_t busy_until_ = 0;
  uint64_t last_arrival_ = 0;
  double tokens_ = 0;
  uint64_t tokens_at_ = 0;
  bool bad_phase_ = false;
  uint64_t order_ = 0;
  std::vector<Flying> flying_;  // heap
};

}  // namespace weft::sim
