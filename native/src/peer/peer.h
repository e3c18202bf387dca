// A peer as the data plane knows it: where it is, its keys, what waits for a key, and its times. It changes in the
// engine's exclusive sections only, but for what is atomic; the control plane reads PeerStats.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>

#include "bond/bond.h"
#include "net/endpoint.h"
#include "peer/keypair.h"
#include "peer/peer_stats.h"
#include "peer/staged_queue.h"

namespace weft::peer {

struct Peer {
  Peer(uint32_t peer_id, PeerStats& peer_stats) : id(peer_id), stats(peer_stats) { stats.clear(); }

  const uint32_t id;
  PeerStats& stats;
  net::Path path;              // remote none = no endpoint yet
  bool source_checked = true;  // path.source is where the route to the peer leaves

  // `current` sends. All three receive, as packets under older and newer keys cross on the way.
  std::unique_ptr<Keypair> current;
  std::unique_ptr<Keypair> previous;
  std::unique_ptr<Keypair> next;  // responder's, until the initiator shows that it has it

  StagedQueue staged;
  std::unique_ptr<bond::Bond> bond;      // null: plain WireGuard
  std::atomic<uint8_t> proven_paths{0};  // of the bond
  std::atomic<uint64_t> bond_due_ns{0};  // when the bond has something to do by time alone
  // Whether what is sent goes by the bond: with one path there is nothing to choose.
  bool bonded() const { return proven_paths.load(std::memory_order_relaxed) > 1; }

  std::atomic<bool> another_keepalive{false};  // more data came while a keepalive was owed
  std::atomic<uint64_t> last_handshake_request_ns{0};
  uint32_t handshake_index = 0;  // in the last handshake message sent to it

  // The marks of wireguard's timers, in the verbs of the kernel module's timers.h.
  void data_sent(double now_ms);
  void data_received(double now_ms);
  void any_authenticated_packet_sent(double now_ms);
  void any_authenticated_packet_received(double now_ms);
};

// The bond, if there is one, knows of the sessions that are in use: after any change of keys.
void tell_bond(Peer& peer);

// Keys that a slot operation replaced: the caller takes their indices out of the index table, then drops them.
using Retired = std::array<std::unique_ptr<Keypair>, 2>;

// Initiator: the response came, so the peer has the keys: they are `current` at once.
// Responder: they wait in `next` for the first packet under them.
Retired install_keypair(Peer& peer, std::unique_ptr<Keypair> keypair);

// The first packet under `next` authenticated.
std::unique_ptr<Keypair> promote_next(Peer& peer);

}  // namespace weft::peer
