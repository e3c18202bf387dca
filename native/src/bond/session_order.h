// One continuous order over all transport sessions: (session, counter) <-> order. A rekey in mid-flow begins a session
// at counter 0 while the last packets of the one before may still be under way by a slower path.
//
// A session's place in the order is fixed when its first packet comes: behind all that came before, with a gap for
// those that are still to come. The gap looks like a hole and is proven like one; no packet was ever in it.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "bond/types.h"

namespace weft::bond {

// Orders wrap modulo 2^64: compare them by ahead().
class SessionOrder {
 public:
  // The counters of the session before may come so far beyond the highest one seen.
  static constexpr uint64_t kGap = uint64_t{1} << 14;

  // The orders [base, end) of a session by which packets came; base is the order of its counter 0.
  struct Extent {
    SessionIndex session = 0;
    uint64_t base = 0;
    uint64_t end = 0;
  };

  // A session under which packets may come from now on. Again: nothing.
  void start(SessionIndex session);
  // Of a packet that came. None: the session is unknown, or its counter ran beyond the gap after the next had begun;
  // such a packet has no place.
  std::optional<uint64_t> order(SessionIndex session, uint64_t counter);
  // The first session that has an order at or behind this.
  std::optional<Extent> extent_from(uint64_t order) const;
  // How many of the orders [first, end) lie in gaps.
  uint64_t gap_within(uint64_t first, uint64_t end) const;
  // The session that began last, among those by which packets came; none yet: 0.
  SessionIndex newest() const { return count_ == 0 ? 0 : sessions_[0].session; }
  // The first counter of that session that is not before `order`.
  uint64_t counter_in_newest(uint64_t order) const;

 private:
  static constexpr uint32_t kKept = 3;     // as many as there are receiving key slots
  static constexpr uint32_t kAwaited = 3;  // a session that never carries anything is forgotten

  std::optional<uint64_t> begin(SessionIndex session, uint64_t counter);

  std::array<Extent, kKept> sessions_{};  // the newest first
  uint32_t count_ = 0;
  std::array<SessionIndex, kAwaited> awaited_{};  // no packet came yet, the newest first
  uint32_t awaited_count_ = 0;
};

}  // namespace weft::bond
