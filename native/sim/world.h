// A whole simulation: two ends, the uplinks between them, what crosses them, and what is seen of it over time.
//
//   World world(seed, {{up, down}, ...});  world.tcp(Tcp::kCubic, 1);  world.at(10, [&] { ... });  world.run(30);
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "sim/bonded_tunnel.h"
#include "sim/flows.h"
#include "sim/link.h"

namespace weft::sim {

// An uplink's way in both directions.
struct Uplink {
  Shape up, down;
};
// The same both ways. `rtt_ms`: without queues.
Uplink uplink(double mbps, double rtt_ms);

// What is seen in each tenth of a second.
struct Series {
  static constexpr double kStep = 0.1;
  struct Path {
    std::vector<double> mbps;       // that crossed the link, from the first end to the second
    std::vector<double> rate_mbps;  // that the first end believes in
    std::vector<double> queue_ms;   // true
    std::vector<int> reason;        // bond::Reason; -1: no path
  };
  std::vector<double> goodput_mbps;  // of all flows from the first end to the second
  std::vector<double> call_ms;       // longest delay of a call's packet; 0: none came
  std::vector<Path> paths;
};

class World {
 public:
  enum class Bonding { kOn, kOff };  // off: the first uplink alone, as a plain tunnel

  World(uint64_t seed, const std::vector<Uplink>& uplinks, Bonding bonding = Bonding::kOn);

  Loop& loop() { return loop_; }
  // Uplinks that are tried from the beginning; all, if this is not called before run().
  void begin_with(bond::PathSet uplinks) { first_uplinks_ = uplinks; }
  // The same at both ends.
  void set_policy(const bond::Policy& policy);

  // Times are seconds from the beginning.
  TcpFlow& tcp(Tcp kind, double start, bool forward = true, double stop = 1e6);
  UdpFlow& udp(UdpFlow::Kind kind, double start, double stop = 1e6, bool forward = true);
  UdpFlow& call(double start, double stop = 1e6, bool forward = true) { return udp({}, start, stop, forward); }
  void at(double when, std::function<void()> action) { loop_.at(kStart + seconds(when), std::move(action)); }
  void run(double until);

  Shape& up(uint32_t uplink) { return links_[0][uplink]->shape; }
  Shape& down(uint32_t uplink) { return links_[1][uplink]->shape; }
  void both(uint32_t uplink, const std::function<void(Shape&)>& change);
  const Link& link(uint32_t uplink, bool forward = true) const { return *links_[forward ? 0 : 1][uplink]; }
  BondedTunnel& end(uint32_t index) { return *bonded_[index]; }
  // A new session, as after a handshake: the first end sends under it at once, the second when it hears of it.
  void rekey();

  const Series& series() const { return series_; }
  // Mean over [from, to) of what the applications got, from the first end to the second, Mbit/s.
  double goodput_mbps(double from, double to) const;
  // Of uplink `i`, of what all carried in [from, to).
  double share(uint32_t uplink, double from, double to) const;
  double carried_mbps(uint32_t uplink, double from, double to) const;
  // The first end's view of the path over an uplink.
  bond::PathStatus status(uint32_t uplink);

 private:
  void sample();
  void deliver(uint32_t end, std::span<const uint8_t> packet);
  Ends ends_for(bool forward);

  Loop loop_;
  Random seeds_;
  std::vector<std::unique_ptr<Link>> links_[2];
  std::vector<Link*> out_[2];
  std::unique_ptr<Tunnel> tunnels_[2];
  BondedTunnel* bonded_[2] = {nullptr, nullptr};
  std::vector<std::unique_ptr<Flow>> flows_;
  std::vector<UdpFlow*> udp_;
  std::vector<bool> forward_;
  bond::PathSet first_uplinks_ = 0xFF;
  bond::SessionIndex next_session_ = 1;
  bool begun_ = false;
  Alarm sampler_;
  Series series_;
  std::vector<uint64_t> carried_before_;
  uint64_t goodput_before_ = 0;
  std::vector<size_t> arrivals_before_;
};

}  // namespace weft::sim
