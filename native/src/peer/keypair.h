// Transport keys of one session, in both directions (whitepaper 5.4.5): the only place where its nonces and its replay
// window live.
#pragma once

#include <atomic>
#include <cstdint>
#include <cstring>
#include <mutex>
#include <optional>

#include "crypto/aead.h"
#include "peer/replay_filter.h"
#include "util/clock.h"

namespace weft::peer {

struct Peer;

// Whitepaper 6.1.
inline constexpr uint64_t kRekeyAfterMessages = uint64_t{1} << 60;
inline constexpr uint64_t kRekeyAfterNs = 120 * kNanosPerSecond;
inline constexpr uint64_t kRejectAfterNs = 180 * kNanosPerSecond;
// REJECT_AFTER_TIME - KEEPALIVE_TIMEOUT - REKEY_TIMEOUT: the last chance to rekey on received data.
inline constexpr uint64_t kRekeyOnReceiveNs = 165 * kNanosPerSecond;

struct Keypair {
  Peer* peer = nullptr;
  const crypto::Aead* aead = nullptr;
  uint32_t local_index = 0;
  uint32_t remote_index = 0;
  bool initiator = false;
  std::atomic<bool> rekey_requested_on_receive{false};
  uint64_t created_ns = 0;
  std::atomic<uint64_t> send_counter{0};
  std::mutex receiving;  // guards `replay`
  ReplayFilter replay;
  uint8_t send_key[crypto::kAeadKeySize];
  uint8_t receive_key[crypto::kAeadKeySize];

  Keypair() = default;
  Keypair(const Keypair&) = delete;
  Keypair& operator=(const Keypair&) = delete;
  ~Keypair() {
    explicit_bzero(send_key, sizeof send_key);
    explicit_bzero(receive_key, sizeof receive_key);
  }

  bool expired(uint64_t now) const { return now >= created_ns + kRejectAfterNs; }

  bool may_seal(uint64_t now) const {
    return !expired(now) && send_counter.load(std::memory_order_relaxed) < kRejectAfterMessages;
  }

  // Takes `count` counters for as many messages to be sealed, and returns the first. None if it may not seal so many.
  std::optional<uint64_t> reserve(uint64_t now, uint64_t count) {
    if (expired(now)) return std::nullopt;
    uint64_t first = send_counter.load(std::memory_order_relaxed);
    do {
      if (first >= kRejectAfterMessages || count > kRejectAfterMessages - first) return std::nullopt;
    } while (!send_counter.compare_exchange_weak(first, first + count, std::memory_order_relaxed));
    return first;
  }

  // Whether sending should ask for a new handshake (whitepaper 6.2).
  bool wants_rekey_on_send(uint64_t now) const {
    return send_counter > kRekeyAfterMessages || (initiator && now >= created_ns + kRekeyAfterNs);
  }
  bool wants_rekey_on_receive(uint64_t now) const {
    return initiator && !rekey_requested_on_receive && now >= created_ns + kRekeyOnReceiveNs;
  }
};

}  // namespace weft::peer
