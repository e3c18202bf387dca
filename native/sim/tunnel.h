// One end of a simulated tunnel: inner packets go in, and come out at the other end.
#pragma once

#include <cstdint>
#include <functional>
#include <span>

#include "sim/inner_packet.h"
#include "sim/link.h"

namespace weft::sim {

// WireGuard's header and tag.
inline constexpr uint32_t kMessageOverhead = 32;

class Tunnel {
 public:
  virtual ~Tunnel() = default;
  virtual void send(const InnerPacket& packet) = 0;
  // Of the uplink by which it came.
  virtual void receive(uint32_t uplink, Datagram&& datagram) = 0;

  // An inner packet comes out; at least its first kInnerHead bytes are there.
  std::function<void(std::span<const uint8_t>)> deliver;
};

// A tunnel without a bond: one uplink, every packet as it comes.
class PlainTunnel : public Tunnel {
 public:
  explicit PlainTunnel(Link*& out) : out_(out) {}
  void send(const InnerPacket& packet) override {
    Datagram datagram;
    datagram.length = kMessageOverhead + (packet.length + 15) / 16 * 16;
    datagram.bytes.assign(packet.head.begin(), packet.head.end());
    out_->send(std::move(datagram));
  }
  void receive(uint32_t, Datagram&& datagram) override { deliver(datagram.bytes); }

 private:
  Link*& out_;
};

}  // namespace weft::sim
