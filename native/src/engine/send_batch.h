// Outbound, last steps: packets whose counters are reserved are written into one buffer, sealed together, and leave in
// as few sendmsg calls as UDP_SEGMENT allows: packets of one size to one place follow each other, only the last may be
// shorter. Gathered by the leader, sealed beside other batches, sent in turn.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "crypto/aead.h"
#include "engine/bond_outbound.h"
#include "engine/state.h"
#include "io/uring.h"
#include "net/demux.h"
#include "tun/gso_split.h"

namespace weft::engine {

class SendBatch {
 public:
  // `uring`: sends are made by it, where there are several; null: a system call each.
  explicit SendBatch(io::Uring* uring = nullptr);

  // The packets of `plan` but the first `skip`, under the counters from `first` on. What the plan refers to must stay
  // until the batch is sent.
  void add(peer::Keypair& keypair, uint64_t first, const tun::SegmentPlan& plan, uint32_t skip, uint8_t ecn);
  // Of a peer with several uplinks.
  void add_bonded(const BondedPackets& packets);
  // A keepalive.
  void add_empty(peer::Keypair& keypair, uint64_t counter);

  // Writes and seals as much as there is room for.
  void seal(const State& state);
  // Sends it, seals and sends the rest, and empties the batch. `sockets` null: the interface is down.
  void send(State& state, net::UdpSockets* sockets);

 private:
  static constexpr uint32_t kCapacity = 256 * 1024;
  static constexpr uint32_t kMaxMessage = 65535 + net::kDataOverhead;

  // Packets under consecutive counters.
  struct Packets {
    peer::Keypair* keypair;
    uint64_t counter;  // of packet 0
    uint32_t next;     // to be sealed
    uint32_t count;
    uint8_t ecn;
    bool keepalive;  // of no plan
    tun::SegmentPlan plan;
  };
  // Datagrams of one send.
  struct Chunk {
    peer::Peer* peer;
    net::Outgoing out;
    bool closed;
  };

  bool seal_next(Packets& packets, uint32_t mtu);
  uint8_t* add_message(peer::Keypair& keypair, uint64_t counter, uint32_t padded, uint8_t ecn);
  bool fits(const Chunk& chunk, const peer::Peer& peer, uint32_t length, uint8_t ecn) const;
  void send_chunks(State& state, net::UdpSockets* sockets);
  void send(State& state, net::UdpSockets* sockets, const Chunk& chunk);
  size_t send_at_once(State& state, net::UdpSockets& sockets, size_t first);
  static void count(State& state, const Chunk& chunk, const net::SendResult& result);

  io::Uring* uring_;
  std::vector<Packets> packets_;
  size_t unsealed_ = 0;  // packets_ from here on have packets that are not sealed
  std::unique_ptr<uint8_t[]> buffer_;
  uint32_t used_ = 0;
  std::vector<Chunk> chunks_;
  std::vector<crypto::AeadJob> jobs_;
  std::vector<BondedPackets> bonded_;
  BondOutbound bond_;
};

}  // namespace weft::engine
