#include "engine/dataplane.h"

#include <pthread.h>
#include <sys/mman.h>

#include <utility>

#include "crypto/aead.h"

namespace weft::engine {
namespace {

constexpr io::Ready kUdp4 = 1;
constexpr io::Ready kUdp6 = 2;
constexpr io::Ready kLink = 4;
constexpr io::Ready kRoute = 8;
constexpr uint32_t kTunShift = 8;  // a bit for each queue of the TUN

peer::PeerStats* map_stats() {
  // Pages are touched, and so take memory, only for peers that exist.
  void* memory = mmap(nullptr, sizeof(peer::PeerStats) * peer::kMaxPeers, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  return memory == MAP_FAILED ? nullptr : static_cast<peer::PeerStats*>(memory);
}

}  // namespace

DataPlane::DataPlane()
    : counters_(std::make_unique<Counters>()),
      stats_(map_stats()),
      state_(tun_, control_, *counters_, stats_),
      network_(state_, poller_, kLink, kRoute),
      commands_([this] { poller_.wake(); }) {}

DataPlane::~DataPlane() {
  close();
  if (stats_ != nullptr) munmap(stats_, sizeof(peer::PeerStats) * peer::kMaxPeers);
}

tun::TunDevice::Error DataPlane::open(const Options& options) {
  if (stats_ == nullptr) return {ENOMEM, "mmap"};
  const auto error = options.tun_fd >= 0 ? tun_.adopt(options.tun_fd) : tun_.create(options.name, options.mtu);
  if (error.code != 0) return error;
  if (const int code = poller_.open(); code != 0) return {code, "epoll_create1"};
  if (const int code = network_.open(); code != 0) return {code, "rtnetlink"};
  initial_link_ = network_.link();
  outbound_ = std::make_unique<Outbound>(state_);
  inbound_ = std::make_unique<Inbound>(state_, *outbound_);
  for (uint32_t i = 0; i < tun_.queue_count(); ++i) poller_.add(tun_.fd(i), io::Ready{1} << (kTunShift + i));
  return {};
}

void DataPlane::start() {
  thread_ = std::thread([this] {
    pthread_setname_np(pthread_self(), "weft-data");
    run();
  });
}

void DataPlane::close() {
  if (thread_.joinable()) {
    stopping_.store(true, std::memory_order_release);
    poller_.wake();
    thread_.join();
  }
  // Peers hold keys: wipe them now.
  for (auto& peer : state_.peers) peer.reset();
  state_.sockets.reset();
  tun_ = {};
}

// --- the thread ---------------------------------------------------------------------------------------------------

void DataPlane::run() {
  while (!stopping_.load(std::memory_order_acquire)) {
    state_.tick();
    commands_.apply();
    network_.check_sources_if_due();
    // Whoever had packets is read again; the kernel is asked about the others.
    const bool busy = round();
    if (!busy) counters_->count(Stat::kWaits);
    dispatch(poller_.wait(busy ? 0 : network_.milliseconds_left()));
  }
  outbound_->flush();
  inbound_->flush();
}

void DataPlane::dispatch(io::Ready ready) {
  if ((ready & kLink) != 0) network_.on_link_change();
  if ((ready & kRoute) != 0) network_.on_route_change();
  ready_ |= ready & (kUdp4 | kUdp6);
  outbound_->queues().set_ready(ready >> kTunShift);
}

// One turn of all that has packets. False: nobody has any more.
bool DataPlane::round() {
  if (!state_.sockets) ready_ = 0;
  if ((ready_ & kUdp4) != 0 && !inbound_->run(state_.sockets->v4())) ready_ &= ~kUdp4;
  if ((ready_ & kUdp6) != 0 && !inbound_->run(state_.sockets->v6())) ready_ &= ~kUdp6;
  TunQueues& queues = outbound_->queues();
  if (queues.ready()) {
    outbound_->run();
    // Not readable while the interface goes away.
    if (queues.failed()) network_.on_link_change();
  }
  return ready_ != 0 || queues.ready();
}

// --- commands -----------------------------------------------------------------------------------------------------

void DataPlane::post_for_peer(uint32_t id, std::function<void(peer::Peer&)> command) {
  commands_.post([this, id, command = std::move(command)] {
    if (state_.peers[id]) command(*state_.peers[id]);
  });
}

// Before start() and after close() there is no other thread to ask.
void DataPlane::carry_out(const Command& command) {
  if (thread_.joinable()) {
    commands_.post_and_wait(command);
  } else {
    commands_.apply();
    command();
  }
}

int DataPlane::listen(uint16_t& port) {
  if (bound_port_ != 0 && port == bound_port_) return 0;
  auto sockets = std::make_unique<net::UdpSockets>();
  if (const int error = sockets->open(port, firewall_mark_); error != 0) return error;
  port = bound_port_ = sockets->port();
  carry_out([&] { replace_sockets(std::move(sockets)); });
  return 0;
}

void DataPlane::unlisten() {
  bound_port_ = 0;
  carry_out([this] { replace_sockets(nullptr); });
}

void DataPlane::replace_sockets(std::unique_ptr<net::UdpSockets> sockets) {
  state_.sockets = std::move(sockets);  // closing takes the old ones out of the poller
  ready_ = 0;
  clear_sources();
  if (!state_.sockets) return;
  if (state_.sockets->v4().is_open()) poller_.add(state_.sockets->v4().fd(), kUdp4);
  if (state_.sockets->v6().is_open()) poller_.add(state_.sockets->v6().fd(), kUdp6);
}

void DataPlane::clear_sources() {
  for (auto& peer : state_.peers) {
    if (peer) peer->path.source.set = false;
  }
}

void DataPlane::set_firewall_mark(uint32_t mark) {
  firewall_mark_ = mark;
  commands_.post([this, mark] {
    state_.firewall_mark = mark;
    if (state_.sockets) state_.sockets->set_firewall_mark(mark);
    clear_sources();
  });
}

void DataPlane::set_public_key(std::span<const uint8_t> key) {
  commands_.post([this, key = std::vector<uint8_t>(key.begin(), key.end())] { state_.gate.set_public_key(key); });
}

void DataPlane::set_cookie_secret(std::span<const uint8_t> secret) {
  commands_.post([this, secret = std::vector<uint8_t>(secret.begin(), secret.end())] {
    state_.gate.set_cookie_secret(secret, state_.now);
  });
}

void DataPlane::accept_gossip(bool accept) {
  commands_.post([this, accept] { state_.gossip_gate.set_open(accept); });
}

void DataPlane::add_peer(uint32_t id) {
  commands_.post([this, id] { state_.peers[id] = std::make_unique<peer::Peer>(id, stats_[id]); });
}

void DataPlane::remove_peer(uint32_t id) {
  post_for_peer(id, [this, id](peer::Peer& peer) {
    state_.allowed_ips.remove_peer(id);
    clear_keypairs(peer);
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
  commands_.post([this, id, shared] {
    std::unique_ptr<peer::Keypair> keys = std::move(*shared);
    peer::Peer* peer = state_.peers[id].get();
    if (peer == nullptr) {
      state_.retire(std::move(keys));
      return;
    }
    keys->peer = peer;
    keys->aead = &crypto::default_aead();
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
    outbound_->send_staged(peer, true);
    // More data came after the one that this keepalive answers: it is owed an answer of its own.
    if (std::exchange(peer.another_keepalive, false)) {
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
  post_for_peer(id, [this, bytes = std::move(bytes)](peer::Peer& peer) { outbound_->send_handshake(peer, bytes); });
}

void DataPlane::handshake_received(uint32_t id, const net::Path& path, uint32_t length) {
  post_for_peer(id, [this, path, length](peer::Peer& peer) { inbound_->handshake_received(peer, path, length); });
}

void DataPlane::send_datagram(const net::Path& path, std::vector<uint8_t> bytes) {
  commands_.post([this, path, bytes = std::move(bytes)] { outbound_->send_datagram(path, bytes); });
}

void DataPlane::sync(uint32_t token) {
  commands_.post([this, token] { control_.event({.type = EventType::kSynced, .a = token, .endpoint = {}}); });
}

}  // namespace weft::engine
