#include "engine/dataplane.h"

#include <pthread.h>
#include <sodium.h>
#include <sys/mman.h>

#include <utility>

#include "crypto/aead.h"

namespace weft::engine {
namespace {

peer::PeerStats* map_stats() {
  // Pages are touched, and so take memory, only for peers that exist.
  void* memory = mmap(nullptr, sizeof(peer::PeerStats) * peer::kMaxPeers, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  return memory == MAP_FAILED ? nullptr : static_cast<peer::PeerStats*>(memory);
}

// 10 Gbit/s for a tenth of a second: what comes by the slower path is behind by so much (docs/bond.md).
constexpr uint32_t kBondReplayBits = 1 << 17;

}  // namespace

DataPlane::DataPlane()
    : counters_(std::make_unique<Counters>()),
      stats_(map_stats()),
      state_(
          tun_, control_, *counters_, stats_,
          [this] {
            if (!lanes_.empty()) lanes_.front()->wake();
          },
          [this] { lanes_.front()->rouse(); }),
      network_(state_) {}

DataPlane::~DataPlane() {
  close();
  if (stats_ != nullptr) munmap(stats_, sizeof(peer::PeerStats) * peer::kMaxPeers);
}

tun::TunDevice::Error DataPlane::open(const Options& options) {
  if (stats_ == nullptr) return {ENOMEM, "mmap"};
  options_ = options;
  const auto error =
      options.tun_fd >= 0 ? tun_.adopt(options.tun_fd) : tun_.create(options.name, options.mtu, options.lanes);
  if (error.code != 0) return error;
  std::vector<io::Poller*> pollers;
  for (uint32_t i = 0; i < options.lanes; ++i) {
    lanes_.push_back(std::make_unique<Lane>(state_, network_, section_, i, options.threads));
    if (const int code = lanes_.back()->open(); code != 0) return {code, "epoll_create1"};
    pollers.push_back(&lanes_.back()->poller());
  }
  if (const int code = network_.open(std::move(pollers)); code != 0) return {code, "rtnetlink"};
  initial_link_ = network_.link();
  open_units();
  return {};
}

// All threads have a ring, or none has. Several real-time threads would leave the host no CPU (ADR 0013).
void DataPlane::open_units() {
  const bool may_be_real_time = single_thread() && options_.real_time == RealTime::kWhileBusy;
  std::vector<std::unique_ptr<io::Uring>> rings(options_.lanes * options_.threads);
  if (options_.io_uring) {
    for (auto& ring : rings) ring = io::Uring::open(io_uring_missing_);
  }
  for (auto& ring : rings) {
    if (!io_uring_missing_.empty()) ring.reset();
    units_.push_back(std::make_unique<Units>(std::move(ring), options_.threads == 1, may_be_real_time));
  }
}

int DataPlane::start() {
  int real_time_error = 0;
  for (auto& lane : lanes_) {
    for (uint32_t i = 0; i < options_.threads; ++i) {
      const std::string name = single_thread() ? "weft-data" : "weft-data-" + std::to_string(threads_.size());
      Units& units = *units_[threads_.size()];
      std::thread& thread = threads_.emplace_back([this, &lane = *lane, &units] { run(lane, units); });
      pthread_setname_np(thread.native_handle(), name.c_str());
      if (options_.real_time != RealTime::kAlways) continue;
      const sched_param lowest{sched_get_priority_min(SCHED_FIFO)};
      const int code = pthread_setschedparam(thread.native_handle(), SCHED_FIFO, &lowest);
      if (code != 0) real_time_error = code;
    }
  }
  return real_time_error;
}

void DataPlane::close() {
  stopping_ = true;
  for (auto& lane : lanes_) lane->stop();
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
  units_.clear();
  // Peers hold keys: wipe them now.
  for (auto& peer : state_.peers) peer.reset();
  state_.sockets.clear();
  tun_ = {};
}

// --- a thread -------------------------------------------------------------------------------------------------------

void DataPlane::run(Lane& lane, Units& units) {
  while (!stopping_) {
    if (state_.has_changes()) section_.run([this] { state_.make_changes(); });
    section_.wait_while_wanted();
    lane.turn(units);
  }
}

// --- commands -----------------------------------------------------------------------------------------------------

void DataPlane::post_for_peer(uint32_t id, std::function<void(peer::Peer&)> command) {
  state_.commands.post([this, id, command = std::move(command)] {
    if (state_.peers[id]) command(*state_.peers[id]);
  });
}

// Before start() and after close() there are no other threads to ask.
void DataPlane::carry_out(const Command& command) {
  if (!threads_.empty()) {
    state_.commands.post_and_wait(command);
  } else {
    state_.make_changes();
    command();
  }
}

int DataPlane::listen(uint16_t& port) {
  if (bound_port_ != 0 && port == bound_port_) return 0;
  std::vector<net::UdpSockets> sockets;
  const net::SocketOptions options{.firewall_mark = firewall_mark_, .busy_poll_us = options_.busy_poll_us};
  if (const int error = net::open_sockets(sockets, options_.lanes, port, options); error != 0) return error;
  port = bound_port_ = sockets.front().port();
  int code = 0;
  carry_out([&] { code = replace_sockets(std::move(sockets)); });
  if (code != 0) unlisten();
  return code;
}

void DataPlane::unlisten() {
  bound_port_ = 0;
  carry_out([this] { replace_sockets({}); });
}

int DataPlane::replace_sockets(std::vector<net::UdpSockets> sockets) {
  state_.sockets = std::move(sockets);
  int code = 0;
  for (auto& lane : lanes_) {
    if (const int error = lane->on_sockets_replaced(); error != 0) code = error;
  }
  clear_sources();
  return code;
}

void DataPlane::clear_sources() {
  for (auto& peer : state_.peers) {
    if (peer) peer->path.source.set = false;
  }
}

void DataPlane::set_firewall_mark(uint32_t mark) {
  firewall_mark_ = mark;
  state_.commands.post([this, mark] {
    state_.firewall_mark = mark;
    for (net::UdpSockets& sockets : state_.sockets) sockets.set_firewall_mark(mark);
    clear_sources();
  });
}

void DataPlane::set_public_key(std::span<const uint8_t> key) {
  state_.commands.post([this, key = std::vector<uint8_t>(key.begin(), key.end())] { state_.gate.set_public_key(key); });
}

void DataPlane::set_cookie_secret(std::span<const uint8_t> secret) {
  state_.commands.post([this, secret = std::vector<uint8_t>(secret.begin(), secret.end())] {
    state_.gate.set_cookie_secret(secret, state_.now);
  });
}

void DataPlane::accept_gossip(std::span<const uint8_t> token_key) {
  state_.commands.post(
      [this, key = std::vector<uint8_t>(token_key.begin(), token_key.end())] { state_.gossip_gate.open(key); });
}

void DataPlane::add_peer(uint32_t id) {
  state_.commands.post([this, id] { state_.peers[id] = std::make_unique<peer::Peer>(id, stats_[id]); });
}

void DataPlane::remove_peer(uint32_t id) {
  post_for_peer(id, [this, id](peer::Peer& peer) {
    state_.allowed_ips.remove_peer(id);
    clear_keypairs(peer);
    end_bond(peer);
    state_.forget_handshake(peer);
    state_.peers[id].reset();
    control_.event({.type = EventType::kPeerRemoved, .a = id, .endpoint = {}});
  });
}

void DataPlane::set_endpoint(uint32_t id, const net::Endpoint& endpoint) {
  post_for_peer(id, [endpoint](peer::Peer& peer) { peer.path = {endpoint, {}}; });
}

void DataPlane::update_allowed_ips(uint32_t id, std::vector<Prefix> added, std::vector<Prefix> removed) {
  post_for_peer(id, [this, id, added = std::move(added), removed = std::move(removed)](peer::Peer&) {
    for (const Prefix& p : removed) state_.allowed_ips.remove(p.family, p.address, p.length, id);
    for (const Prefix& p : added) state_.allowed_ips.insert(p.family, p.address, p.length, id);
  });
}

void DataPlane::install_keypair(uint32_t id, std::unique_ptr<peer::Keypair> keypair) {
  // std::function wants to be copyable.
  auto shared = std::make_shared<std::unique_ptr<peer::Keypair>>(std::move(keypair));
  state_.commands.post([this, id, shared] {
    std::unique_ptr<peer::Keypair> keys = std::move(*shared);
    peer::Peer* peer = state_.peers[id].get();
    if (peer == nullptr) {
      state_.retire(std::move(keys));
      return;
    }
    keys->peer = peer;
    keys->aead = &crypto::default_aead();
    if (peer->bond) keys->replay.widen(kBondReplayBits);
    peer->last_handshake_request_ns = 0;
    state_.keypairs.insert(keys->local_index, keys.get());
    for (auto& retired : peer::install_keypair(*peer, std::move(keys))) state_.retire(std::move(retired));
  });
}

void DataPlane::clear_keypairs(uint32_t id) {
  post_for_peer(id, [this](peer::Peer& peer) { clear_keypairs(peer); });
}

void DataPlane::clear_keypairs(peer::Peer& peer) {
  for (auto* slot : {&peer.previous, &peer.current, &peer.next}) state_.retire(std::move(*slot));
  peer.last_handshake_request_ns = 0;
}

void DataPlane::drop_staged(uint32_t id) {
  post_for_peer(id, [this](peer::Peer& peer) {
    if (const uint32_t dropped = peer.staged.clear(); dropped != 0) counters_->drop(Drop::kStagedExpired, dropped);
    peer::set_relaxed(peer.stats.owes_keepalive_since_ms, 0.0);
  });
}

void DataPlane::send_keepalive(uint32_t id) {
  post_for_peer(id, [this](peer::Peer& peer) {
    outbound().send_staged(peer, true);
    // More data came after the one that this keepalive answers: it is owed an answer of its own.
    if (peer.another_keepalive.exchange(false)) {
      peer::set_relaxed(peer.stats.owes_keepalive_since_ms, state_.now_ms);
    }
  });
}

void DataPlane::clear_source(uint32_t id) {
  post_for_peer(id, [](peer::Peer& peer) { peer.path.source.set = false; });
}

void DataPlane::clear_unanswered(uint32_t id) {
  post_for_peer(id, [](peer::Peer& peer) { peer::set_relaxed(peer.stats.unanswered_since_ms, 0.0); });
}

void DataPlane::send_handshake(uint32_t id, std::vector<uint8_t> bytes) {
  post_for_peer(id, [this, bytes = std::move(bytes)](peer::Peer& peer) { outbound().send_handshake(peer, bytes); });
}

void DataPlane::handshake_received(uint32_t id, const net::Path& path, uint32_t length) {
  post_for_peer(
      id, [this, path, length](peer::Peer& peer) { lanes_.front()->inbound().handshake_received(peer, path, length); });
}

void DataPlane::send_datagram(const net::Path& path, std::vector<uint8_t> bytes) {
  state_.commands.post([this, path, bytes = std::move(bytes)] { outbound().send_datagram(path, bytes); });
}

// --- bonds ----------------------------------------------------------------------------------------------------------

void DataPlane::set_bond(uint32_t id, std::optional<std::vector<net::Path>> ways) {
  post_for_peer(id, [this, ways = std::move(ways)](peer::Peer& peer) {
    if (!ways) {
      end_bond(peer);
      return;
    }
    if (!peer.bond) begin_bond(peer);
    peer.bond->set_candidates(state_.now, *ways);
    settle_bond(state_, peer);
  });
}

void DataPlane::begin_bond(peer::Peer& peer) {
  uint64_t seed;
  randombytes_buf(&seed, sizeof seed);
  peer.bond = std::make_unique<bond::Bond>(seed);
  state_.bonds.peers.push_back(&peer);
  for (const auto* slot : {&peer.previous, &peer.current, &peer.next}) {
    if (*slot) (*slot)->replay.widen(kBondReplayBits);
  }
  peer::tell_bond(peer);
}

void DataPlane::end_bond(peer::Peer& peer) {
  std::erase(state_.bonds.peers, &peer);
  peer.proven_paths = 0;
  peer.bond.reset();
  peer.path.source.pinned = false;
}

void DataPlane::set_bond_policy(uint32_t id, const bond::Policy& policy) {
  post_for_peer(id, [this, policy](peer::Peer& peer) {
    if (!peer.bond) return;
    peer.bond->set_policy(state_.now, policy);
    settle_bond(state_, peer);
  });
}

std::optional<DataPlane::BondSnapshot> DataPlane::bond_snapshot(uint32_t id) {
  std::optional<BondSnapshot> snapshot;
  carry_out([this, id, &snapshot] {
    const peer::Peer* peer = state_.peers[id].get();
    if (peer == nullptr || !peer->bond) return;
    snapshot.emplace();
    snapshot->receiving = peer->bond->receiver().status();
    for (bond::PathId path = 0; path < bond::kMaxPaths; ++path) {
      const bond::Paths::Path& state = peer->bond->paths()[path];
      if (state.phase == bond::PathPhase::kFree) continue;
      snapshot->paths.push_back(
          {path, state, peer->bond->sender().status(state_.now, path), peer->bond->receiver().totals(path)});
    }
  });
  return snapshot;
}

void DataPlane::sync(uint32_t token) {
  state_.commands.post([this, token] { control_.event({.type = EventType::kSynced, .a = token, .endpoint = {}}); });
}

}  // namespace weft::engine
