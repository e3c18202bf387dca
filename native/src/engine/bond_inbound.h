// Inbound for peers with several uplinks: what authenticated goes through the receiving half of the peer's bond, and
// what that releases to the TUN.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "bond/bond.h"
#include "engine/bond_outbound.h"
#include "engine/state.h"
#include "engine/tun_batch.h"
#include "tun/gro_merge.h"

namespace weft::engine {

// A message that authenticated.
struct BondedMessage {
  uint64_t counter;
  uint32_t bytes;  // UDP payload
  bool replayed;   // its counter came before
  bool refused;    // the inner packet is not for the host
  std::span<const uint8_t> plaintext;
  std::span<uint8_t> packet;  // the inner packet; empty: a keepalive, a control frame, junk
};

class BondInbound {
 public:
  BondInbound(State& state, tun::GroMerger& merger, TunBatch& tun) : state_(state), merger_(merger), tun_(tun) {}

  // With the bond's mutex: messages that came under `keypair` by one way. What they release is written to the TUN
  // before another unit can release what follows.
  void receive(const peer::Keypair& keypair, const net::Path& way, std::span<const BondedMessage> messages,
               net::UdpSockets* sockets);
  // With the mutex: what is due by time alone.
  void advance(uint64_t now, peer::Peer& peer);

 private:
  void write();

  State& state_;
  tun::GroMerger& merger_;
  TunBatch& tun_;
  bond::Released released_;
};

}  // namespace weft::engine
