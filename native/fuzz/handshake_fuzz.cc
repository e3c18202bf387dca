// Any datagram from a stranger, up to the point where the control plane would see it: classification, mac1, mac2,
// cookie.
#include "engine/handshake_gate.h"
#include "net/demux.h"

#include <cstdint>
#include <vector>

using namespace weft;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  // A heap copy of the exact length, so that the sanitizer sees every byte read beyond.
  const std::vector<uint8_t> message(data, data + size);
  const net::Kind kind = net::classify(message.data(), static_cast<uint32_t>(message.size()));
  if (kind != net::Kind::kHandshake && kind != net::Kind::kCookieReply) return 0;

  static engine::HandshakeGate gate = [] {
    engine::HandshakeGate g;
    const std::vector<uint8_t> key(32, 7);
    g.set_public_key(key);
    g.set_cookie_secret(key, 1);
    return g;
  }();
  net::Endpoint source;
  const bool v4 = (message[8] & 1) != 0;
  source.any.sa_family = v4 ? AF_INET : AF_INET6;
  constexpr size_t kFullQueue = 4096;
  gate.judge(kind, message, source, kFullQueue, kNanosPerSecond);
  if (kind == net::Kind::kHandshake) {
    uint8_t reply[net::kCookieReplySize];
    gate.make_cookie_reply(message, source, reply);
    if (net::classify(reply, sizeof reply) != net::Kind::kCookieReply) __builtin_trap();
  }
  return 0;
}
