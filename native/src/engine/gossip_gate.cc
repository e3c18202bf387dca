#include "engine/gossip_gate.h"

#include <algorithm>

#include "crypto/blake2s.h"
#include "crypto/xchacha.h"
#include "net/demux.h"
#include "util/bytes.h"
#include "util/clock.h"

namespace weft::engine {
namespace {

// A member sends another a few datagrams a second, and bursts of some dozens after a partition.
constexpr uint64_t kOneIntervalNs = 5 * kNanosPerMilli;
constexpr uint64_t kOneBurst = 200;
// What the control plane can look at while it has time for handshakes too.
constexpr uint64_t kStrangerIntervalNs = kNanosPerMilli;
constexpr uint64_t kStrangerBurst = 250;
constexpr uint64_t kKnownIntervalNs = 250'000;
constexpr uint64_t kKnownBurst = 1000;

// Behind the type: an index, which is random, and its check.
constexpr size_t kIndexAt = 4;
constexpr size_t kCheckAt = 8;
constexpr size_t kTokenEnd = 12;

}  // namespace

GossipGate::GossipGate() : sources_(kBuckets), tokens_(kBuckets) { crypto::random_bytes(source_key_); }

void GossipGate::open(std::span<const uint8_t> token_key) {
  open_ = token_key.size() == token_key_.size();
  if (open_) std::ranges::copy(token_key, token_key_.begin());
}

GossipGate::Verdict GossipGate::judge(std::span<const uint8_t> message, const net::Endpoint& source, uint64_t now) {
  bool passes;
  if (net::names_our_token(message[0])) {
    if (!is_ours(message)) return Verdict::kUnknownToken;
    TokenBucket& bucket = tokens_[load_le32(&message[kIndexAt]) % kBuckets];
    passes = bucket.take(now, kOneIntervalNs, kOneBurst) && known_.take(now, kKnownIntervalNs, kKnownBurst);
  } else {
    uint8_t hash[crypto::kBlake2sMacSize];
    crypto::blake2s_mac(hash, source_key_, source.prefix());
    TokenBucket& bucket = sources_[load<uint16_t>(hash) % kBuckets];
    passes = bucket.take(now, kOneIntervalNs, kOneBurst) && strangers_.take(now, kStrangerIntervalNs, kStrangerBurst);
  }
  return passes ? Verdict::kPass : Verdict::kRateLimited;
}

// As src/mesh/channel/tokens.ts draws them.
bool GossipGate::is_ours(std::span<const uint8_t> message) const {
  if (message.size() < kTokenEnd) return false;
  uint8_t mac[crypto::kBlake2sMacSize];
  crypto::blake2s_mac(mac, token_key_, message.subspan(kIndexAt, kCheckAt - kIndexAt));
  return load_le32(mac) == load_le32(&message[kCheckAt]);
}

}  // namespace weft::engine
