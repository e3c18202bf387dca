// What has been sent lately, by the order of counters, and by path: what reports and requests for repair are told from.
//
// Counters begin at 0 in every session; here they go on over sessions, as `order`: the session's base plus the counter.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "bond/lazy_array.h"
#include "bond/types.h"

namespace weft::bond {

// Packets remembered: 0.1 s at 10 Gbit/s, and the size of the replay window of a bonded session.
inline constexpr uint64_t kRemembered = uint64_t{1} << 17;

struct SentPacket {
  uint64_t key = 0;       // order + 1; 0 = none
  uint64_t position = 0;  // in its path's store
  uint64_t left_ns = 0;   // when it left by its own path; kNever: it waits
  uint64_t resent_ns = 0;
  uint16_t length = 0;    // UDP payload
  PathId path = kNoPath;  // its own, whose store has it
  Class cls = Class::kBulk;
  uint8_t traffic_class = 0;
  uint8_t resent = 0;     // times
  bool given_up = false;  // not to be repaired
};

class SentRing {
 public:
  SentRing() : packets_(kRemembered) {}

  // The order of a session's counter. None: not this session or the one before.
  std::optional<uint64_t> order_of(SessionIndex session, uint64_t counter) const;
  // Counters begin at 0 again.
  void start_session(SessionIndex session);

  // A new entry for the current session's counter; the order is in `order`.
  SentPacket& add(uint64_t counter, uint64_t& order);
  void skip(uint64_t counter);
  // Null: never sent, no data packet, or too long ago.
  SentPacket* find(uint64_t order);
  const SentPacket* find(uint64_t order) const { return const_cast<SentRing*>(this)->find(order); }

 private:
  struct Session {
    bool known = false;
    SessionIndex index = 0;
    uint64_t base = 0;
    uint64_t counters = 0;  // used of it: the next
  };
  uint64_t use(uint64_t counter);

  LazyArray<SentPacket> packets_;
  Session current_, previous_;
};

// The bulk packets of one path, in the order in which they leave by it, copies for it included: a queue of what waits,
// and behind it what has left. A packet's place counts from the path's beginning, as does the receiver's count of those
// that came.
class PathLog {
 public:
  PathLog() : entries_(kRemembered) {}

  // Orders ascend. `earliest`: when it may leave; replaced by the time when it does.
  void push(uint64_t order, uint64_t earliest) { entries_[taken_++ % kRemembered] = {order, earliest}; }
  bool waiting() const { return left_ != taken_; }
  uint64_t waiting_count() const { return taken_ - left_; }
  uint64_t front_order() const { return entries_[left_ % kRemembered].order; }
  uint64_t front_earliest() const { return entries_[left_ % kRemembered].time; }
  void pop(uint64_t now) { entries_[left_++ % kRemembered].time = now; }

  // Takes back all that waits, as if it had never been placed here.
  template <typename Out>
  void drop_waiting(Out& orders) {
    for (uint64_t n = left_; n != taken_; ++n) orders.push_back(entries_[n % kRemembered].order);
    taken_ = left_;
  }

  uint64_t left() const { return left_; }
  // How many have left up to this order. None: too long ago to say, or nothing has left.
  std::optional<uint64_t> count_until(uint64_t order) const;
  // When this very packet left by this path.
  std::optional<uint64_t> left_at(uint64_t order) const;
  // Order of the n-th that left, n counted from 1; it is remembered.
  uint64_t nth(uint64_t n) const { return entries_[(n - 1) % kRemembered].order; }
  // First place, counted from 1, that is still remembered.
  uint64_t oldest() const { return taken_ > kRemembered ? taken_ - kRemembered + 1 : 1; }

 private:
  struct Entry {
    uint64_t order;
    uint64_t time;
  };
  LazyArray<Entry> entries_;
  uint64_t taken_ = 0;
  uint64_t left_ = 0;
};

}  // namespace weft::bond
