#include "engine/handshake_gate.h"

#include <algorithm>

#include "crypto/blake2s.h"
#include "engine/control_queue.h"
#include "util/bytes.h"

namespace weft::engine {
namespace {

// Under load: an eighth of the queue is taken (as the kernel module), or so many arrive that it would be soon.
constexpr size_t kLoadedQueue = ControlQueue::kMaxDatagrams / 8;
constexpr uint64_t kWindowNs = 100 * kNanosPerMilli;
constexpr uint32_t kLoadedArrivals = 100;  // a window
constexpr uint64_t kStickyNs = kNanosPerSecond;

constexpr uint64_t kCookieReplyIntervalNs = kNanosPerMilli;
constexpr uint64_t kWithoutCookieIntervalNs = kNanosPerMilli;
constexpr uint64_t kBurst = 256;
// Coarser than the control plane's limit of 20 a second, since sources share buckets.
constexpr uint64_t kSourceIntervalNs = 20 * kNanosPerMilli;
constexpr uint64_t kSourceBurst = 10;

// The part of an address that one host is assumed to own: /32 or /64.
std::span<const uint8_t> prefix_of(const net::Endpoint& e) {
  if (e.is_v4()) return {reinterpret_cast<const uint8_t*>(&e.v4.sin_addr), 4};
  return {e.v6.sin6_addr.s6_addr, 8};
}

}  // namespace

void HandshakeGate::set_public_key(std::span<const uint8_t> key) {
  mac1_.reset();
  if (!key.empty()) mac1_.emplace(key.data());
}

void HandshakeGate::set_cookie_secret(std::span<const uint8_t> secret) {
  auto& copy = secret_.emplace();
  std::copy_n(secret.begin(), copy.size(), copy.begin());
}

HandshakeGate::Verdict HandshakeGate::judge(net::Kind kind, std::span<const uint8_t> message,
                                            const net::Endpoint& source, size_t queued, uint64_t now) {
  if (kind == net::Kind::kCookieReply) {  // carries no mac; authenticates only against what we sent
    return cookie_replies_.take(now, kCookieReplyIntervalNs, kBurst) ? Verdict::kPass : Verdict::kRateLimited;
  }
  if (!mac1_ || !mac1_->verify(message)) return Verdict::kBadMac1;
  note_arrival(queued, now);
  if (!under_load(now)) return Verdict::kPass;
  const bool allowed = has_cookie(message, source) ? bucket_of(source).take(now, kSourceIntervalNs, kSourceBurst)
                                                   : without_cookie_.take(now, kWithoutCookieIntervalNs, kBurst);
  return allowed ? Verdict::kPass : Verdict::kRateLimited;
}

void HandshakeGate::note_arrival(size_t queued, uint64_t now) {
  if (now >= window_start_ns_ + kWindowNs) {
    window_start_ns_ = now;
    window_arrivals_ = 0;
  }
  ++window_arrivals_;
  if (queued >= kLoadedQueue || window_arrivals_ >= kLoadedArrivals) under_load_until_ns_ = now + kStickyNs;
}

// mac2 = MAC(cookie, all before it), cookie = MAC(secret, address | port).
bool HandshakeGate::has_cookie(std::span<const uint8_t> message, const net::Endpoint& source) const {
  if (!secret_) return false;
  uint8_t place[18];
  size_t length;
  if (source.is_v4()) {
    std::memcpy(place, &source.v4.sin_addr, 4);
    length = 4;
  } else {
    std::memcpy(place, &source.v6.sin6_addr, 16);
    length = 16;
  }
  const in_port_t port = source.is_v4() ? source.v4.sin_port : source.v6.sin6_port;
  std::memcpy(place + length, &port, sizeof port);
  uint8_t cookie[crypto::kBlake2sMacSize];
  crypto::blake2s_mac(cookie, *secret_, {place, length + sizeof port});
  const auto covered = message.first(message.size() - crypto::kBlake2sMacSize);
  return crypto::mac_equals(cookie, covered, message.data() + covered.size());
}

TokenBucket& HandshakeGate::bucket_of(const net::Endpoint& source) {
  uint8_t hash[crypto::kBlake2sMacSize];
  crypto::blake2s_mac(hash, *secret_, prefix_of(source));
  return sources_[load<uint16_t>(hash) % kSources];
}

}  // namespace weft::engine
