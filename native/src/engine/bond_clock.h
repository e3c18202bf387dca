// When the bonds have something to do by time alone: datagrams that are due, holes whose deadline is over, reports. The
// first lane looks after it; everybody who works on a bond says when that is next.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <utility>
#include <vector>

#include "bond/types.h"
#include "peer/peer.h"

namespace weft::engine {

class BondClock {
 public:
  // `wake` is called when the next time has come nearer.
  explicit BondClock(std::function<void()> wake) : wake_(std::move(wake)) {}

  // Peers that have a bond. Changes in exclusive sections.
  std::vector<peer::Peer*> peers;

  uint64_t next() const { return next_.load(); }
  // Until others say so, there is nothing.
  void clear() { next_.store(bond::kNever); }
  void expect(uint64_t deadline) {
    uint64_t next = next_.load();
    while (deadline < next) {
      if (!next_.compare_exchange_weak(next, deadline)) continue;
      wake_();
      return;
    }
  }

 private:
  std::function<void()> wake_;
  std::atomic<uint64_t> next_{bond::kNever};
};

}  // namespace weft::engine
