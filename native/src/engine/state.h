// What the two directions share: the tables, the time of this round, the counters. Owned and written by the engine
// thread; commands change it between rounds.
#pragma once

#include <memory>
#include <vector>

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
  State(tun::TunDevice& tun_device, ControlQueue& queue, Counters& counts, peer::PeerStats* peer_stats)
      : tun(tun_device), control(queue), counters(counts), stats(peer_stats), peers(peer::kMaxPeers) {}

  tun::TunDevice& tun;
  ControlQueue& control;
  Counters& counters;
  peer::PeerStats* stats;  // kMaxPeers of them

  std::vector<std::unique_ptr<peer::Peer>> peers;  // by id; null = free
  routing::AllowedIps allowed_ips;
  routing::IndexTable<peer::Keypair> keypairs;  // by local index
  routing::IndexTable<peer::Peer> handshakes;   // by the index in the last handshake message sent to the peer
  std::unique_ptr<net::UdpSockets> sockets;     // null while the interface is down
  HandshakeGate gate;
  GossipGate gossip_gate;
  uint32_t firewall_mark = 0;
  uint32_t mtu = 0;

  uint64_t now = 0;  // CLOCK_BOOTTIME at the start of this round
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

  // At most ten times a second a peer, as every packet without a key asks.
  void request_handshake(peer::Peer& peer) {
    constexpr uint64_t kPauseNs = 100 * kNanosPerMilli;
    if (peer.last_handshake_request_ns != 0 && now < peer.last_handshake_request_ns + kPauseNs) return;
    peer.last_handshake_request_ns = now;
    control.peer_event(EventType::kHandshakeNeeded, peer.id);
  }
};

}  // namespace weft::engine
