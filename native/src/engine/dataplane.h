// The data plane: lanes, the threads that serve them, and the commands by which the control plane changes their tables
// while no packet is on its way.
//
//   1 lane x 1 thread    one thread runs packets of both directions to completion
//   1 lane x K threads   leader/follower: one reads, others encrypt and decrypt; for a few fast peers
//   N lanes x 1 thread   each with its own sockets and TUN queues; for many peers
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "engine/command_queue.h"
#include "engine/control_queue.h"
#include "engine/counters.h"
#include "engine/exclusive_section.h"
#include "engine/lane.h"
#include "engine/network_watch.h"
#include "engine/state.h"

namespace weft::engine {

struct Prefix {
  int family;
  uint8_t length;
  uint8_t address[16];
};

class DataPlane {
 public:
  // When the threads run under SCHED_FIFO, at its lowest priority, if that is permitted.
  enum class RealTime { kNever, kWhileBusy, kAlways };
  struct Options {
    std::string name;
    int tun_fd = -1;  // adopted if not negative
    uint32_t mtu = 1420;
    uint32_t lanes = 1;         // at most tun::Steering::kMaxLanes
    uint32_t threads = 1;       // that serve each lane
    uint32_t busy_poll_us = 0;  // SO_BUSY_POLL of the sockets; 0 = the system's default
    RealTime real_time = RealTime::kNever;
    bool io_uring = false;  // where there is one; otherwise as without
  };

  DataPlane();
  ~DataPlane();
  DataPlane(const DataPlane&) = delete;
  DataPlane& operator=(const DataPlane&) = delete;

  tun::TunDevice::Error open(const Options& options);
  // Starts the threads; commands posted before are applied first. Returns 0, or the errno for which they run without
  // the real time that was asked for.
  int start();
  // Ends the threads and closes everything. Idempotent.
  void close();

  // Why it runs without the io_uring that was asked for; empty otherwise.
  const std::string& io_uring_missing() const { return io_uring_missing_; }
  const std::string& interface_name() const { return tun_.name(); }
  // As it was when opened; later changes come as events.
  const net::LinkState& initial_link() const { return initial_link_; }
  Counters& counters() { return *counters_; }
  std::span<peer::PeerStats> stats() { return {stats_, peer::kMaxPeers}; }
  ControlQueue& control() { return control_; }

  // Opens new sockets and hands them to the lanes; the old ones are closed when it returns. With an unchanged port the
  // old ones stay. Returns 0 or an errno.
  int listen(uint16_t& port);
  void unlisten();

  // Commands. They take effect in order; arguments must be valid.
  void set_firewall_mark(uint32_t mark);
  void set_public_key(std::span<const uint8_t> key);        // empty: none
  void set_cookie_secret(std::span<const uint8_t> secret);  // 32 bytes
  void accept_gossip(std::span<const uint8_t> token_key);   // 32 bytes; empty: not
  void add_peer(uint32_t id);
  void remove_peer(uint32_t id);
  void set_endpoint(uint32_t id, const net::Endpoint& endpoint);
  void update_allowed_ips(uint32_t id, std::vector<Prefix> added, std::vector<Prefix> removed);
  void install_keypair(uint32_t id, std::unique_ptr<peer::Keypair> keypair);
  void clear_keypairs(uint32_t id);
  void drop_staged(uint32_t id);
  void send_keepalive(uint32_t id);
  void clear_source(uint32_t id);
  void clear_unanswered(uint32_t id);
  void send_handshake(uint32_t id, std::vector<uint8_t> bytes);
  void handshake_received(uint32_t id, const net::Path& path, uint32_t length);
  void send_datagram(const net::Path& path, std::vector<uint8_t> bytes);
  void sync(uint32_t token);

  // Several uplinks to a peer: the ways to be tried; replaces the earlier list. Without a value: plain WireGuard.
  void set_bond(uint32_t id, std::optional<std::vector<net::Path>> ways);
  void set_bond_policy(uint32_t id, const bond::Policy& policy);
  struct BondSnapshot {
    struct Path {
      bond::PathId id;
      bond::Paths::Path state;
      bond::PathStatus sending;
      bond::Receiver::Totals received;
    };
    std::vector<Path> paths;
    bond::Receiver::Status receiving;
  };
  // None: the peer has no bond. Waits for the engine.
  std::optional<BondSnapshot> bond_snapshot(uint32_t id);

 private:
  void carry_out(const Command& command);
  void post_for_peer(uint32_t id, std::function<void(peer::Peer&)> command);

  void open_units();
  void run(Lane& lane, Units& units);
  bool single_thread() const { return options_.lanes * options_.threads == 1; }
  // Returns 0 or an errno.
  int replace_sockets(std::vector<net::UdpSockets> sockets);
  void clear_sources();
  void begin_bond(peer::Peer& peer);
  void end_bond(peer::Peer& peer);
  void clear_keypairs(peer::Peer& peer);
  // Where what belongs to no lane is sent from.
  Outbound& outbound() { return lanes_.front()->outbound(); }

  Options options_;
  std::string io_uring_missing_;
  tun::TunDevice tun_;
  ControlQueue control_;
  std::unique_ptr<Counters> counters_;
  peer::PeerStats* stats_ = nullptr;  // mapped
  State state_;
  NetworkWatch network_;
  net::LinkState initial_link_;
  ExclusiveSection section_;
  std::vector<std::unique_ptr<Lane>> lanes_;

  std::atomic<bool> stopping_{false};
  std::vector<std::unique_ptr<Units>> units_;  // by thread
  std::vector<std::thread> threads_;
  uint16_t bound_port_ = 0;     // control plane's thread
  uint32_t firewall_mark_ = 0;  // the same
};

}  // namespace weft::engine
