#include "engine/gossip_gate.h"

#include "crypto/blake2s.h"
#include "crypto/xchacha.h"
#include "util/bytes.h"
#include "util/clock.h"

namespace weft::engine {
namespace {

// A member sends another a few datagrams a second, and bursts of some dozens after a partition.
constexpr uint64_t kSourceIntervalNs = 5 * kNanosPerMilli;
constexpr uint64_t kSourceBurst = 200;
// What the control plane can look at while it has time for handshakes too.
constexpr uint64_t kHelloIntervalNs = kNanosPerMilli;
constexpr uint64_t kHelloBurst = 250;
constexpr uint64_t kOtherIntervalNs = 250'000;
constexpr uint64_t kOtherBurst = 1000;

}  // namespace

GossipGate::GossipGate() : sources_(kSources) { crypto::random_bytes(key_); }

bool GossipGate::admit(const net::Endpoint& source, bool hello, uint64_t now) {
  uint8_t hash[crypto::kBlake2sMacSize];
  crypto::blake2s_mac(hash, key_, source.prefix());
  TokenBucket& bucket = sources_[load<uint16_t>(hash) % kSources];
  if (!bucket.take(now, kSourceIntervalNs, kSourceBurst)) return false;
  return hello ? hellos_.take(now, kHelloIntervalNs, kHelloBurst) : others_.take(now, kOtherIntervalNs, kOtherBurst);
}

}  // namespace weft::engine
