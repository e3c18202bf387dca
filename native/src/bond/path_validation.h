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
  static constexpr uint64_t kLaterIntervalNs = 2 * kNanosPerSecond;   // for good, if asked to

  // Begins anew, with a first challenge at once and nothing to spend.
  void start(uint64_t now) {
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
    const uint64_t interval = tries_ < kTries ? kFirstIntervalNs << tries_ : kLaterIntervalNs;
    tries_ = std::min(tries_ + 1, kTries + 1);
    next_ns_ = now + interval;
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
  uint64_t next_ns_ = 0;
  uint64_t sent_ns_ = 0;
  uint32_t tries_ = 0;
  uint64_t credit_ = 0;
  TokensInFlight<kTries + 1> in_flight_;
};

}  // namespace weft::bond
