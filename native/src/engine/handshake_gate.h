// The gate in front of the control plane: which handshake messages are worth its time (whitepaper 5.3, 5.4.4, 5.4.7).
// A flood costs a few hashes a datagram here, and the control plane a bounded number of messages a second.
//
//   mac1 wrong                      -> dropped
//   not under load                  -> passed
//   under load, mac2 right          -> passed, within the rate of its source
//   under load, mac2 wrong or none  -> passed within a small total rate, as only a cookie reply is due
//
// The control plane judges every message again by the same rules: it owns the secret, and the answer is its own.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "crypto/mac1.h"
#include "net/demux.h"
#include "net/endpoint.h"
#include "util/clock.h"
#include "util/token_bucket.h"

namespace weft::engine {

class HandshakeGate {
 public:
  enum class Verdict : uint8_t { kPass, kBadMac1, kRateLimited };

  HandshakeGate() : sources_(kSources) {}

  // Our own public key; empty lets nothing pass.
  void set_public_key(std::span<const uint8_t> key);
  // 32 bytes: what cookies are made with now.
  void set_cookie_secret(std::span<const uint8_t> secret);

  // `queued`: messages that wait for the control plane.
  Verdict judge(net::Kind kind, std::span<const uint8_t> message, const net::Endpoint& source, size_t queued,
                uint64_t now);

  bool under_load(uint64_t now) const { return now < under_load_until_ns_; }

 private:
  static constexpr size_t kSources = 4096;

  void note_arrival(size_t queued, uint64_t now);
  bool has_cookie(std::span<const uint8_t> message, const net::Endpoint& source) const;
  TokenBucket& bucket_of(const net::Endpoint& source);

  std::optional<crypto::Mac1Key> mac1_;
  std::optional<std::array<uint8_t, 32>> secret_;
  uint64_t under_load_until_ns_ = 0;
  uint64_t window_start_ns_ = 0;
  uint32_t window_arrivals_ = 0;
  TokenBucket cookie_replies_;  // to us
  TokenBucket without_cookie_;
  std::vector<TokenBucket> sources_;  // by a keyed hash of the address, so nobody can choose whom to share with
};

}  // namespace weft::engine
