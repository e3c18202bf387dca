// Inbound, last step: plaintext packets of one flow become TSO or USO super-packets, each written to the TUN device
// with one writev. Payloads are not copied: a super-packet is the first packet followed by the payloads of the others.
//
// Packets are authenticated, trimmed to their IP length and source-checked before; their transport checksums are not
// verified but replaced by a seed that lets the kernel complete them where it must (VirtioHeader NEEDS_CSUM).
#pragma once

#include <sys/uio.h>

#include <array>
#include <cstdint>

#include "tun/flow.h"
#include "tun/virtio.h"

namespace weft::tun {

struct TunSink {
  virtual ~TunSink() = default;
  // One packet or super-packet; iov[0] is the VirtioHeader. The memory is the caller's again on return.
  virtual void write(const iovec* iov, int count) = 0;
};

// What the TUN device accepts as super-packets.
enum class MergeOffload : uint8_t {
  kNone,
  kTcp,
  kTcpAndUdp,  // TUN_F_USO4 and TUN_F_USO6
};

class GroMerger {
 public:
  GroMerger(TunSink& sink, MergeOffload offload) : sink_(sink), offload_(offload) {}
  GroMerger(const GroMerger&) = delete;
  GroMerger& operator=(const GroMerger&) = delete;

  // Takes one IP packet, whose memory must stay valid and writable until flush(). Packets of one flow are written in
  // the order pushed; those of different flows may pass each other.
  void push(uint8_t* packet, uint32_t length);

  // Writes everything still open.
  void flush();

  uint64_t packets() const { return packets_; }  // pushed
  uint64_t writes() const { return writes_; }    // written; packets() / writes() is the average merge

 private:
  static constexpr uint32_t kFlows = 16;
  static constexpr uint32_t kNoSlot = kFlows;
  // UDP_MAX_SEGMENTS of older kernels (newer ones: 128); more are EINVAL. Also bounds the iovecs.
  static constexpr uint32_t kMaxSegments = 64;

  // A packet seen as headers and payload; what a super-packet needs to know about it.
  struct Packet {
    uint8_t* data;
    uint32_t length;
    uint32_t transport;      // offset of the TCP or UDP header
    uint32_t header_length;  // offset of the payload
    uint32_t hash;           // of addresses, protocol and ports
    uint8_t protocol;
    bool seedable;   // its checksum may be replaced by a seed
    bool mergeable;  // carries data and nothing else that the receiver must see packet by packet
    bool pushed;     // TCP PSH: nothing may follow
  };

  // An open super-packet. Candidates are compared with the header of the first packet, in place.
  struct Flow {
    Packet first;
    uint32_t segment_size;                    // payload of the first packet
    uint32_t total_length;                    // IP length so far
    uint32_t segments;                        // so far
    std::array<iovec, 1 + kMaxSegments> iov;  // iov[0]: the VirtioHeader
  };

  static FlowKey::Kind parse(uint8_t* data, uint32_t length, Packet& packet);
  static void parse_tcp(Packet& packet);
  static void parse_udp(Packet& packet);
  static bool same_flow(const Packet& a, const Packet& b);
  static bool can_append(const Flow& flow, const Packet& packet);
  static VirtioHeader seed(const Packet& packet, uint32_t total_length);

  uint32_t find(const Packet& packet) const;
  void open(const Packet& packet);
  void append(uint32_t slot, const Packet& packet);
  void close(uint32_t slot);
  void write_alone(uint8_t* data, uint32_t length, VirtioHeader header);

  TunSink& sink_;
  const MergeOffload offload_;
  uint32_t used_ = 0;   // bit i: flows_[i] is open
  uint32_t evict_ = 0;  // which to close next when all are
  uint64_t packets_ = 0;
  uint64_t writes_ = 0;
  std::array<uint32_t, kFlows> hashes_{};
  std::array<Flow, kFlows> flows_{};
};

}  // namespace weft::tun
