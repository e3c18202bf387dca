// The way of a packet out:
//
//   TUN read (super-packet)
//     -> SegmentPlan      check the headers, count the segments
//     -> AllowedIps       which peer?          none: ICMP host unreachable
//     -> endpoint?                             none: ICMP host unreachable
//     -> current keypair                       none: StagedQueue + handshake-needed
//     -> counters         one block for all segments
//     -> SegmentPlan      each segment written, checksums finished, straight into the send buffer; padded
//     -> SendBatch        sealed together, sent with UDP_SEGMENT
#pragma once

#include <vector>

#include "engine/send_batch.h"
#include "engine/state.h"
#include "tun/gso_split.h"

namespace weft::engine {

class Outbound {
 public:
  explicit Outbound(State& state);

  // Reads from the TUN until it is empty or the round's budget is spent. False: the TUN is empty.
  bool run();
  // Whether the last run() ended because the TUN failed.
  bool tun_failed() const { return tun_failed_; }

  // Sends what waits for a key; with nothing waiting an empty packet, if `keepalive`.
  void send_staged(peer::Peer& peer, bool keepalive);

  void flush() { batch_.flush(); }

 private:
  void handle(const uint8_t* bytes, uint32_t length);
  peer::Peer* route(const uint8_t* packet, uint32_t length);
  bool send(peer::Peer& peer, const uint8_t* packet);
  bool send_empty(peer::Peer& peer);
  bool usable_key(peer::Peer& peer, uint32_t packets);
  void sent(peer::Peer& peer);
  void stage(peer::Peer& peer, const uint8_t* bytes, uint32_t length, uint32_t packets);
  void refuse(const uint8_t* packet, uint32_t length);
  uint32_t padded(uint32_t length) const;

  State& state_;
  SendBatch batch_;
  tun::SegmentPlan plan_;
  std::vector<uint8_t> buffer_;
  bool tun_failed_ = false;
  uint64_t unreachable_tokens_ns_ = 0;
};

}  // namespace weft::engine
