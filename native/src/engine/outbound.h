// The way of a packet out, in the three stages of its unit:
//
//   take     by the lane's leader
//     TunQueues           the sparse queue first, then the bulk in turn: a super-packet, or some small ones
//       -> CoDel          too long in its queue: marked CE, or one segment dropped
//       -> SegmentPlan    check the headers, count the segments
//       -> AllowedIps     which peer?          none: ICMP host unreachable
//       -> endpoint?                           none: ICMP host unreachable
//       -> current keypair                     none: to be staged, and handshake-needed, once the unit is through
//       -> several uplinks? noted only: BondOutbound does the rest of it in stage three
//       -> counters       one block for all segments
//   seal     beside other units
//     SegmentPlan         each segment written, checksums finished, straight into the send buffer; padded
//       -> AEAD           sealed together
//   send     in the order taken
//     UdpSocket           with UDP_SEGMENT
#pragma once

#include <memory>
#include <span>

#include "engine/send_batch.h"
#include "engine/state.h"
#include "engine/tun_queues.h"
#include "tun/gro_merge.h"
#include "tun/gso_split.h"
#include "util/token_bucket.h"

namespace weft::engine {

// What is taken from the TUN at once, with its memory. Belongs to a thread.
class OutboundUnit {
 public:
  // `uring`: sends are made by it; null: a system call each.
  explicit OutboundUnit(io::Uring* uring)
      : buffer_(std::make_unique_for_overwrite<uint8_t[]>(kBuffer)), batch_(uring) {}

  uint32_t packets() const { return packets_; }  // reads of the TUN
  uint32_t bytes() const { return bytes_; }

 private:
  friend class Outbound;
  // A super-packet, or small packets for about a send: enough for the AEAD, and little enough that the other direction
  // and sparse packets need not wait long.
  static constexpr uint32_t kBytes = 32 * 1024;
  static constexpr uint32_t kSegments = 64;
  static constexpr uint32_t kRead = sizeof(tun::VirtioHeader) + 65535 + 1;
  static constexpr uint32_t kAlignment = 64;
  // Also for the packets that go before the last, a whole sparse queue at most.
  static constexpr uint32_t kBuffer = 512 * 1024;
  static constexpr uint32_t kSparse =
      (sizeof(tun::VirtioHeader) + tun::Steering::kSmallPacket + kAlignment - 1) / kAlignment * kAlignment;
  static_assert(kBytes + kSegments * kAlignment + kRead + tun::Steering::kQueuePackets * kSparse + kRead <= kBuffer);

  bool full() const { return bytes_ >= kBytes || segments_ >= kSegments || packets_ >= kSegments; }
  bool has_room() const { return used_ + kRead <= kBuffer; }
  std::span<uint8_t> room() { return {buffer_.get() + used_, kRead}; }
  void clear();
  std::span<uint8_t> took(uint32_t length);

  uint64_t now_ = 0;
  double now_ms_ = 0;
  std::unique_ptr<uint8_t[]> buffer_;
  uint32_t used_ = 0;
  uint32_t packets_ = 0;
  uint32_t bytes_ = 0;
  uint32_t segments_ = 0;
  SendBatch batch_;
};

class Outbound {
 public:
  // `lane`: whose sockets it sends from. `tun` takes the ICMP answers.
  Outbound(State& state, TunQueues& queues, tun::TunSink& tun, uint32_t lane);

  // Stage one, by the leader. The unit is empty if there was nothing; it is not full() if there is no more.
  void take_sparse(OutboundUnit& unit);
  void take_bulk(OutboundUnit& unit);
  // The others.
  void seal(OutboundUnit& unit) { unit.batch_.seal(state_); }
  void send(OutboundUnit& unit) { unit.batch_.send(state_, sockets()); }

  // With its mutex, in turn with what is sent: what its bond has to send by now.
  void advance_bond(peer::Peer& peer, uint64_t now);

  // In an exclusive section: sends what waits for a key; with nothing waiting an empty packet, if `keepalive`.
  void send_staged(peer::Peer& peer, bool keepalive);
  // In an exclusive section: a handshake message to where the peer is; counts as an authenticated packet sent.
  void send_handshake(peer::Peer& peer, std::span<const uint8_t> bytes);
  // A message that belongs to no peer (a cookie reply). From within a unit too.
  void send_datagram(const net::Path& path, std::span<const uint8_t> bytes);

  // null: the interface is down.
  net::UdpSockets* sockets() { return state_.sockets.empty() ? nullptr : &state_.sockets[lane_]; }

 private:
  // When something is sent.
  struct Moment {
    uint64_t ns;
    double ms;
  };

  void count(const OutboundUnit& unit);
  void handle(OutboundUnit& unit, std::span<uint8_t> read, bool congested);
  bool mark_congestion(uint8_t* packet);
  peer::Peer* route(const tun::SegmentPlan& plan, const uint8_t* packet, uint32_t length, uint64_t now);
  bool add(SendBatch& batch, const Moment& now, peer::Peer& peer, const tun::SegmentPlan& plan, const uint8_t* packet,
           uint32_t skip);
  bool add_empty(SendBatch& batch, const Moment& now, peer::Peer& peer);
  std::optional<uint64_t> reserve(const Moment& now, peer::Peer& peer, uint32_t packets);
  bool has_key(const Moment& now, const peer::Peer& peer) const;
  void sent(const Moment& now, peer::Peer& peer);
  net::SendResult send_control(const net::Path& path, std::span<const uint8_t> bytes);
  void stage_later(peer::Peer& peer, std::span<const uint8_t> read, uint32_t packets);
  void stage(peer::Peer& peer, std::span<const uint8_t> read, uint32_t packets);
  void refuse(const uint8_t* packet, uint32_t length, uint64_t now);

  State& state_;
  TunQueues& queues_;
  tun::TunSink& tun_;
  const uint32_t lane_;
  TokenBucket unreachable_;
  SendBatch staged_;  // being sent, in an exclusive section
};

}  // namespace weft::engine
