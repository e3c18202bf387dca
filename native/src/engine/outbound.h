// The way of a packet out:
//
//   TunQueues             the sparse queue first, then the bulk in turn: one TUN read (super-packet)
//     -> CoDel            too long in its queue: marked CE, or one segment dropped
//     -> SegmentPlan      check the headers, count the segments
//     -> AllowedIps       which peer?          none: ICMP host unreachable
//     -> endpoint?                             none: ICMP host unreachable
//     -> current keypair                       none: StagedQueue + handshake-needed
//     -> counters         one block for all segments
//     -> SegmentPlan      each segment written, checksums finished, straight into the send buffer; padded
//     -> SendBatch        sealed together, sent with UDP_SEGMENT
#pragma once

#include <span>
#include <vector>

#include "engine/send_batch.h"
#include "engine/state.h"
#include "engine/tun_queues.h"
#include "tun/gso_split.h"
#include "util/token_bucket.h"

namespace weft::engine {

class Outbound {
 public:
  explicit Outbound(State& state);

  TunQueues& queues() { return queues_; }

  // Everything sparse, then bulk until the round's budget is spent.
  void run();

  // Sends what waits for a key; with nothing waiting an empty packet, if `keepalive`.
  void send_staged(peer::Peer& peer, bool keepalive);

  // A handshake message to where the peer is; counts as an authenticated packet sent.
  void send_handshake(peer::Peer& peer, std::span<const uint8_t> bytes);
  // A message that belongs to no peer (a cookie reply).
  void send_datagram(const net::Path& path, std::span<const uint8_t> bytes);

  void flush() { batch_.flush(); }

 private:
  bool run_sparse();
  void handle(uint8_t* bytes, const TunQueues::Packet& read);
  bool mark_congestion(uint8_t* packet);
  peer::Peer* route(const uint8_t* packet, uint32_t length);
  bool send(peer::Peer& peer, const uint8_t* packet, uint32_t skip);
  bool send_empty(peer::Peer& peer);
  bool has_key(peer::Peer& peer, uint32_t packets);
  void sent(peer::Peer& peer);
  net::SendResult send_control(const net::Path& path, std::span<const uint8_t> bytes);
  void stage(peer::Peer& peer, const uint8_t* bytes, uint32_t length, uint32_t packets);
  void refuse(const uint8_t* packet, uint32_t length);
  uint32_t padded(uint32_t length) const;

  State& state_;
  TunQueues queues_;
  SendBatch batch_;
  tun::SegmentPlan plan_;
  std::vector<uint8_t> buffer_;
  TokenBucket unreachable_;
  uint32_t sparse_rounds_ = 0;  // in a row that ended with sparse packets left
};

}  // namespace weft::engine
