// Outbound for peers with several uplinks. Where a plain peer's packets are gathered into a SendBatch, here each one's
// path is chosen, it takes its counter, is sealed where it waits for its time, and leaves when that has come. In the
// send stage, so in the order taken; the order of counters is what the other end restores.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "crypto/aead.h"
#include "engine/state.h"
#include "tun/gso_split.h"

namespace weft::engine {

// Packets of one read of the TUN. What they refer to must stay until they are sent.
struct BondedPackets {
  peer::Peer* peer;
  tun::SegmentPlan plan;
  uint32_t skip;          // the first so many are dropped
  const uint8_t* packet;  // headers of all of them
  uint8_t ecn;
};

// `sockets` null: the interface is down. By one thread at a time for the same sockets.
class BondOutbound {
 public:
  void send(State& state, net::UdpSockets* sockets, std::span<const BondedPackets> all);

 private:
  void place(State& state, uint64_t now, const BondedPackets& packets);

  std::vector<crypto::AeadJob> jobs_;
};

// The following with the mutex of the peer's bond.

// Sends what is due. As BondOutbound::send, by one thread at a time.
void pump_bond(State& state, net::UdpSockets* sockets, peer::Peer& peer, uint64_t now);
// Seals and sends the control frames that wait. From within any unit.
void send_bond_frames(State& state, net::UdpSockets* sockets, peer::Peer& peer, uint64_t now);
// After anything was done with a bond: when it is to be looked at again, and what its paths mean to the peer.
void settle_bond(State& state, peer::Peer& peer);

}  // namespace weft::engine
