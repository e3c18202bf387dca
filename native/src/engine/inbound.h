// The way of a packet in:
//
//   UDP receive (UDP_GRO: many datagrams of one sender)
//     -> classify         handshake messages: mac1, then ControlQueue; junk: counted
//     -> IndexTable       receiver index -> keypair; too old: dropped
//     -> AEAD             opened together, in place
//   then each one in order:
//     -> ReplayFilter     only what authenticated is judged
//     -> promote          the first packet under `next` makes it `current`; staged packets go out
//     -> path             the peer roams to where the packet came from
//     -> empty?           a keepalive ends here
//     -> inner packet     length, version; source must belong to this peer; ECN combined
//     -> GroMerger        super-packets, one TUN write each
#pragma once

#include <memory>
#include <vector>

#include "crypto/aead.h"
#include "engine/codel.h"
#include "engine/outbound.h"
#include "engine/state.h"
#include "tun/gro_merge.h"

namespace weft::engine {

class Inbound {
 public:
  Inbound(State& state, Outbound& outbound);

  // Receives from one socket until it is empty or the round's budget is spent. False: the socket is empty.
  bool run(net::UdpSocket& socket);

  // Writes what the merger still holds to the TUN.
  void flush();

  // A handshake message of `length` bytes that the control plane authenticated.
  void handshake_received(peer::Peer& peer, const net::Path& path, uint32_t length);

 private:
  struct Pending {
    peer::Keypair* keypair;
    uint32_t message_length;
  };

  void split(uint8_t* bytes, const net::Received& received);
  void take_message(uint8_t* message, uint32_t length, const net::Path& path);
  void take_handshake(const uint8_t* message, uint32_t length, net::Kind kind, const net::Path& path);
  void take_gossip(const uint8_t* message, uint32_t length, const net::Path& path);
  void open_and_deliver(const net::Received& received);
  void deliver(const crypto::AeadJob& job, const Pending& pending, const net::Received& received);
  void roam(peer::Peer& peer, const net::Path& path);
  void deliver_inner(peer::Peer& peer, uint8_t* packet, uint32_t length, const net::Received& received);
  bool signal_congestion(uint64_t waited_ns);

  State& state_;
  Outbound& outbound_;
  tun::GroMerger merger_;
  std::vector<uint8_t> arena_;
  uint32_t arena_used_ = 0;
  std::vector<crypto::AeadJob> jobs_;
  std::vector<Pending> pending_;
  Codel codel_;                // of the sockets' queues
  uint32_t since_signal_ = 0;  // packets delivered since it last signalled
  std::vector<std::unique_ptr<peer::Keypair>> retired_;
  uint64_t failed_writes_seen_ = 0;
};

}  // namespace weft::engine
