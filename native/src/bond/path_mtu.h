// The largest UDP payload that a path carries, found by pings padded to a size (DPLPMTUD, RFC 8899).
//
//   searching   the upper limit first, which is taken for granted until three probes of it are lost, as it would be
//   without
//               a bond; then halving the interval, three tries a size
//   found       the size in use is confirmed while there is traffic; three lost while the path lives: black hole, back
//   to the base
#pragma once

#include <cstdint>
#include <optional>

#include "util/clock.h"

namespace weft::bond {

class PathMtu {
 public:
  // What every path is taken to carry: IPv6's minimum less the headers of IPv6 and UDP.
  static constexpr uint32_t kBase = 1280 - 48;
  static constexpr uint32_t kStep = 16;  // not looked at any closer
  static constexpr uint32_t kTries = 3;
  static constexpr uint64_t kConfirmNs = kNanosPerSecond;
  static constexpr uint64_t kRaiseNs = 600 * kNanosPerSecond;  // PMTU_RAISE_TIMER

  // Begins a search. `limit`: what the local link carries.
  void start(uint64_t now, uint32_t limit);

  // The largest payload to be sent.
  uint32_t size() const { return refused_ > limit_ ? limit_ : proven_; }
  // The size of the probe that is due. `loaded`: the path carries traffic.
  std::optional<uint32_t> probe_due(uint64_t now, bool loaded) const;
  uint64_t next_deadline(bool loaded) const;
  // The probe was sent, and is lost if it stays unanswered for `timeout_ns`.
  void sent(uint64_t now, uint32_t size, uint64_t token, uint64_t timeout_ns);
  // True if size() changed.
  bool answered(uint64_t now, uint64_t token);
  // A look at what is overdue; `heard_ns`: when anything last came by the path. True if size() changed.
  bool expire(uint64_t now, uint64_t heard_ns);

 private:
  bool searching() const { return proven_ < limit_ && refused_ > proven_ + kStep; }
  uint32_t next_size() const;

  uint32_t limit_ = kBase;
  uint32_t proven_ = kBase;
  uint32_t refused_ = kBase + 1;  // the least size that is known not to fit; past the limit: none is
  uint32_t tries_ = 0;            // of the present size that were lost
  uint64_t settled_ns_ = 0;       // when the search ended or the size was last confirmed
  uint64_t searched_ns_ = 0;
  struct Probe {
    uint32_t size = 0;  // 0: none is under way
    uint64_t token = 0;
    uint64_t sent_ns = 0;
    uint64_t overdue_ns = 0;
  } probe_;
};

}  // namespace weft::bond
