// The gate in front of the control plane for gossip: which datagrams of the mesh are worth its time. Whoever answers
// us, or has a session with us, names a token that we drew, and nobody can make one up: those have rates of their own,
// which no flood from forged addresses uses up.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "net/endpoint.h"
#include "util/token_bucket.h"

namespace weft::engine {

class GossipGate {
 public:
  GossipGate();

  // Closed at first: a node outside of any mesh takes gossip for junk. `token_key`: 32 bytes, copied; it marks the
  // tokens that are ours. Empty: closed again.
  void open(std::span<const uint8_t> token_key);
  bool is_open() const { return open_; }

  enum class Verdict : uint8_t { kPass, kUnknownToken, kRateLimited };
  // `message`: at least a type.
  Verdict judge(std::span<const uint8_t> message, const net::Endpoint& source, uint64_t now);

 private:
  static constexpr size_t kBuckets = 4096;

  bool is_ours(std::span<const uint8_t> message) const;

  bool open_ = false;
  std::array<uint8_t, 32> token_key_{};
  TokenBucket strangers_;
  TokenBucket known_;
  std::array<uint8_t, 32> source_key_;  // so that nobody can choose whom to share a bucket with
  std::vector<TokenBucket> sources_;
  std::vector<TokenBucket> tokens_;
};

}  // namespace weft::engine
