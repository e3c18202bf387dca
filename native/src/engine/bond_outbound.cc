#include "engine/bond_outbound.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "net/demux.h"
#include "util/bytes.h"

namespace weft::engine {
namespace {

// What the classes are told from: the headers, as far as the ports.
constexpr uint32_t kHeaders = 80;

class UplinkWire final : public bond::Wire {
 public:
  UplinkWire(State& state, net::UdpSockets& sockets, peer::Peer& peer)
      : state_(state), sockets_(sockets), peer_(peer) {}

  bool send(bond::PathId path, const uint8_t* data, uint32_t length, uint32_t segment, uint32_t count,
            uint8_t traffic_class) override {
    const net::Path& way = peer_.bond->paths()[path].way;
    const net::SendResult result =
        sockets_.for_endpoint(way.remote).send({data, length, segment, count, traffic_class, way});
    peer::add_relaxed(peer_.stats.tx_bytes, uint64_t{result.sent_bytes});
    state_.counters.count(Stat::kSendCalls, result.calls);
    state_.counters.count(Stat::kSentPackets, count - result.failed_datagrams);
    if (result.failed_datagrams == 0) return true;
    state_.counters.drop(Drop::kSendFailed, result.failed_datagrams);
    // A full queue is no more than loss.
    return result.error == EAGAIN || result.error == ENOBUFS || result.error == EMSGSIZE;
  }

 private:
  State& state_;
  net::UdpSockets& sockets_;
  peer::Peer& peer_;
};

void write_header(const peer::Keypair& keypair, uint64_t counter, uint8_t* message) {
  store_le32(message, net::kDataType);
  store_le32(message + 4, keypair.remote_index);
  store_le64(message + 8, counter);
}

}  // namespace

void BondOutbound::send(State& state, net::UdpSockets* sockets, std::span<const BondedPackets> all) {
  for (size_t i = 0; i < all.size();) {
    peer::Peer& peer = *all[i].peer;
    if (sockets == nullptr) {
      state.counters.drop(Drop::kSendFailed, all[i++].plan.count());
      continue;
    }
    std::lock_guard guard(peer.bond->mutex);
    const uint64_t now = now_ns();
    for (; i < all.size() && all[i].peer == &peer; ++i) place(state, now, all[i]);
    if (jobs_.empty()) continue;
    peer.current->aead->seal(jobs_);
    jobs_.clear();
    peer.data_sent(to_millis(now));
    peer.any_authenticated_packet_sent(to_millis(now));
    if (peer.current->wants_rekey_on_send(now)) state.request_handshake(peer, now);
    peer.bond->announce(now);
    send_bond_frames(state, sockets, peer, now);
    pump_bond(state, sockets, peer, now);
    settle_bond(state, peer);
  }
}

// Each packet: its class, its path, its counter, and its bytes where they wait.
void BondOutbound::place(State& state, uint64_t now, const BondedPackets& packets) {
  bond::Sender& sender = packets.peer->bond->sender();
  peer::Keypair& keypair = *packets.peer->current;
  if (packets.skip != 0) state.counters.drop(Drop::kCongestion, packets.skip);
  for (uint32_t i = packets.skip; i < packets.plan.count(); ++i) {
    const uint32_t length = packets.plan.length(i);
    bond::Class cls = sender.classify(now, {packets.packet, std::min(length, kHeaders)}, length);
    if (length + bond::kTrailerSize > state.mtu) cls = bond::Class::kBulk;
    const uint32_t trailer = cls == bond::Class::kBulk ? 0 : bond::kTrailerSize;
    const uint32_t padded = net::padded_length(length + trailer, state.mtu);
    if (padded + net::kDataOverhead > net::kMaxUdpPayload) {  // an MTU that no datagram has room for
      state.counters.drop(Drop::kSendFailed);
      continue;
    }
    const auto placement = sender.choose(now, cls, padded + net::kDataOverhead);
    const auto counter = placement ? keypair.reserve(now, 1) : std::nullopt;
    if (!counter) {
      state.counters.drop(Drop::kBondQueueFull);
      continue;
    }
    uint8_t* message = sender.take(now, *placement, *counter, padded + net::kDataOverhead, packets.ecn);
    write_header(keypair, *counter, message);
    uint8_t* text = message + net::kDataHeaderSize;
    packets.plan.write(i, text);
    std::memset(text + length, 0, padded - length);
    if (trailer != 0) {
      text[length] = static_cast<uint8_t>(cls);
      if (cls == bond::Class::kLatency) store<uint16_t>(text + length + 2, sender.next_latency_sequence());
    }
    jobs_.push_back({keypair.send_key, *counter, text, padded, false});
  }
}

void pump_bond(State& state, net::UdpSockets* sockets, peer::Peer& peer, uint64_t now) {
  if (sockets == nullptr) return;
  UplinkWire wire(state, *sockets, peer);
  peer.bond->sender().pump(now, wire);
}

void send_bond_frames(State& state, net::UdpSockets* sockets, peer::Peer& peer, uint64_t now) {
  for (const bond::OutgoingFrame& frame : peer.bond->take_frames()) {
    if (sockets == nullptr || !peer.current) continue;
    peer::Keypair& keypair = *peer.current;
    const auto counter = keypair.reserve(now, 1);
    if (!counter) continue;  // frames alone ask for no handshake: an idle session may end
    peer.bond->sender().skip(*counter);
    const auto length = static_cast<uint32_t>(frame.plaintext.size());
    std::vector<uint8_t> message(length + net::kDataOverhead);
    write_header(keypair, *counter, message.data());
    std::memcpy(message.data() + net::kDataHeaderSize, frame.plaintext.data(), length);
    crypto::AeadJob job{keypair.send_key, *counter, message.data() + net::kDataHeaderSize, length, false};
    keypair.aead->seal({&job, 1});
    UplinkWire wire(state, *sockets, peer);
    const auto size = static_cast<uint32_t>(message.size());
    for (bond::PathId path = 0; path < bond::kMaxPaths; ++path) {
      if ((frame.paths >> path & 1) != 0) wire.send(path, message.data(), size, size, 1, 0);
    }
    peer.any_authenticated_packet_sent(to_millis(now));
  }
}

void settle_bond(State& state, peer::Peer& peer) {
  bond::Bond& bond = *peer.bond;
  // Lane::advance_bonds() reads in the other order: sequentially consistent, so that one of the two sees the other.
  peer.bond_due_ns.store(bond.next_deadline());
  state.bonds.expect(bond.next_deadline());
  const bond::Paths& paths = bond.paths();
  uint8_t proven = 0;
  bool here = false;
  for (bond::PathId path = 0; path < bond::kMaxPaths; ++path) {
    if (paths[path].phase != bond::PathPhase::kActive) continue;
    ++proven;
    here = here || paths[path].way == peer.path;
  }
  peer.proven_paths.store(proven, std::memory_order_relaxed);
  const bond::PathId best = bond.sender().best_path();
  if (here || proven == 0 || best == bond::kNoPath) return;
  // Handshakes, and all else while there is one path, go where the peer is proven to be.
  state.deferred.post([&state, &peer, id = peer.id, way = paths[best].way] {
    if (state.peers[id].get() == &peer) state.roam(peer, way);
  });
}

}  // namespace weft::engine
