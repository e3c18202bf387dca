#include "engine/outbound.h"

#include <utility>

#include "net/ecn.h"
#include "tun/icmp.h"
#include "util/bytes.h"

namespace weft::engine {

void OutboundUnit::clear() {
  now_ = now_ns();
  now_ms_ = to_millis(now_);
  used_ = packets_ = bytes_ = segments_ = 0;
}

// The bytes of what was read into room().
std::span<uint8_t> OutboundUnit::took(uint32_t length) {
  const std::span<uint8_t> bytes = room().first(length);
  ++packets_;
  bytes_ += length;
  used_ += (length + kAlignment - 1) & ~(kAlignment - 1);
  return bytes;
}

Outbound::Outbound(State& state, TunQueues& queues, tun::TunSink& tun, uint32_t lane)
    : state_(state), queues_(queues), tun_(tun), lane_(lane) {}

// Sparse packets leave in units, and so in sends, of their own: behind bulk segments the receiver would take them for
// bulk.
void Outbound::take_sparse(OutboundUnit& unit) {
  unit.clear();
  TunQueues::Packet read;
  while (!unit.full() && queues_.read_sparse(unit.room(), read)) handle(unit, unit.took(read.length), false);
  count(unit);
}

void Outbound::take_bulk(OutboundUnit& unit) {
  unit.clear();
  TunQueues::Packet read;
  while (!unit.full() && unit.has_room() && queues_.read_bulk(unit.now_, unit.room(), read)) {
    const std::span<uint8_t> bulk = unit.took(read.length);
    TunQueues::Packet before;
    for (uint32_t n = queues_.sparse_waiting(); n != 0 && unit.has_room(); --n) {
      if (!queues_.read_sparse(unit.room(), before)) break;
      handle(unit, unit.took(before.length), false);
    }
    handle(unit, bulk, read.congested);
  }
  count(unit);
}

void Outbound::count(const OutboundUnit& unit) {
  if (unit.packets_ == 0) return;
  state_.counters.count(Stat::kTunReads, unit.packets_);
  state_.counters.count(Stat::kTunReadBytes, unit.bytes_);
}

// One read of the TUN: VirtioHeader and packet.
void Outbound::handle(OutboundUnit& unit, std::span<uint8_t> read, bool congested) {
  uint8_t* packet = read.data() + sizeof(tun::VirtioHeader);
  const auto length = static_cast<uint32_t>(read.size() - sizeof(tun::VirtioHeader));
  const bool drop_one = congested && !mark_congestion(packet);
  tun::SegmentPlan plan;
  if (!plan.prepare(load<tun::VirtioHeader>(read.data()), packet, length)) {
    state_.counters.drop(Drop::kTunMalformed);
    return;
  }
  unit.segments_ += plan.count();
  peer::Peer* peer = route(plan, packet, length, unit.now_);
  if (peer == nullptr) return;
  const Moment now{unit.now_, unit.now_ms_};
  if (!peer->staged.empty() || !add(unit.batch_, now, *peer, plan, packet, drop_one ? 1 : 0)) {
    stage_later(*peer, read, plan.count());
  }
}

// Congestion is told by a mark where the transport understands it; false: it does not, and is to lose a segment.
bool Outbound::mark_congestion(uint8_t* packet) {
  const bool ip = packet[0] >> 4 == 4 || packet[0] >> 4 == 6;
  if (!ip || !net::mark_congestion(packet)) return false;
  state_.counters.count(Stat::kCongestionMarks);
  return true;
}

peer::Peer* Outbound::route(const tun::SegmentPlan& plan, const uint8_t* packet, uint32_t length, uint64_t now) {
  const uint32_t id = state_.allowed_ips.peer_of_destination(packet);
  peer::Peer* peer = id == routing::kNoPeer ? nullptr : state_.peers[id].get();
  if (peer != nullptr && peer->path.remote) return peer;
  state_.counters.drop(peer == nullptr ? Drop::kNoPeer : Drop::kNoEndpoint, plan.count());
  refuse(packet, length, now);
  return nullptr;
}

// Adds the packets of `plan` but the first `skip`. False: there is no usable key.
bool Outbound::add(SendBatch& batch, const Moment& now, peer::Peer& peer, const tun::SegmentPlan& plan,
                   const uint8_t* packet, uint32_t skip) {
  if (peer.bonded() && has_key(now, peer)) {
    batch.add_bonded({&peer, plan, skip, packet, net::inner_ecn(packet)});
    return true;
  }
  const std::optional<uint64_t> first = reserve(now, peer, plan.count());
  if (!first) return false;
  if (skip != 0) state_.counters.drop(Drop::kCongestion, skip);
  if (skip == plan.count()) return true;
  batch.add(*peer.current, *first, plan, skip, net::inner_ecn(packet));
  peer.data_sent(now.ms);
  sent(now, peer);
  return true;
}

bool Outbound::add_empty(SendBatch& batch, const Moment& now, peer::Peer& peer) {
  const std::optional<uint64_t> counter = reserve(now, peer, 1);
  if (!counter) return false;
  batch.add_empty(*peer.current, *counter);
  sent(now, peer);
  return true;
}

// The first of so many counters; without a usable key asks for one.
std::optional<uint64_t> Outbound::reserve(const Moment& now, peer::Peer& peer, uint32_t packets) {
  if (peer.current) {
    if (const auto first = peer.current->reserve(now.ns, packets)) return first;
  }
  state_.request_handshake(peer, now.ns);
  return std::nullopt;
}

bool Outbound::has_key(const Moment& now, const peer::Peer& peer) const {
  return peer.current && peer.current->may_seal(now.ns);
}

void Outbound::sent(const Moment& now, peer::Peer& peer) {
  peer.any_authenticated_packet_sent(now.ms);
  if (peer.current->wants_rekey_on_send(now.ns)) state_.request_handshake(peer, now.ns);
}

// The packet waits for a key. Only installing one ends that, in an exclusive section like this: until then all packets
// of its flow come here, so that none passes another.
void Outbound::stage_later(peer::Peer& peer, std::span<const uint8_t> read, uint32_t packets) {
  state_.deferred.post([this, &peer, packets, bytes = std::vector<uint8_t>(read.begin(), read.end())] {
    stage(peer, bytes, packets);
    send_staged(peer, false);  // or asks for a handshake again: the last request may have been in vain
  });
}

void Outbound::stage(peer::Peer& peer, std::span<const uint8_t> read, uint32_t packets) {
  const uint32_t dropped = peer.staged.push(read.data(), static_cast<uint32_t>(read.size()), packets);
  if (dropped != 0) state_.counters.drop(Drop::kStagedOverflow, dropped);
}

void Outbound::send_staged(peer::Peer& peer, bool keepalive) {
  if (!peer.path.remote) return;
  const Moment now{state_.now, state_.now_ms};
  if (peer.staged.empty() && keepalive && !add_empty(staged_, now, peer)) stage(peer, {}, 1);
  std::vector<peer::StagedQueue::Item> sending;  // the batch refers to them
  while (!peer.staged.empty()) {
    const std::vector<uint8_t>& bytes = peer.staged.front().bytes;
    if (bytes.empty()) {
      if (!add_empty(staged_, now, peer)) break;
    } else {
      const uint8_t* packet = bytes.data() + sizeof(tun::VirtioHeader);
      tun::SegmentPlan plan;
      plan.prepare(load<tun::VirtioHeader>(bytes.data()), packet,
                   static_cast<uint32_t>(bytes.size() - sizeof(tun::VirtioHeader)));
      if (!add(staged_, now, peer, plan, packet, 0)) break;
    }
    sending.push_back(peer.staged.take());
  }
  staged_.send(state_, sockets());
}

void Outbound::advance_bond(peer::Peer& peer, uint64_t now) {
  pump_bond(state_, sockets(), peer, now);
  send_bond_frames(state_, sockets(), peer, now);
  settle_bond(state_, peer);
}

void Outbound::send_handshake(peer::Peer& peer, std::span<const uint8_t> bytes) {
  if (!peer.path.remote || sockets() == nullptr) return;
  if (bytes.size() >= 8) state_.handshake_sent(peer, load_le32(bytes.data() + 4));
  const net::SendResult result = send_control(peer.path, bytes);
  if (result.source_gone) peer.path.source.set = false;
  if (result.failed_datagrams != 0) {
    state_.counters.drop(Drop::kSendFailed);
    return;
  }
  peer::add_relaxed(peer.stats.tx_bytes, uint64_t{result.sent_bytes});
  peer.any_authenticated_packet_sent(state_.now_ms);
}

void Outbound::send_datagram(const net::Path& path, std::span<const uint8_t> bytes) {
  if (sockets() != nullptr && send_control(path, bytes).failed_datagrams != 0) {
    state_.counters.drop(Drop::kSendFailed);
  }
}

net::SendResult Outbound::send_control(const net::Path& path, std::span<const uint8_t> bytes) {
  constexpr uint8_t kTrafficClass = 0x88;  // AF41, as the kernel module
  const auto length = static_cast<uint32_t>(bytes.size());
  return sockets()->for_endpoint(path.remote).send({bytes.data(), length, length, 1, kTrafficClass, path});
}

// Tells the local sender, at most 100 times a second with bursts of 50.
void Outbound::refuse(const uint8_t* packet, uint32_t length, uint64_t now) {
  constexpr uint64_t kIntervalNs = 10 * kNanosPerMilli;
  constexpr uint64_t kBurst = 50;
  if (!unreachable_.take(now, kIntervalNs, kBurst)) return;

  uint8_t answer[tun::kMaxUnreachableLength];
  const uint32_t answer_length = tun::make_unreachable(packet, length, answer);
  if (answer_length == 0) return;
  tun::VirtioHeader header{};
  const iovec iov[] = {{&header, sizeof header}, {answer, answer_length}};
  tun_.write(iov, 2);
}

}  // namespace weft::engine
