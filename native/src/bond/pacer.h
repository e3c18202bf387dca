// When what has been placed on a path leaves. Three queues, the first one first:
//
//   priority   latency and sparse: at once, but what they take of the path's rate is paid for
//   repairs    at the path's rate, ahead of bulk: the receiver waits for them
//   bulk       at the path's rate, and not before a time of its own (the equaliser's pad)
//
// Nothing passes what waits before it in its own queue. An unpaced path (the only one) sends all at once.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "bond/ciphertext_store.h"
#include "bond/sent_ring.h"
#include "bond/types.h"

namespace weft::bond {

class Pacer {
 public:
  // What is due within this time leaves now, so that runs form at high rates.
  static constexpr uint64_t kHorizonNs = kNanosPerMilli / 2;
  // What was not sent as nobody pumped is made up for, up to this.
  static constexpr uint64_t kCatchUpNs = 4 * kNanosPerMilli;

  void set_rate(double bits_per_second) { rate_ = bits_per_second; }
  double rate() const { return rate_; }
  void set_paced(bool paced) { paced_ = paced; }
  uint64_t serialization_ns(uint32_t bytes) const { return static_cast<uint64_t>(bytes * 8e9 / rate_); }

  // How long bulk that comes now has to wait for what is before it.
  uint64_t wait_ns(uint64_t now) const;
  uint32_t queued_bytes() const { return queued_bytes_; }

  // Places a packet; bulk leaves not before `earliest`.
  void place_bulk(uint64_t order, uint32_t bytes, uint64_t earliest);
  void place_priority(uint64_t order);
  void place_repair(uint64_t order, uint32_t bytes);

  // The order of what leaves next, and what it was. False: nothing is due.
  enum class Kind : uint8_t { kPriority, kRepair, kBulk };
  bool due(uint64_t now, uint64_t& order, Kind& kind) const;
  // It leaves.
  void leave(uint64_t now, Kind kind, uint32_t bytes);
  // Takes all that waits, of every kind; the caller finds another path for it.
  void take_waiting(uint64_t now, std::vector<uint64_t>& orders);

  uint64_t next_deadline() const;
  const PathLog& log() const { return log_; }

 private:
  // A queue of orders that allocates only to grow.
  class Orders {
   public:
    bool empty() const { return first_ == orders_.size(); }
    size_t size() const { return orders_.size() - first_; }
    void push(uint64_t order);
    uint64_t front() const { return orders_[first_]; }
    void pop() { ++first_; }

   private:
    std::vector<uint64_t> orders_;
    size_t first_ = 0;
  };
  // `ready`: since when it could have left.
  void pay(uint64_t now, uint64_t ready, uint32_t bytes);

  double rate_ = 1e6;
  bool paced_ = true;
  uint64_t free_ns_ = 0;       // when all that left will have been carried: lags behind the clock if pumped late
  uint32_t queued_bytes_ = 0;  // bulk and repairs that wait
  PathLog log_;
  Orders priority_;
  Orders repairs_;
};

}  // namespace weft::bond
