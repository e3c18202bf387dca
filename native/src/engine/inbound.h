// The way of a packet in, in the three stages of its unit:
//
//   take     by the lane's leader
//     UDP receive         with UDP_GRO one receive is many datagrams of one sender; else many receives in one call
//   open     beside other units
//     classify            handshake messages: mac1, then ControlQueue; junk: counted
//       -> IndexTable     receiver index -> keypair; too old: dropped
//       -> AEAD           opened together, in place
//   deliver  in the order taken, each packet in turn
//     ReplayFilter        only what authenticated is judged
//       -> promote, path  noted, and carried out once the unit is through: the first packet under `next` makes it
//                         `current`, staged packets go out; the peer roams to where the packet came from
//       -> empty?         a keepalive ends here
//       -> inner packet   length, version; source must belong to this peer; ECN combined
//       -> several uplinks? BondInbound: order is restored
//       -> GroMerger      super-packets, one TUN write each
#pragma once

#include <array>
#include <span>
#include <vector>

#include "crypto/aead.h"
#include "engine/bond_inbound.h"
#include "engine/codel.h"
#include "engine/outbound.h"
#include "engine/state.h"
#include "engine/tun_batch.h"
#include "tun/gro_merge.h"

namespace weft::engine {

// What one turn takes from a socket, with its memory. Belongs to a thread.
class InboundUnit {
 public:
  // `uring`: receives and writes are made by it; null: a system call each.
  explicit InboundUnit(io::Uring* uring) : uring_(uring), received_(kDatagrams) {}

  uint32_t receives() const { return receives_; }
  uint32_t bytes() const { return bytes_; }
  // It holds a receive of a whole burst of datagrams.
  bool large() const { return large_; }
  // The socket had no more.
  bool emptied() const { return emptied_; }

 private:
  friend class Inbound;
  // Enough for the AEAD to work on many lanes, and for a super-packet.
  static constexpr uint32_t kDatagrams = 64;
  static constexpr uint32_t kBytes = 64 * 1024;

  // Where a message to be opened came from.
  struct Message {
    peer::Keypair* keypair;
    const net::Received* received;
  };

  void clear();
  uint32_t receive(net::UdpSocket& socket, uint32_t count);
  uint32_t took(uint32_t receives);

  io::Uring* uring_;
  uint64_t now_ = 0;
  double now_ms_ = 0;
  net::ReceiveBuffer received_;
  uint32_t receives_ = 0;
  uint32_t datagrams_ = 0;
  uint32_t bytes_ = 0;
  bool large_ = false;
  bool emptied_ = false;
  std::vector<crypto::AeadJob> jobs_;
  std::vector<Message> messages_;  // by job
};

class Inbound {
 public:
  // `queues` take the packets; `outbound` is the lane's.
  Inbound(State& state, Outbound& outbound, TunQueues& queues);

  // Stage one, by the leader. The unit is empty if there was nothing.
  void take(net::UdpSocket& socket, InboundUnit& unit);
  // The others.
  void open(InboundUnit& unit);
  void deliver(InboundUnit& unit);

  // With its mutex, in turn with what is delivered: what its bond has to deliver by now.
  void advance_bond(peer::Peer& peer, uint64_t now);

  // In an exclusive section: a handshake message of `length` bytes that the control plane authenticated.
  void handshake_received(peer::Peer& peer, const net::Path& path, uint32_t length);

 private:
  using Message = InboundUnit::Message;

  void split(InboundUnit& unit, const net::Received& received);
  void take_message(InboundUnit& unit, uint8_t* message, uint32_t length, const net::Received& received);
  void take_handshake(const uint8_t* message, uint32_t length, net::Kind kind, const net::Path& path, uint64_t now);
  void take_gossip(const uint8_t* message, uint32_t length, const net::Path& path, uint64_t now);
  size_t deliver_run(InboundUnit& unit, size_t first);
  template <typename OnReplay>
  uint64_t accept(std::span<crypto::AeadJob> jobs, peer::Keypair& keypair, OnReplay on_replay);
  void deliver_bonded(InboundUnit& unit, size_t first, size_t end);
  void note(const InboundUnit& unit, const Message& message, uint64_t bytes);
  void promote(peer::Keypair& keypair);
  std::span<uint8_t> inner_packet(peer::Peer& peer, const crypto::AeadJob& job, const net::Received& received,
                                  uint64_t now);
  bool signal_congestion(uint32_t length, uint64_t waited_ns, uint64_t now);

  State& state_;
  Outbound& outbound_;
  TunBatch tun_;
  tun::GroMerger merger_;
  BondInbound bond_;
  std::vector<BondedMessage> bonded_;  // of a run
  // How long the longest of the last receives from each family's socket was: what to ask for next time.
  uint32_t expected_length_[2] = {InboundUnit::kBytes, InboundUnit::kBytes};
  Codel codel_;                // of the sockets' queues
  uint32_t since_signal_ = 0;  // packets delivered since it last signalled
};

}  // namespace weft::engine
