// What all lanes and both directions share. The tables are read by every packet and change in an exclusive section
// only, when none is on its way; the rest is for several threads at a time.
#pragma once

#include <memory>
#include <mutex>
#include <vector>

#include "engine/bond_clock.h"
#include "engine/command_queue.h"
#include "engine/control_queue.h"
#include "engine/counters.h"
#include "engine/gossip_gate.h"
#include "engine/handshake_gate.h"
#include "net/udp_socket.h"
#include "peer/peer.h"
#include "routing/allowed_ips.h"
#include "routing/index_table.h"
#include "tun/tun_device.h"

namespace weft::engine {

struct State {
  // `wake` ends the sleep of a thread that then carries out commands; `wake_for_bonds` that of the first lane.
  State(tun::TunDevice& tun_device, ControlQueue& queue, Counters& counts, peer::PeerStats* peer_stats,
        std::function<void()> wake, std::function<void()> wake_for_bonds)
      : tun(tun_device),
        control(queue),
        counters(counts),
        stats(peer_stats),
        peers(peer::kMaxPeers),
        bonds(std::move(wake_for_bonds)),
        deferred([] {}),
        commands(std::move(wake)) {}

  tun::TunDevice& tun;
  ControlQueue& control;
  Counters& counters;
  peer::PeerStats* stats;  // kMaxPeers of them

  std::vector<std::unique_ptr<peer::Peer>> peers;  // by id; null = free
  routing::AllowedIps allowed_ips;
  routing::IndexTable<peer::Keypair> keypairs;  // by local index
  routing::IndexTable<peer::Peer> handshakes;   // by the index in the last handshake message sent to the peer
  std::vector<net::UdpSockets> sockets;         // by lane; none while the interface is down
  uint32_t firewall_mark = 0;
  uint32_t mtu = 0;

  BondClock bonds;

  std::mutex gates;  // guards both while packets are on their way
  HandshakeGate gate;
  GossipGate gossip_gate;

  // What a packet changes in the tables, rarely: it leaves a note, which its thread carries out in an exclusive section
  // once the packet is through. In order within a lane and direction.
  CommandQueue deferred;
  // The control plane's.
  CommandQueue commands;
  bool has_changes() const { return deferred.pending() || commands.pending(); }
  // In an exclusive section.
  void make_changes() {
    if (!has_changes()) return;  // another thread was faster
    tick();
    deferred.apply();
    commands.apply();
  }

  uint64_t now = 0;  // CLOCK_BOOTTIME at the start of this exclusive section
  double now_ms = 0;

  void tick() {
    now = now_ns();
    now_ms = to_millis(now);
  }

  // When cached source addresses are to be compared with the routes again; 0 = nothing has changed.
  uint64_t check_sources_at_ns = 0;
  void check_sources_soon() {
    // Changes come in bursts; one look after the burst is enough.
    constexpr uint64_t kDelayNs = 100 * kNanosPerMilli;
    if (check_sources_at_ns == 0) check_sources_at_ns = now + kDelayNs;
  }

  // The peer is where an authenticated packet came from.
  void roam(peer::Peer& peer, const net::Path& path) {
    if (peer.path == path) return;
    const bool moved = !(peer.path.remote == path.remote);
    peer.path = path;
    peer.source_checked = false;
    check_sources_soon();
    if (moved) control.endpoint_changed(peer.id, path.remote);
  }

  void retire(std::unique_ptr<peer::Keypair> keypair) {
    if (!keypair) return;
    keypairs.erase(keypair->local_index);
    control.event({.type = EventType::kKeypairRetired, .a = keypair->local_index, .endpoint = {}});
  }

  // Whether a cookie reply to this index answers something we sent.
  bool awaits_answer(uint32_t index) const { return handshakes.find(index) != nullptr; }
  void handshake_sent(peer::Peer& peer, uint32_t index) {
    forget_handshake(peer);
    peer.handshake_index = index;
    handshakes.insert(index, &peer);
  }
  void forget_handshake(peer::Peer& peer) {
    if (handshakes.find(peer.handshake_index) == &peer) handshakes.erase(peer.handshake_index);
  }

  // At most ten times a second a peer, as every packet without a key asks. From within a unit too.
  void request_handshake(peer::Peer& peer, uint64_t at) {
    constexpr uint64_t kPauseNs = 100 * kNanosPerMilli;
    const uint64_t last = peer::get_relaxed(peer.last_handshake_request_ns);
    if (last != 0 && at < last + kPauseNs) return;
    peer::set_relaxed(peer.last_handshake_request_ns, at);
    control.peer_event(EventType::kHandshakeNeeded, peer.id);
  }

  // The kernel refused the source address that the peer was last heard on. Commands send too, so the peer may be gone
  // by then.
  void forget_source_later(const peer::Peer& peer) {
    deferred.post([this, id = peer.id] {
      if (peers[id]) peers[id]->path.source.set = false;
    });
  }
};

}  // namespace weft::engine
