// How long a path's round trip takes: pings under way and what their answers tell (RFC 6298, 2).
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>

#include "util/clock.h"

namespace weft::bond {

// The tokens sent last, each with its time, until they come back.
template <uint32_t kSize>
class TokensInFlight {
 public:
  void add(uint64_t now, uint64_t token) { sent_[next_++ % kSize] = {token, now, true}; }
  // When it was sent; none: it was not, is too old, or has come back before.
  std::optional<uint64_t> take(uint64_t token) {
    for (Sent& sent : sent_) {
      if (!sent.in_flight || sent.token != token) continue;
      sent.in_flight = false;
      return sent.time_ns;
    }
    return std::nullopt;
  }
  void clear() { sent_ = {}; }

 private:
  struct Sent {
    uint64_t token;
    uint64_t time_ns;
    bool in_flight;
  };
  std::array<Sent, kSize> sent_{};
  uint32_t next_ = 0;
};

class RoundTrip {
 public:
  void sample(uint64_t rtt_ns) {
    rtt_ns = std::max<uint64_t>(rtt_ns, 1);
    if (smoothed_ns_ == 0) {
      smoothed_ns_ = rtt_ns;
      variation_ns_ = rtt_ns / 2;
      least_ns_ = rtt_ns;
      return;
    }
    const uint64_t error = std::max(smoothed_ns_, rtt_ns) - std::min(smoothed_ns_, rtt_ns);
    variation_ns_ = (3 * variation_ns_ + error) / 4;
    smoothed_ns_ = (7 * smoothed_ns_ + rtt_ns) / 8;
    least_ns_ = std::min(least_ns_, rtt_ns);
  }
  uint64_t smoothed_ns() const { return smoothed_ns_; }  // 0: unknown
  uint64_t least_ns() const { return least_ns_; }
  // After which something unanswered is lost.
  uint64_t timeout_ns() const {
    return std::clamp(smoothed_ns_ + 4 * variation_ns_, 250 * kNanosPerMilli, 3 * kNanosPerSecond);
  }

 private:
  uint64_t smoothed_ns_ = 0, variation_ns_ = 0, least_ns_ = 0;
};

}  // namespace weft::bond
