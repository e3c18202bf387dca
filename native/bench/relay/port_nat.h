// A home router's NAT as a peer sees it: the source port of UDP is another one, and what comes to a port that nobody
// inside has opened is dropped. The address stays, so that the relay needs none of its own. Mapping and filtering do
// not depend on the other end (RFC 4787, 4.1 and 5).
#pragma once

#include <cstdint>
#include <map>
#include <utility>

#include "relay/ip_packet.h"

namespace weft::relay {

class PortNat {
 public:
  // A restart of the router: all that was open is forgotten, and the next ports are others.
  void rebind() {
    outside_.clear();
    inside_.clear();
  }

  void outbound(IpPacket& packet) {
    if (!packet.is_udp()) return;
    const Flow flow = {packet.source(), packet.source_port()};
    auto [entry, fresh] = outside_.try_emplace(flow, next_);
    if (fresh) {
      inside_[next_] = flow;
      next_ = next_ == kLastPort ? kFirstPort : static_cast<uint16_t>(next_ + 1);
    }
    packet.set_source_port(entry->second);
  }

  // False: nobody inside has opened that port.
  bool inbound(IpPacket& packet) const {
    if (!packet.is_udp()) return true;
    const auto entry = inside_.find(packet.destination_port());
    if (entry == inside_.end() || entry->second.first != packet.destination()) return false;
    packet.set_destination_port(entry->second.second);
    return true;
  }

 private:
  using Flow = std::pair<Address, uint16_t>;
  static constexpr uint16_t kFirstPort = 20'000;
  static constexpr uint16_t kLastPort = 59'999;

  std::map<Flow, uint16_t> outside_;
  std::map<uint16_t, Flow> inside_;
  uint16_t next_ = kFirstPort;
};

}  // namespace weft::relay
