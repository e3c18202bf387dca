// What the engine counts, by name, in memory shared with the control plane. Several threads count.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>

#include "peer/peer_stats.h"

namespace weft::engine {

// Why a packet went no further. The names are what users see.
enum class Drop : uint8_t {
  kTunMalformed,
  kNoPeer,
  kNoEndpoint,
  kCongestion,
  kStagedOverflow,
  kStagedExpired,
  kSendFailed,
  kMalformed,
  kUnknownIndex,
  kKeyExpired,
  kBadTag,
  kReplayed,
  kInnerMalformed,
  kSourceNotAllowed,
  kEcnCongestion,
  kBadMac1,
  kHandshakeRateLimited,
  kHandshakeQueueFull,
  kGossipUnknownToken,
  kGossipRateLimited,
  kGossipQueueFull,
  kTunWriteFailed,
  kBondQueueFull,
  kCount
};

inline constexpr std::array<const char*, static_cast<size_t>(Drop::kCount)> kDropNames = {
    "tun_malformed",
    "no_peer",
    "no_endpoint",
    "congestion",
    "staged_overflow",
    "staged_expired",
    "send_failed",
    "malformed",
    "unknown_index",
    "key_expired",
    "bad_tag",
    "replayed",
    "inner_malformed",
    "source_not_allowed",
    "ecn_congestion",
    "bad_mac1",
    "handshake_rate_limited",
    "handshake_queue_full",
    "gossip_unknown_token",
    "gossip_rate_limited",
    "gossip_queue_full",
    "tun_write_failed",
    "bond_queue_full",
};

enum class Stat : uint8_t {
  kTunReads,
  kTunReadBytes,
  kCongestionMarks,
  kCookieReplies,
  kSentPackets,
  kSendCalls,
  kSegmentationFallbacks,
  kReceiveCalls,
  kReceivedPackets,
  kReceivedFirst,
  kTunWrites,
  kTunWritePackets,
  kWaits,
  kGaveWay,
  kCount
};

inline constexpr std::array<const char*, static_cast<size_t>(Stat::kCount)> kStatNames = {
    "tun_reads",
    "tun_read_bytes",
    "congestion_marks",
    "cookie_replies",
    "sent_packets",
    "send_calls",
    "segmentation_fallbacks",
    "receive_calls",
    "received_packets",
    "received_first",
    "tun_writes",
    "tun_write_packets",
    "waits",
    "gave_way",
};

struct Counters {
  std::array<std::atomic<uint64_t>, static_cast<size_t>(Drop::kCount)> drops{};
  std::array<std::atomic<uint64_t>, static_cast<size_t>(Stat::kCount)> stats{};

  void drop(Drop reason, uint64_t packets = 1) { peer::add_relaxed(drops[static_cast<size_t>(reason)], packets); }
  void count(Stat stat, uint64_t amount = 1) { peer::add_relaxed(stats[static_cast<size_t>(stat)], amount); }
};

}  // namespace weft::engine
