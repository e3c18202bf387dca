// The gate in front of the control plane for gossip: which datagrams of the mesh are worth its time. It cannot tell
// members from strangers, so it bounds what one source, and all of them together, can cost.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "net/endpoint.h"
#include "util/token_bucket.h"

namespace weft::engine {

class GossipGate {
 public:
  GossipGate();

  // Closed until told otherwise: a node outside of any mesh takes gossip for junk.
  void set_open(bool open) { open_ = open; }
  bool is_open() const { return open_; }

  // `hello`: from somebody who has no session yet. Hellos have a rate of their own, so that a flood of them leaves
  // those who have one alone.
  bool admit(const net::Endpoint& source, bool hello, uint64_t now);

 private:
  static constexpr size_t kSources = 4096;

  bool open_ = false;
  TokenBucket hellos_;
  TokenBucket others_;
  std::array<uint8_t, 32> key_;  // so that nobody can choose whom to share a bucket with
  std::vector<TokenBucket> sources_;
};

}  // namespace weft::engine
