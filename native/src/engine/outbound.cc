#include "engine/outbound.h"

#include <algorithm>
#include <cstring>

#include "net/ecn.h"
#include "tun/icmp.h"
#include "util/bytes.h"

namespace weft::engine {
namespace {

// A round: enough to fill a send, little enough that the other direction and sparse packets need not wait long.
constexpr uint32_t kRoundPackets = 64;
constexpr uint32_t kRoundBytes = 64 * 1024;
constexpr uint32_t kPadding = 16;
constexpr size_t kReadBuffer = sizeof(tun::VirtioHeader) + 65535 + 1;

}  // namespace

Outbound::Outbound(State& state) : state_(state), queues_(state.tun), batch_(state), buffer_(kReadBuffer) {}

void Outbound::run() {
  // While sparse packets are left no bulk passes them, as they may be of the same flow; but not for ever.
  constexpr uint32_t kPatience = 32;
  if (run_sparse() && ++sparse_rounds_ < kPatience) return;
  sparse_rounds_ = 0;
  TunQueues::Packet read;
  for (uint32_t bytes = 0; bytes < kRoundBytes && queues_.read_bulk(state_.now, buffer_, read); bytes += read.length) {
    handle(buffer_.data(), read);
    if (batch_.worth_flushing()) batch_.flush();
  }
  batch_.flush();
}

// Sparse packets leave in sends of their own: behind bulk segments the receiver would take them for bulk. True: more
// may be there.
bool Outbound::run_sparse() {
  TunQueues::Packet read;
  uint32_t bytes = 0;
  bool more = true;
  for (uint32_t i = 0; more && i < kRoundPackets && bytes < kRoundBytes; ++i) {
    more = queues_.read_sparse(buffer_, read);
    if (!more) break;
    bytes += read.length;
    handle(buffer_.data(), read);
    if (batch_.worth_flushing()) batch_.flush();
  }
  batch_.flush();
  return more;
}

void Outbound::handle(uint8_t* bytes, const TunQueues::Packet& read) {
  state_.counters.count(Stat::kTunReads);
  state_.counters.count(Stat::kTunReadBytes, read.length);
  uint8_t* packet = bytes + sizeof(tun::VirtioHeader);
  const uint32_t length = read.length - static_cast<uint32_t>(sizeof(tun::VirtioHeader));
  const bool drop_one = read.congested && !mark_congestion(packet);
  if (!plan_.prepare(load<tun::VirtioHeader>(bytes), packet, length)) {
    state_.counters.drop(Drop::kTunMalformed);
    return;
  }
  peer::Peer* peer = route(packet, length);
  if (peer == nullptr) return;
  if (peer->staged.empty() && send(*peer, packet, drop_one ? 1 : 0)) return;
  stage(*peer, bytes, read.length, plan_.count());
  send_staged(*peer, false);  // or asks for a handshake again: the last request may have been in vain
}

// Congestion is told by a mark where the transport understands it; false: it does not, and is to lose a segment.
bool Outbound::mark_congestion(uint8_t* packet) {
  const bool ip = packet[0] >> 4 == 4 || packet[0] >> 4 == 6;
  if (!ip || !net::mark_congestion(packet)) return false;
  state_.counters.count(Stat::kCongestionMarks);
  return true;
}

peer::Peer* Outbound::route(const uint8_t* packet, uint32_t length) {
  const uint32_t id = state_.allowed_ips.peer_of_destination(packet);
  if (id == routing::kNoPeer) {
    state_.counters.drop(Drop::kNoPeer, plan_.count());
    refuse(packet, length);
    return nullptr;
  }
  peer::Peer* peer = state_.peers[id].get();
  if (!peer->path.remote) {
    state_.counters.drop(Drop::kNoEndpoint, plan_.count());
    refuse(packet, length);
    return nullptr;
  }
  return peer;
}

// Sends the packets of plan_ but the first `skip`. False: there is no usable key; one is asked for.
bool Outbound::send(peer::Peer& peer, const uint8_t* packet, uint32_t skip) {
  const uint32_t count = plan_.count();
  if (!has_key(peer, count)) return false;
  if (skip != 0) state_.counters.drop(Drop::kCongestion, skip);
  if (skip == count) return true;
  peer::Keypair& keypair = *peer.current;
  const uint64_t first = keypair.send_counter;
  keypair.send_counter += count;
  const uint8_t ecn = net::inner_ecn(packet);
  for (uint32_t i = skip; i < count; ++i) {
    const uint32_t length = plan_.length(i);
    const uint32_t total = padded(length);
    uint8_t* text = batch_.add(keypair, first + i, total, ecn);
    plan_.write(i, text);
    std::memset(text + length, 0, total - length);
  }
  peer.data_sent(state_.now_ms);
  sent(peer);
  return true;
}

bool Outbound::send_empty(peer::Peer& peer) {
  if (!has_key(peer, 1)) return false;
  batch_.add(*peer.current, peer.current->send_counter++, 0, 0);
  sent(peer);
  return true;
}

bool Outbound::has_key(peer::Peer& peer, uint32_t packets) {
  if (peer.current && peer.current->can_send(state_.now, packets)) return true;
  state_.request_handshake(peer);
  return false;
}

void Outbound::sent(peer::Peer& peer) {
  peer.any_authenticated_packet_sent(state_.now_ms);
  if (peer.current->wants_rekey_on_send(state_.now)) state_.request_handshake(peer);
}

void Outbound::stage(peer::Peer& peer, const uint8_t* bytes, uint32_t length, uint32_t packets) {
  if (const uint32_t dropped = peer.staged.push(bytes, length, packets); dropped != 0) {
    state_.counters.drop(Drop::kStagedOverflow, dropped);
  }
}

void Outbound::send_staged(peer::Peer& peer, bool keepalive) {
  if (!peer.path.remote) return;
  if (peer.staged.empty() && keepalive && !send_empty(peer)) stage(peer, nullptr, 0, 1);
  while (!peer.staged.empty()) {
    const peer::StagedQueue::Item& item = peer.staged.front();
    if (item.bytes.empty()) {
      if (!send_empty(peer)) break;
    } else {
      const uint8_t* packet = item.bytes.data() + sizeof(tun::VirtioHeader);
      plan_.prepare(load<tun::VirtioHeader>(item.bytes.data()), packet,
                    static_cast<uint32_t>(item.bytes.size() - sizeof(tun::VirtioHeader)));
      if (!send(peer, packet, 0)) break;
    }
    peer.staged.pop();
  }
  batch_.flush();
}

void Outbound::send_handshake(peer::Peer& peer, std::span<const uint8_t> bytes) {
  if (!peer.path.remote || !state_.sockets) return;
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
  if (state_.sockets && send_control(path, bytes).failed_datagrams != 0) state_.counters.drop(Drop::kSendFailed);
}

net::SendResult Outbound::send_control(const net::Path& path, std::span<const uint8_t> bytes) {
  constexpr uint8_t kTrafficClass = 0x88;  // AF41, as the kernel module
  const auto length = static_cast<uint32_t>(bytes.size());
  return state_.sockets->for_endpoint(path.remote).send({bytes.data(), length, length, 1, kTrafficClass, path});
}

// Tells the local sender, at most 100 times a second with bursts of 50.
void Outbound::refuse(const uint8_t* packet, uint32_t length) {
  constexpr uint64_t kIntervalNs = 10 * kNanosPerMilli;
  constexpr uint64_t kBurst = 50;
  if (!unreachable_.take(state_.now, kIntervalNs, kBurst)) return;

  uint8_t answer[tun::kMaxUnreachableLength];
  const uint32_t answer_length = tun::make_unreachable(packet, length, answer);
  if (answer_length == 0) return;
  tun::VirtioHeader header{};
  const iovec iov[] = {{&header, sizeof header}, {answer, answer_length}};
  state_.tun.write(iov, 2);
}

// To a multiple of 16, but not past the MTU (whitepaper 5.4.6; the kernel module's calculate_skb_padding).
uint32_t Outbound::padded(uint32_t length) const {
  const uint32_t rounded = (length + kPadding - 1) & ~(kPadding - 1);
  return std::max(length, std::min(rounded, state_.mtu));
}

}  // namespace weft::engine
