// Whether what is sent by a way arrives at the peer: challenges until one is answered by the same way, and how much may
// be sent there before (RFC 9000, 8.1 and 8.2).
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>

#include "bond/round_trip.h"
#include "bond/types.h"

namespace weft::bond {

class PathValidation {
 public:
  static constexpr uint32_t kAmplification = 3;
  static constexpr uint32_t kTries = 3;
  static constexpr uint64_t kFirstIntervalNs = 250 * kNanosPerMilli;  // doubled for each try
  // A way that worked may work again at any time.
  static constexpr uint64_t kMostProvenIntervalNs = 2 * kNanosPerSecond;
  // What a peer names may be anybody's address. Below the half minute for which firewalls remember a datagram: two ends
  // behind such find each other, however their challenges fall.
  static constexpr uint64_t kMostIntervalNs = 25 * kNanosPerSecond;

  // Begins anew, with a first challenge at once and nothing to spend. `proven`: it was, and has fallen silent.
  void start(uint64_t now, bool proven) {
    most_interval_ns_ = proven ? kMostProvenIntervalNs : kMostIntervalNs;
    next_ns_ = now;
    tries_ = 0;
    credit_ = 0;
    in_flight_.clear();
  }
  // The other end gives a sign of life: three more tries, unless some are under way.
  void encourage(uint64_t now) {
    if (tries_ < kTries) return;
    tries_ = 0;
    next_ns_ = std::max(now, sent_ns_ + kFirstIntervalNs);
  }
  // All tries are over, long enough.
  bool exhausted() const { return tries_ > kTries; }
  uint64_t next_challenge_ns() const { return next_ns_; }
  void challenged(uint64_t now, uint64_t nonce) {
    in_flight_.add(now, nonce);
    sent_ns_ = now;
    next_ns_ = now + std::min(kFirstIntervalNs << tries_, most_interval_ns_);
    tries_ = std::min(tries_ + 1, kMostTries);
  }
  // The round trip, if that nonce was sent there.
  std::optional<uint64_t> answered(uint64_t now, uint64_t nonce) {
    const auto sent = in_flight_.take(nonce);
    return sent ? std::optional(now - std::min(now, *sent)) : std::nullopt;
  }

  // So many bytes of UDP payload came from there, or are owed to it.
  void earn(uint64_t bytes) { credit_ += bytes; }
  bool spend(uint64_t bytes) {
    if (bytes > credit_) return false;
    credit_ -= bytes;
    return true;
  }

 private:
  static constexpr uint32_t kMostTries = 16;  // counted; the interval has long been the longest

  uint64_t most_interval_ns_ = kMostIntervalNs;
  uint64_t next_ns_ = 0;
  uint64_t sent_ns_ = 0;
  uint32_t tries_ = 0;
  uint64_t credit_ = 0;
  TokensInFlight<kTries + 1> in_flight_;
};

}  // namespace weft::bond
