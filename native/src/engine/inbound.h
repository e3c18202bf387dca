// The way of a packet in, in the three stages of its unit:
//
//   take     by the lane's leader
//     UDP receive         with UDP_GRO one receive is many datagrams of one sender; else many receives in one call
//   open     beside other units
//     classify            handshake messages: mac1, then ControlQueue; junk: counted
//       -> IndexTable     receiver index -> keypair; too old: dropped
//       -> AEAD           opened together, in place
//   deliver  in the order taken, each packet in turn; small packets before the bursts of other flows
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

#include "engine/bond_inbound.h"
#include "engine/codel.h"
#include "engine/inbound_unit.h"
#include "engine/outbound.h"
#include "engine/state.h"
#include "engine/tun_batch.h"
#include "tun/gro_merge.h"

namespace weft::engine {

class Inbound {
 public:
  // `queues` take the packets; `outbound` is the lane's.
  Inbound(State& state, Outbound& outbound, TunQueues& queues);

  // What a unit that is read ahead may hold. A line then has fewer datagrams than the replay filter's window, and its
  // memory has a bound, whatever comes.
  static constexpr uint32_t kReceivesAhead = 4;

  // Stage one, by the leader. The unit is empty if there was nothing. `most`: receives.
  void take(net::UdpSocket& socket, InboundUnit& unit, uint32_t most = InboundUnit::kDatagrams);
  // The others. To open it again does nothing.
  void open(InboundUnit& unit);
  void deliver(InboundUnit& unit);
  // Of the newest unit of a line, opened as the others, the small packets of flows of which nothing waits before them:
  // they need not wait for bulk. Whether the host got any.
  bool deliver_first(InboundLine& line);

  // With its mutex, in turn with what is delivered: what its bond has to deliver by now.
  void advance_bond(peer::Peer& peer, uint64_t now);

  // In an exclusive section: a handshake message of `length` bytes that the control plane authenticated.
  void handshake_received(peer::Peer& peer, const net::Path& path, uint32_t length);

 private:
  using Origin = DataMessages::Origin;
  // Of what is delivered.
  struct Moment {
    uint64_t ns;
    double ms;
    uint64_t held_ns;  // since it was taken
    bool passing;      // others that wait
  };

  void split(InboundUnit& unit, const net::Received& received);
  void take_message(InboundUnit& unit, uint8_t* message, uint32_t length, const net::Received& received);
  void take_handshake(const uint8_t* message, uint32_t length, net::Kind kind, const net::Path& path, uint64_t now);
  void take_gossip(const uint8_t* message, uint32_t length, const net::Path& path, uint64_t now);
  static const tun::FlowSet& flows_of(InboundUnit& unit);
  uint64_t deliver(DataMessages& messages, const InboundUnit& unit, bool passing);
  template <typename Write>
  uint64_t count_written(io::Uring* uring, Write write);
  size_t deliver_run(DataMessages& messages, const Moment& now, size_t first);
  template <typename OnReplay>
  uint64_t accept(std::span<crypto::AeadJob> jobs, peer::Keypair& keypair, OnReplay on_replay);
  void deliver_bonded(DataMessages& messages, const Moment& now, size_t first, size_t end);
  void note(const Moment& now, const Origin& origin, uint64_t bytes);
  void promote(peer::Keypair& keypair);
  std::span<uint8_t> inner_packet(peer::Peer& peer, const crypto::AeadJob& job, const net::Received& received,
                                  const Moment& now);
  bool signal_congestion(uint32_t length, uint64_t waited_ns, uint64_t now);

  State& state_;
  Outbound& outbound_;
  TunBatch tun_;
  tun::GroMerger merger_;
  BondInbound bond_;
  std::vector<BondedMessage> bonded_;  // of a run
  DataMessages first_;                 // what passes the rest of a line
  // How long the longest of the last receives from each family's socket was, and half of it after each shorter one:
  // what to ask for next time. A single short one between bursts is no reason to take all bursts there are for one
  // unit.
  uint32_t expected_length_[2] = {InboundUnit::kBytes, InboundUnit::kBytes};
  Codel codel_;                // of the sockets' queues
  uint32_t since_signal_ = 0;  // packets delivered since it last signalled
};

}  // namespace weft::engine
