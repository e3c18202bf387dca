#include "engine/inbound.h"

#include <algorithm>
#include <utility>

#include "net/demux.h"
#include "net/ecn.h"
#include "util/bytes.h"

namespace weft::engine {
namespace {

constexpr uint32_t kRoundReceives = 64;
// The merger stays open across receives, as single datagrams of one flow may come one by one; a large receive is a
// whole burst already, and waiting longer would only add delay.
constexpr uint32_t kLargeReceive = 32 * 1024;
constexpr uint32_t kRoundLargeReceives = 4;
constexpr uint32_t kReceiveSize = 65536;
constexpr uint32_t kArenaSize = 256 * 1024;
constexpr uint32_t kAlignment = 64;

// The length that an inner packet claims; 0 if it is not IP.
uint32_t ip_length(const uint8_t* packet, uint32_t length) {
  constexpr uint32_t kIpv4Header = 20;
  constexpr uint32_t kIpv6Header = 40;
  switch (packet[0] >> 4) {
    case 4: {
      if (length < kIpv4Header) return 0;
      const uint32_t claimed = load_be16(packet + 2);
      return claimed >= kIpv4Header ? claimed : 0;
    }
    case 6:
      return length >= kIpv6Header ? kIpv6Header + load_be16(packet + 4) : 0;
    default:
      return 0;
  }
}

}  // namespace

Inbound::Inbound(State& state, Outbound& outbound)
    : state_(state), outbound_(outbound), merger_(state.tun, state.tun.offload()), arena_(kArenaSize) {}

bool Inbound::run(net::UdpSocket& socket) {
  uint32_t large = 0;
  for (uint32_t i = 0; i < kRoundReceives && large < kRoundLargeReceives; ++i) {
    if (arena_used_ + kReceiveSize > kArenaSize) flush();
    uint8_t* bytes = arena_.data() + arena_used_;
    net::Received received;
    if (!socket.receive({bytes, kReceiveSize}, received)) {
      flush();
      return false;
    }
    state_.counters.count(Stat::kReceiveCalls);
    arena_used_ += (received.length + kAlignment - 1) & ~(kAlignment - 1);
    split(bytes, received);
    if (received.length >= kLargeReceive) {
      flush();
      ++large;
    }
  }
  flush();
  return true;
}

void Inbound::flush() {
  merger_.flush();
  arena_used_ = 0;
  state_.counters.set(Stat::kTunWrites, merger_.writes());
  state_.counters.set(Stat::kTunWritePackets, merger_.packets());
  if (const uint64_t failed = state_.tun.failed_writes(); failed != failed_writes_seen_) {
    state_.counters.drop(Drop::kTunWriteFailed, failed - failed_writes_seen_);
    failed_writes_seen_ = failed;
  }
}

void Inbound::split(uint8_t* bytes, const net::Received& received) {
  for (uint32_t offset = 0; offset < received.length; offset += received.segment) {
    take_message(bytes + offset, std::min(received.segment, received.length - offset), received.path);
  }
  if (received.length == 0) state_.counters.drop(Drop::kMalformed);
  open_and_deliver(received);
}

void Inbound::take_message(uint8_t* message, uint32_t length, const net::Path& path) {
  state_.counters.count(Stat::kReceivedPackets);
  const net::Kind kind = net::classify(message, length);
  if (kind != net::Kind::kData) {
    take_handshake(message, length, kind, path);
    return;
  }
  peer::Keypair* keypair = state_.keypairs.find(load_le32(message + 4));
  const uint64_t counter = load_le64(message + 8);
  if (keypair == nullptr) {
    state_.counters.drop(Drop::kUnknownIndex);
  } else if (keypair->expired(state_.now) || counter >= peer::kRejectAfterMessages) {
    state_.counters.drop(Drop::kKeyExpired);
  } else {
    jobs_.push_back(
        {keypair->receive_key, counter, message + net::kDataHeaderSize, length - net::kDataOverhead, false});
    pending_.push_back({keypair, length});
  }
}

void Inbound::take_handshake(const uint8_t* message, uint32_t length, net::Kind kind, const net::Path& path) {
  if (kind == net::Kind::kGossip && state_.gossip_gate.is_open()) {
    take_gossip(message, length, path);
    return;
  }
  if (kind == net::Kind::kUnknown || kind == net::Kind::kGossip) {
    state_.counters.drop(Drop::kMalformed);
    return;
  }
  const bool expected = kind != net::Kind::kCookieReply || state_.awaits_answer(load_le32(message + 4));
  if (!expected) {
    state_.counters.drop(Drop::kUnknownIndex);
    return;
  }
  switch (state_.gate.judge(kind, {message, length}, path.remote, state_.control.queued(), state_.now)) {
    case HandshakeGate::Verdict::kBadMac1:
      state_.counters.drop(Drop::kBadMac1);
      break;
    case HandshakeGate::Verdict::kRateLimited:
      state_.counters.drop(Drop::kHandshakeRateLimited);
      break;
    case HandshakeGate::Verdict::kNeedsCookie: {
      uint8_t reply[net::kCookieReplySize];
      state_.gate.make_cookie_reply({message, length}, path.remote, reply);
      outbound_.send_datagram(path, reply);
      state_.counters.count(Stat::kCookieReplies);
      break;
    }
    case HandshakeGate::Verdict::kPass:
      if (!state_.control.push(path, {message, length}, state_.gate.under_load(state_.now))) {
        state_.counters.drop(Drop::kHandshakeQueueFull);
      }
  }
}

void Inbound::take_gossip(const uint8_t* message, uint32_t length, const net::Path& path) {
  if (!state_.gossip_gate.admit(path.remote, state_.now)) {
    state_.counters.drop(Drop::kGossipRateLimited);
  } else if (!state_.control.push_gossip(path, {message, length})) {
    state_.counters.drop(Drop::kGossipQueueFull);
  }
}

void Inbound::open_and_deliver(const net::Received& received) {
  // All keypairs of one receive share the engine's default back end; another suite would split the jobs here.
  if (!jobs_.empty()) pending_.front().keypair->aead->open(jobs_);
  for (size_t i = 0; i < jobs_.size(); ++i) deliver(jobs_[i], pending_[i], received);
  jobs_.clear();
  pending_.clear();
  for (auto& keypair : retired_) state_.retire(std::move(keypair));
  retired_.clear();
}

void Inbound::deliver(const crypto::AeadJob& job, const Pending& pending, const net::Received& received) {
  peer::Keypair& keypair = *pending.keypair;
  peer::Peer& peer = *keypair.peer;
  if (!job.ok) {
    state_.counters.drop(Drop::kBadTag);
    return;
  }
  if (!keypair.replay.accept(job.counter)) {
    state_.counters.drop(Drop::kReplayed);
    return;
  }
  const bool confirms = &keypair == peer.next.get();
  if (confirms) {
    // Kept until the end of the batch, which may hold packets under it.
    retired_.push_back(peer::promote_next(peer));
    state_.control.peer_event(EventType::kKeypairConfirmed, peer.id);
  }
  roam(peer, received.path);
  peer::add_relaxed(peer.stats.rx_bytes, uint64_t{pending.message_length});
  peer.any_authenticated_packet_received(state_.now_ms);
  if (confirms) outbound_.send_staged(peer, false);
  if (&keypair == peer.current.get() && keypair.wants_rekey_on_receive(state_.now)) {
    keypair.rekey_requested_on_receive = true;
    state_.control.peer_event(EventType::kHandshakeNeeded, peer.id);
  }
  if (job.length != 0) {
    peer.data_received(state_.now_ms);
    deliver_inner(peer, job.data, job.length, received);
  }
}

void Inbound::handshake_received(peer::Peer& peer, const net::Path& path, uint32_t length) {
  roam(peer, path);
  peer::add_relaxed(peer.stats.rx_bytes, uint64_t{length});
  peer.any_authenticated_packet_received(state_.now_ms);
}

// The peer is where an authenticated packet came from.
void Inbound::roam(peer::Peer& peer, const net::Path& path) {
  if (peer.path == path) return;
  const bool moved = !(peer.path.remote == path.remote);
  peer.path = path;
  peer.source_checked = false;
  state_.check_sources_soon();
  if (moved) state_.control.endpoint_changed(peer.id, path.remote);
}

void Inbound::deliver_inner(peer::Peer& peer, uint8_t* packet, uint32_t length, const net::Received& received) {
  const uint32_t inner_length = ip_length(packet, length);
  if (inner_length == 0 || inner_length > length) {
    state_.counters.drop(Drop::kInnerMalformed);
    return;
  }
  if (state_.allowed_ips.peer_of_source(packet) != peer.id) {
    state_.counters.drop(Drop::kSourceNotAllowed);
    return;
  }
  if (received.ecn != 0 && !net::decapsulate_ecn(packet, received.ecn)) {
    state_.counters.drop(Drop::kEcnCongestion);
    return;
  }
  if (signal_congestion(received.waited_ns) && !net::mark_congestion(packet)) {
    state_.counters.drop(Drop::kCongestion);
    return;
  }
  merger_.push(packet, inner_length);
}

// Whether we are the bottleneck, and this packet is to say so to its transport (RFC 8289). Judged only on packets that
// authenticated, and on few of them: junk in the same socket delays them too, and would not slow down.
bool Inbound::signal_congestion(uint64_t waited_ns) {
  constexpr uint32_t kAtMostOneIn = 32;
  ++since_signal_;
  if (!codel_.should_signal(state_.now, waited_ns, true) || since_signal_ < kAtMostOneIn) return false;
  since_signal_ = 0;
  return true;
}

}  // namespace weft::engine
