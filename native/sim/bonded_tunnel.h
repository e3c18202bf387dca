// A tunnel whose end is the production bond: what the engine does around bond::Bond, without sealing.
//
//   send: classify -> choose -> counter -> take -> pump       receive: replay window -> arrived -> receive | duplicate
//
// A message is a header of 16 bytes (what the nonce and the trailer say), then the plaintext's beginning.
#pragma once

#include <array>
#include <memory>
#include <vector>

#include "bond/bond.h"
#include "sim/loop.h"
#include "sim/tunnel.h"

namespace weft::sim {

class BondedTunnel : public Tunnel, private bond::Wire {
 public:
  struct Counters {
    uint64_t refused = 0;  // no path, or all wait too long
    uint64_t frames = 0, frame_bytes = 0;
    uint64_t replayed = 0;
    uint64_t overdue = 0;  // deadlines that had passed when they were named
  };

  // `number`: 1 or 2, of the end. `out`: the links away from here, by uplink.
  BondedTunnel(Loop& loop, uint64_t seed, uint32_t number, std::vector<Link*>& out);

  // Begins to try the ways over these uplinks.
  void set_uplinks(bond::PathSet uplinks);
  void set_policy(const bond::Policy& policy);
  // From here on messages are sent, or may come, under another session.
  void start_sending(bond::SessionIndex session);
  void start_receiving(bond::SessionIndex session);

  void send(const InnerPacket& packet) override;
  void receive(uint32_t uplink, Datagram&& datagram) override;

  // Datagrams from this port are what the other end's NAT lets in. Another one: the mapping of this end's uplink is
  // new.
  void rebind(uint32_t uplink) { ++port_[uplink]; }
  uint16_t port(uint32_t uplink) const { return port_[uplink]; }

  bond::Bond& bond() { return *bond_; }
  const Counters& counters() const { return counters_; }
  // The path over an uplink; kNoPath: none is active.
  bond::PathId path_of(uint32_t uplink) const;

 private:
  // The sliding window of a session's counters, 2^17 wide as that of a bonded session is.
  struct Session {
    bond::SessionIndex index = 0;
    uint64_t highest = 0;
    std::vector<uint64_t> seen = std::vector<uint64_t>((1u << 17) / 64);
    bool accept(uint64_t counter);
  };

  bool send(bond::PathId path, const uint8_t* data, uint32_t length, uint32_t segment, uint32_t count,
            uint8_t traffic_class) override;
  void write_header(uint8_t* message, bool frame, bond::Class cls, uint16_t latency_sequence, uint32_t length);
  net::Path way(uint32_t uplink, uint16_t remote_port) const;
  void arrive(uint32_t uplink, const Datagram& datagram);
  void release();
  void settle();  // frames out, what is due out, the next deadline

  Loop& loop_;
  uint32_t number_;
  std::vector<Link*>& out_;
  std::unique_ptr<bond::Bond> bond_;
  Alarm alarm_;
  Counters counters_;
  bond::SessionIndex sending_ = 0;
  uint64_t counter_ = 0;
  std::array<std::unique_ptr<Session>, 2> receiving_;
  std::array<uint16_t, bond::kMaxPaths> port_;
  bond::Released released_;
  std::array<uint8_t, 2048> arrived_{}, frame_{};
};

}  // namespace weft::sim
