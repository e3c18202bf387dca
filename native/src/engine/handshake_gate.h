// The gate in front of the control plane: which handshake messages are worth its time (whitepaper 5.3, 5.4.4, 5.4.7).
// A flood costs a few hashes a datagram here, and the control plane a bounded number of messages a second.
//
//   mac1 wrong                      -> dropped
//   not under load                  -> passed
//   under load, mac2 right          -> passed, within the rate of its source
//   under load, mac2 wrong or none  -> answered with a cookie right here, so that a flood crowds nobody out
//
// The control plane owns the secret and renews it every two minutes: without a fresh one a few messages are passed up,
// which make it send one. It judges every message again by the same rules.
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
  enum class Verdict : uint8_t { kPass, kBadMac1, kNeedsCookie, kRateLimited };

  HandshakeGate() : sources_(kSources) {}

  // Our own public key; empty lets nothing pass.
  void set_public_key(std::span<const uint8_t> key);
  // 32 bytes: what cookies are made with from now on.
  void set_cookie_secret(std::span<const uint8_t> secret, uint64_t now);

  // `queued`: messages that wait for the control plane.
  Verdict judge(net::Kind kind, std::span<const uint8_t> message, const net::Endpoint& source, size_t queued,
                uint64_t now);

  // The answer to a message that needs a cookie: kCookieReplySize bytes.
  void make_cookie_reply(std::span<const uint8_t> message, const net::Endpoint& source, uint8_t* reply) const;

  bool under_load(uint64_t now) const { return now < under_load_until_ns_; }

 private:
  static constexpr size_t kSources = 4096;

  void note_arrival(size_t queued, uint64_t now);
  using Cookie = std::array<uint8_t, 16>;
  Cookie cookie_of(const net::Endpoint& source) const;
  bool has_cookie(std::span<const uint8_t> message, const net::Endpoint& source) const;
  TokenBucket& bucket_of(const net::Endpoint& source);

  std::optional<crypto::Mac1Key> mac1_;
  std::array<uint8_t, 32> cookie_reply_key_{};  // HASH("cookie--" | our public key)
  std::optional<std::array<uint8_t, 32>> secret_;
  uint64_t secret_set_ns_ = 0;
  uint64_t under_load_until_ns_ = 0;
  uint64_t window_start_ns_ = 0;
  uint32_t window_arrivals_ = 0;
  TokenBucket cookies_received_;
  TokenBucket cookies_sent_;
  TokenBucket secret_requests_;
  std::vector<TokenBucket> sources_;  // by a keyed hash of the address, so nobody can choose whom to share with
};

}  // namespace weft::engine
