#include "engine/inbound.h"

#include <algorithm>
#include <utility>

#include "net/demux.h"
#include "net/ecn.h"
#include "tun/ip_header.h"
#include "tun/steering.h"
#include "util/bytes.h"

namespace weft::engine {
namespace {

// The length that an inner packet claims; 0 if it is not IP.
uint32_t ip_length(const uint8_t* packet, uint32_t length) {
  using tun::kIpv4Header, tun::kIpv6Header;
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

// What an opened message may be passed by, or pass: bonds have an order of their own.
bool is_in_flow(const crypto::AeadJob& job, const DataMessages::Origin& origin) {
  return job.ok && job.length != 0 && !origin.keypair->peer->bond;
}

tun::FlowKey flow_of(const crypto::AeadJob& job) {
  const uint32_t length = ip_length(job.data, job.length);
  return tun::flow_key(job.data, std::min(length, job.length));
}

}  // namespace

Inbound::Inbound(State& state, Outbound& outbound, TunQueues& queues)
    : state_(state),
      outbound_(outbound),
      tun_(queues, state.counters),
      merger_(tun_, state.tun.offload()),
      bond_(state, merger_, tun_) {}

// Single datagrams are asked for by the dozen; those that come merged already, one burst at a time.
void Inbound::take(net::UdpSocket& socket, InboundUnit& unit, uint32_t most) {
  unit.clear();
  uint32_t calls = 0;
  uint32_t& expected = expected_length_[socket.is_v4() ? 0 : 1];
  do {
    const uint32_t room = (InboundUnit::kBytes - unit.bytes_) / expected;
    const uint32_t asked = std::clamp(room, 1u, most - unit.receives_);
    const uint32_t got = unit.receive(socket, asked);
    calls += got != 0 ? 1 : 0;
    unit.emptied_ = got < asked;
    if (got != 0) expected = std::max(unit.took(got), expected / 2);
  } while (!unit.emptied_ && !unit.large_ && unit.receives_ < most && unit.datagrams_ < InboundUnit::kDatagrams &&
           unit.bytes_ + expected <= InboundUnit::kBytes);
  if (calls == 0) return;
  state_.counters.count(Stat::kReceiveCalls, calls);
  state_.counters.count(Stat::kReceivedPackets, unit.datagrams_);
}

void Inbound::open(InboundUnit& unit) {
  if (std::exchange(unit.opened_, true)) return;
  DataMessages& messages = unit.messages_;
  messages.clear();
  for (uint32_t i = 0; i < unit.receives_; ++i) split(unit, unit.received_[i]);
  // All keypairs share the engine's default back end; another suite would split the jobs here.
  if (!messages.jobs.empty()) messages.origins.front().keypair->aead->open(messages.jobs);
}

void Inbound::split(InboundUnit& unit, const net::Received& received) {
  for (uint32_t offset = 0; offset < received.length; offset += received.segment) {
    take_message(unit, received.data + offset, std::min(received.segment, received.length - offset), received);
  }
  if (received.length == 0) state_.counters.drop(Drop::kMalformed);
}

void Inbound::take_message(InboundUnit& unit, uint8_t* message, uint32_t length, const net::Received& received) {
  const net::Kind kind = net::classify(message, length);
  if (kind != net::Kind::kData) {
    take_handshake(message, length, kind, received.path, unit.now_);
    return;
  }
  peer::Keypair* keypair = state_.keypairs.find(load_le32(message + 4));
  const uint64_t counter = load_le64(message + 8);
  if (keypair == nullptr) {
    state_.counters.drop(Drop::kUnknownIndex);
  } else if (keypair->expired(unit.now_) || counter >= peer::kRejectAfterMessages) {
    state_.counters.drop(Drop::kKeyExpired);
  } else {
    unit.messages_.add(
        {keypair->receive_key, counter, message + net::kDataHeaderSize, length - net::kDataOverhead, false},
        {keypair, &received});
  }
}

void Inbound::take_handshake(const uint8_t* message, uint32_t length, net::Kind kind, const net::Path& path,
                             uint64_t now) {
  std::unique_lock gates(state_.gates);
  if (kind == net::Kind::kGossip && state_.gossip_gate.is_open()) {
    take_gossip(message, length, path, now);
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
  switch (state_.gate.judge(kind, {message, length}, path.remote, state_.control.queued(), now)) {
    case HandshakeGate::Verdict::kBadMac1:
      state_.counters.drop(Drop::kBadMac1);
      break;
    case HandshakeGate::Verdict::kRateLimited:
      state_.counters.drop(Drop::kHandshakeRateLimited);
      break;
    case HandshakeGate::Verdict::kNeedsCookie: {
      uint8_t reply[net::kCookieReplySize];
      state_.gate.make_cookie_reply({message, length}, path.remote, reply);
      gates.unlock();
      outbound_.send_datagram(path, reply);
      state_.counters.count(Stat::kCookieReplies);
      break;
    }
    case HandshakeGate::Verdict::kPass:
      if (!state_.control.push(path, {message, length}, state_.gate.under_load(now))) {
        state_.counters.drop(Drop::kHandshakeQueueFull);
      }
  }
}

void Inbound::take_gossip(const uint8_t* message, uint32_t length, const net::Path& path, uint64_t now) {
  switch (state_.gossip_gate.judge({message, length}, path.remote, now)) {
    case GossipGate::Verdict::kUnknownToken:
      state_.counters.drop(Drop::kGossipUnknownToken);
      break;
    case GossipGate::Verdict::kRateLimited:
      state_.counters.drop(Drop::kGossipRateLimited);
      break;
    case GossipGate::Verdict::kPass:
      if (!state_.control.push_gossip(path, {message, length})) state_.counters.drop(Drop::kGossipQueueFull);
  }
}

void Inbound::deliver(InboundUnit& unit) { deliver(unit.messages_, unit, false); }

// `unit`: what they came in. Returns how many packets the host got.
uint64_t Inbound::deliver(DataMessages& messages, const InboundUnit& unit, bool passing) {
  const uint64_t ns = now_ns();
  const Moment now{ns, to_millis(ns), ns - unit.now_, passing};
  return count_written(unit.uring_, [&] {
    for (size_t i = 0; i < messages.jobs.size();) i = deliver_run(messages, now, i);
    merger_.flush();  // which refers to the unit's memory
    tun_.flush();
  });
}

// Returns how many packets the host got by `write`.
template <typename Write>
uint64_t Inbound::count_written(io::Uring* uring, Write write) {
  const uint64_t packets = merger_.packets();
  const uint64_t writes = merger_.writes();
  tun_.begin(uring);
  write();
  const uint64_t written = merger_.packets() - packets;
  if (written == 0) return 0;
  state_.counters.count(Stat::kTunWritePackets, written);
  state_.counters.count(Stat::kTunWrites, merger_.writes() - writes);
  return written;
}

const tun::FlowSet& Inbound::flows_of(InboundUnit& unit) {
  if (!std::exchange(unit.flows_known_, true)) {
    unit.flows_.clear();
    for (size_t i = 0; i < unit.messages_.jobs.size(); ++i) {
      const crypto::AeadJob& job = unit.messages_.jobs[i];
      if (is_in_flow(job, unit.messages_.origins[i])) unit.flows_.add(flow_of(job));
    }
  }
  return unit.flows_;
}

bool Inbound::deliver_first(InboundLine& line) {
  DataMessages& newest = line.back().messages_;
  const auto is_small = [](const crypto::AeadJob& job) {
    return job.length <= tun::Steering::kSmallPacket + net::kPadding;
  };
  if (std::none_of(newest.jobs.begin(), newest.jobs.end(), is_small)) return false;

  tun::FlowSet waiting;
  for (uint32_t i = 0; i + 1 < line.size(); ++i) waiting.add(flows_of(line[i]));
  first_.clear();
  size_t kept = 0;
  for (size_t i = 0; i < newest.jobs.size(); ++i) {
    const crypto::AeadJob job = newest.jobs[i];
    const Origin origin = newest.origins[i];
    if (is_in_flow(job, origin)) {
      const tun::FlowKey key = flow_of(job);
      if (is_small(job) && !waiting.may_have(key)) {
        first_.add(job, origin);
        continue;
      }
      waiting.add(key);
    }
    newest.jobs[kept] = job;
    newest.origins[kept++] = origin;
  }
  newest.jobs.resize(kept);
  newest.origins.resize(kept);
  if (first_.jobs.empty()) return false;
  const uint64_t delivered = deliver(first_, line.back(), true);
  state_.counters.count(Stat::kReceivedFirst, delivered);
  return delivered != 0;
}

// The messages from `first` on that came under one keypair by one path. Returns the first that did not.
size_t Inbound::deliver_run(DataMessages& messages, const Moment& now, size_t first) {
  const Origin& start = messages.origins[first];
  size_t end = first + 1;
  const auto continues = [&](const Origin& o) {
    return o.keypair == start.keypair && (o.received == start.received || o.received->path == start.received->path);
  };
  while (end < messages.origins.size() && continues(messages.origins[end])) ++end;
  peer::Peer& peer = *start.keypair->peer;
  if (peer.bond) {
    deliver_bonded(messages, now, first, end);
    return end;
  }
  const uint64_t bytes = accept({&messages.jobs[first], end - first}, *start.keypair, [](size_t) {});
  if (bytes == 0) return end;
  note(now, start, bytes);
  for (size_t i = first; i < end; ++i) {
    const crypto::AeadJob& job = messages.jobs[i];
    if (!job.ok || job.length == 0) continue;
    peer.data_received(now.ms);
    const std::span<uint8_t> packet = inner_packet(peer, job, *messages.origins[i].received, now);
    if (!packet.empty()) merger_.push(packet.data(), static_cast<uint32_t>(packet.size()));
  }
  return end;
}

// The same for a peer with several uplinks, whose bond wants to know of copies, too. Whose counter is new and what the
// bond makes of it is one step: in between, another lane would drop the copies of these, and take them for lost.
void Inbound::deliver_bonded(DataMessages& messages, const Moment& now, size_t first, size_t end) {
  const Origin& start = messages.origins[first];
  peer::Peer& peer = *start.keypair->peer;
  std::lock_guard guard(peer.bond->mutex);
  bonded_.clear();
  const auto add = [&](const crypto::AeadJob& job, bool replayed, bool refused) {
    const uint32_t length = job.length == 0 ? 0 : ip_length(job.data, job.length);
    const std::span<uint8_t> packet{job.data, length <= job.length ? length : 0};
    bonded_.push_back(
        {job.counter, job.length + net::kDataOverhead, replayed, refused, {job.data, job.length}, packet});
  };
  const uint64_t bytes = accept({&messages.jobs[first], end - first}, *start.keypair,
                                [&](size_t i) { add(messages.jobs[first + i], true, false); });
  if (bytes != 0) note(now, start, bytes);
  for (size_t i = first; i < end; ++i) {
    const crypto::AeadJob& job = messages.jobs[i];
    if (!job.ok) continue;
    bool refused = false;
    if (job.length != 0 && !bond::is_frame({job.data, job.length})) {
      peer.data_received(now.ms);
      refused = inner_packet(peer, job, *messages.origins[i].received, now).empty();
    }
    add(job, false, refused);
  }
  if (!bonded_.empty()) {
    bond_.receive(*start.keypair, start.received->path, bonded_, outbound_.sockets());
  }
}

void Inbound::advance_bond(peer::Peer& peer, uint64_t now) {
  count_written(nullptr, [&] { bond_.advance(now, peer); });
}

// Leaves `ok` with those that authenticated and are new. Returns the length of their messages.
template <typename OnReplay>
uint64_t Inbound::accept(std::span<crypto::AeadJob> jobs, peer::Keypair& keypair, OnReplay on_replay) {
  uint64_t bytes = 0;
  uint32_t bad = 0;
  uint32_t replayed = 0;
  {
    std::lock_guard receiving(keypair.receiving);
    for (crypto::AeadJob& job : jobs) {
      if (!job.ok) {
        ++bad;
      } else if (!keypair.replay.accept(job.counter)) {
        job.ok = false;
        ++replayed;
        on_replay(static_cast<size_t>(&job - jobs.data()));
      } else {
        bytes += job.length + net::kDataOverhead;
      }
    }
  }
  if (bad != 0) state_.counters.drop(Drop::kBadTag, bad);
  if (replayed != 0) state_.counters.drop(Drop::kReplayed, replayed);
  return bytes;
}

// What authentic messages of `bytes` mean to their peer. Promoting and roaming change tables: later.
void Inbound::note(const Moment& now, const Origin& origin, uint64_t bytes) {
  peer::Keypair& keypair = *origin.keypair;
  peer::Peer& peer = *keypair.peer;
  const net::Path& path = origin.received->path;
  // Of a peer with proven ways a packet proves none, and to follow each packet would be to flit between them.
  const bool roams = peer.proven_paths.load(std::memory_order_relaxed) == 0;
  if (roams && !(peer.path == path)) state_.deferred.post([this, &peer, path] { state_.roam(peer, path); });
  if (&keypair == peer.next.get()) state_.deferred.post([this, &keypair] { promote(keypair); });
  peer::add_relaxed(peer.stats.rx_bytes, bytes);
  peer.any_authenticated_packet_received(now.ms);
  if (&keypair == peer.current.get() && keypair.wants_rekey_on_receive(now.ns)) {
    keypair.rekey_requested_on_receive = true;
    state_.control.peer_event(EventType::kHandshakeNeeded, peer.id);
  }
}

void Inbound::handshake_received(peer::Peer& peer, const net::Path& path, uint32_t length) {
  peer::add_relaxed(peer.stats.rx_bytes, uint64_t{length});
  peer.any_authenticated_packet_received(state_.now_ms);
  state_.roam(peer, path);  // last: it is told to the control plane, which may look at the rest then
}

// The first packet under it authenticated. Several units may have seen such a packet.
void Inbound::promote(peer::Keypair& keypair) {
  peer::Peer& peer = *keypair.peer;
  if (&keypair != peer.next.get()) return;
  state_.retire(peer::promote_next(peer));
  state_.control.peer_event(EventType::kKeypairConfirmed, peer.id);
  outbound_.send_staged(peer, false);
}

// The inner packet of a message; empty: it is refused, and counted.
std::span<uint8_t> Inbound::inner_packet(peer::Peer& peer, const crypto::AeadJob& job, const net::Received& received,
                                         const Moment& now) {
  uint8_t* packet = job.data;
  const uint32_t length = ip_length(packet, job.length);
  if (length == 0 || length > job.length) {
    state_.counters.drop(Drop::kInnerMalformed);
    return {};
  }
  if (state_.allowed_ips.peer_of_source(packet) != peer.id) {
    state_.counters.drop(Drop::kSourceNotAllowed);
    return {};
  }
  if (received.ecn != 0 && !net::decapsulate_ecn(packet, received.ecn)) {
    state_.counters.drop(Drop::kEcnCongestion);
    return {};
  }
  // What passes the queue says nothing of how long it is.
  const bool signals = !now.passing && signal_congestion(length, received.waited_ns + now.held_ns, now.ns);
  if (signals && !net::mark_congestion(packet)) {
    state_.counters.drop(Drop::kCongestion);
    return {};
  }
  return {packet, length};
}

// Whether we are the bottleneck, and this packet is to say so to its transport (RFC 8289). Judged only on packets that
// authenticated, and on few of them: junk in the same socket delays them too, and would not slow down. Small ones are
// left alone.
bool Inbound::signal_congestion(uint32_t length, uint64_t waited_ns, uint64_t now) {
  constexpr uint32_t kAtMostOneIn = 32;
  ++since_signal_;
  const bool small = length <= tun::Steering::kSmallPacket;
  if (!codel_.should_signal(now, waited_ns, true, !small) || since_signal_ < kAtMostOneIn) return false;
  since_signal_ = 0;
  return true;
}

}  // namespace weft::engine
