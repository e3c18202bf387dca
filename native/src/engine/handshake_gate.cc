#include "engine/handshake_gate.h"

#include <algorithm>
#include <string_view>

#include "crypto/blake2s.h"
#include "crypto/xchacha.h"
#include "engine/control_queue.h"
#include "util/bytes.h"

namespace weft::engine {
namespace {

// Under load: an eighth of the queue is taken (as the kernel module), or so many arrive that it would be soon.
constexpr size_t kLoadedQueue = ControlQueue::kMaxDatagrams / 8;
constexpr uint64_t kWindowNs = 100 * kNanosPerMilli;
constexpr uint32_t kLoadedArrivals = 100;  // a window
constexpr uint64_t kStickyNs = kNanosPerSecond;

constexpr uint64_t kSecretLifetimeNs = 120 * kNanosPerSecond;  // COOKIE_SECRET_MAX_AGE
constexpr uint64_t kCookieReceivedIntervalNs = kNanosPerMilli;
constexpr uint64_t kCookieSentIntervalNs = 50'000;
constexpr uint64_t kSecretRequestIntervalNs = 100 * kNanosPerMilli;
constexpr uint64_t kBurst = 256;
// Coarser than the control plane's limit of 20 a second, since sources share buckets.
constexpr uint64_t kSourceIntervalNs = 20 * kNanosPerMilli;
constexpr uint64_t kSourceBurst = 10;

}  // namespace

void HandshakeGate::set_public_key(std::span<const uint8_t> key) {
  mac1_.reset();
  secret_.reset();
  if (key.empty()) return;
  mac1_.emplace(key.data());
  constexpr std::string_view kLabel = "cookie--";
  std::vector<uint8_t> input(kLabel.begin(), kLabel.end());
  input.insert(input.end(), key.begin(), key.end());
  crypto::blake2s_256(cookie_reply_key_.data(), input);
}

void HandshakeGate::set_cookie_secret(std::span<const uint8_t> secret, uint64_t now) {
  auto& copy = secret_.emplace();
  std::copy_n(secret.begin(), copy.size(), copy.begin());
  secret_set_ns_ = now;
}

HandshakeGate::Verdict HandshakeGate::judge(net::Kind kind, std::span<const uint8_t> message,
                                            const net::Endpoint& source, size_t queued, uint64_t now) {
  const auto limited = [](bool allowed, Verdict verdict) { return allowed ? verdict : Verdict::kRateLimited; };
  if (kind == net::Kind::kCookieReply) {  // carries no mac; authenticates only against what we sent
    return limited(cookies_received_.take(now, kCookieReceivedIntervalNs, kBurst), Verdict::kPass);
  }
  if (!mac1_ || !mac1_->verify(message)) return Verdict::kBadMac1;
  note_arrival(queued, now);
  if (!under_load(now)) return Verdict::kPass;
  if (has_cookie(message, source)) {
    return limited(bucket_of(source).take(now, kSourceIntervalNs, kSourceBurst), Verdict::kPass);
  }
  const bool fresh = secret_ && now < secret_set_ns_ + kSecretLifetimeNs;
  if (!fresh && secret_requests_.take(now, kSecretRequestIntervalNs, kBurst)) return Verdict::kPass;
  return limited(secret_ && cookies_sent_.take(now, kCookieSentIntervalNs, kBurst), Verdict::kNeedsCookie);
}

void HandshakeGate::note_arrival(size_t queued, uint64_t now) {
  if (now >= window_start_ns_ + kWindowNs) {
    window_start_ns_ = now;
    window_arrivals_ = 0;
  }
  ++window_arrivals_;
  if (queued >= kLoadedQueue || window_arrivals_ >= kLoadedArrivals) under_load_until_ns_ = now + kStickyNs;
}

// cookie = MAC(secret, address | port).
HandshakeGate::Cookie HandshakeGate::cookie_of(const net::Endpoint& source) const {
  uint8_t place[18];
  const size_t length = source.is_v4() ? 4 : 16;
  if (source.is_v4()) {
    std::memcpy(place, &source.v4.sin_addr, length);
  } else {
    std::memcpy(place, &source.v6.sin6_addr, length);
  }
  const in_port_t port = source.is_v4() ? source.v4.sin_port : source.v6.sin6_port;
  std::memcpy(place + length, &port, sizeof port);
  Cookie cookie;
  crypto::blake2s_mac(cookie.data(), *secret_, {place, length + sizeof port});
  return cookie;
}

// mac2 = MAC(cookie, all before it).
bool HandshakeGate::has_cookie(std::span<const uint8_t> message, const net::Endpoint& source) const {
  if (!secret_) return false;
  const auto covered = message.first(message.size() - crypto::kBlake2sMacSize);
  return crypto::mac_equals(cookie_of(source), covered, message.data() + covered.size());
}

// type 3 | receiver index | nonce[24] | XChaCha20-Poly1305(key, nonce, cookie, AAD = the message's mac1)
void HandshakeGate::make_cookie_reply(std::span<const uint8_t> message, const net::Endpoint& source,
                                      uint8_t* reply) const {
  constexpr uint32_t kType = 3;
  const Cookie cookie = cookie_of(source);
  const uint8_t* mac1 = message.data() + message.size() - 2 * crypto::kBlake2sMacSize;
  uint8_t* nonce = reply + 8;
  store_le32(reply, kType);
  std::memcpy(reply + 4, message.data() + 4, 4);
  crypto::random_bytes({nonce, crypto::kXNonceSize});
  crypto::xchacha20poly1305_seal({nonce + crypto::kXNonceSize, cookie.size() + crypto::kAeadTagSize}, cookie,
                                 {mac1, crypto::kBlake2sMacSize}, nonce, cookie_reply_key_.data());
}

TokenBucket& HandshakeGate::bucket_of(const net::Endpoint& source) {
  uint8_t hash[crypto::kBlake2sMacSize];
  crypto::blake2s_mac(hash, *secret_, source.prefix());
  return sources_[load<uint16_t>(hash) % kSources];
}

}  // namespace weft::engine
