#include "engine/dataplane.h"

#include <pthread.h>
#include <sys/mman.h>

#include <algorithm>
#include <condition_variable>
#include <utility>

#include "crypto/aead.h"

namespace weft::engine {
namespace {

constexpr io::Ready kUdp4 = 1;
constexpr io::Ready kUdp6 = 2;
constexpr io::Ready kLink = 4;
constexpr io::Ready kRoute = 8;
constexpr uint32_t kTunShift = 8;  // a bit for each queue of the TUN

constexpr uint8_t kHandshakeTrafficClass = 0x88;  // AF41, as the kernel module

peer::PeerStats* map_stats() {
  // Pages are touched, and so take memory, only for peers that exist.
  void* memory = mmap(nullptr, sizeof(peer::PeerStats) * peer::kMaxPeers, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  return memory == MAP_FAILED ? nullptr : static_cast<peer::PeerStats*>(memory);
}

}  // namespace

DataPlane::DataPlane()
    : counters_(std::make_unique<Counters>()), stats_(map_stats()), state_(tun_, control_, *counters_, stats_) {}

DataPlane::~DataPlane() {
  close();
  if (stats_ != nullptr) munmap(stats_, sizeof(peer::PeerStats) * peer::kMaxPeers);
}

tun::TunDevice::Error DataPlane::open(const Options& options) {
  if (stats_ == nullptr) return {ENOMEM, "mmap"};
  const auto error = options.tun_fd >= 0 ? tun_.adopt(options.tun_fd) : tun_.create(options.name, options.mtu);
  if (error.code != 0) return error;
  if (const int code = poller_.open(); code != 0) return {code, "epoll_create1"};
  if (const int code = links_.open(tun_.fd()); code != 0) return {code, "rtnetlink"};
  if (const int code = routes_.open(); code != 0) return {code, "rtnetlink"};
  initial_link_ = links_.state();
  fit_super_packets();
  outbound_ = std::make_unique<Outbound>(state_);
  inbound_ = std::make_unique<Inbound>(state_, *outbound_);
  for (uint32_t i = 0; i < tun_.queue_count(); ++i) poller_.add(tun_.fd(i), io::Ready{1} << (kTunShift + i));
  poller_.add(links_.fd(), kLink);
  poller_.add(routes_.fd(), kRoute);
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
    apply_commands();
    if (state_.check_sources_at_ns != 0 && state_.now >= state_.check_sources_at_ns) check_sources();
    const bool busy = round();
    if (busy) {
      news(poller_.poll());
    } else {
      counters_->count(Stat::kWaits);
      news(poller_.wait(sleep_ms()));
    }
  }
  outbound_->flush();
  inbound_->flush();
}

int DataPlane::sleep_ms() const {
  constexpr int kForEver = -1;
  if (state_.check_sources_at_ns == 0) return kForEver;
  const uint64_t left = state_.check_sources_at_ns - std::min(state_.now, state_.check_sources_at_ns);
  return static_cast<int>(left / kNanosPerMilli) + 1;
}

// One turn of all inputs. False: nothing is ready any more.
bool DataPlane::round() {
  if ((ready_ & kLink) != 0) link_news();
  if ((ready_ & kRoute) != 0) route_news();
  if (state_.sockets) {
    if ((ready_ & kUdp4) != 0 && !inbound_->run(state_.sockets->v4())) ready_ &= ~kUdp4;
    if ((ready_ & kUdp6) != 0 && !inbound_->run(state_.sockets->v6())) ready_ &= ~kUdp6;
  } else {
    ready_ &= ~(kUdp4 | kUdp6);
  }
  TunQueues& queues = outbound_->queues();
  if (queues.ready()) {
    outbound_->run();
    // Not readable while the interface goes away: rtnetlink tells what became of it.
    if (queues.failed() && !tun_.exists()) link_news();
  }
  return (ready_ & (kUdp4 | kUdp6)) != 0 || queues.ready();
}

void DataPlane::news(io::Ready ready) {
  ready_ |= ready & ((1u << kTunShift) - 1);
  outbound_->queues().set_ready(ready >> kTunShift);
}

void DataPlane::link_news() {
  ready_ &= ~kLink;
  if (!tun_.exists()) {
    for (uint32_t i = 0; i < tun_.queue_count(); ++i) poller_.remove(tun_.fd(i));
    poller_.remove(links_.fd());
    control_.event({.type = EventType::kLinkGone, .endpoint = {}});
    return;
  }
  const int old_fd = links_.fd();
  const bool changed = links_.update();
  if (links_.fd() != old_fd) poller_.add(links_.fd(), kLink);  // the interface moved to another namespace
  if (!changed) return;
  if (links_.state().mtu != state_.mtu) fit_super_packets();
  control_.event(
      {.type = EventType::kLinkChanged, .b = links_.state().up ? 1u : 0u, .c = links_.state().mtu, .endpoint = {}});
}

void DataPlane::route_news() {
  ready_ &= ~kRoute;
  if (!routes_.drain()) return;
  for (auto& peer : state_.peers) {
    if (peer) peer->source_checked = false;
  }
  state_.check_sources_soon();
}

// A cached source address is kept only while the route still leaves by the interface it was learnt on.
void DataPlane::check_sources() {
  state_.check_sources_at_ns = 0;
  for (auto& peer : state_.peers) {
    if (!peer || std::exchange(peer->source_checked, true) || !peer->path.source.set) continue;
    const uint32_t route = routes_.route_interface(peer->path.remote, peer->path.source, state_.firewall_mark);
    if (route != peer->path.source.interface_index) peer->path.source.set = false;
  }
}

// The stack should hand over super-packets that become exactly one full send: as many segments as fit one datagram's
// worth of bytes.
void DataPlane::fit_super_packets() {
  state_.mtu = links_.state().mtu;
  constexpr uint32_t kIpTcpHeader = 40;
  constexpr uint32_t kSlack = 200;
  constexpr uint32_t kDefault = 65536;
  if (tun_.offload() == tun::MergeOffload::kNone || state_.mtu <= 2 * kIpTcpHeader) return;
  const uint32_t segments = std::min(net::kMaxUdpPayload / (state_.mtu + net::kDataOverhead), net::kMaxSegments);
  net::set_gso_max_size(tun_.name(), std::min(segments * (state_.mtu - kIpTcpHeader) - kSlack, kDefault));
}

// --- commands -----------------------------------------------------------------------------------------------------

void DataPlane::post(Command command) {
  {
    std::lock_guard lock(command_mutex_);
    commands_.push_back(std::move(command));
  }
  if (!command_pending_.exchange(true, std::memory_order_acq_rel)) poller_.wake();
}

void DataPlane::post_and_wait(const Command& command) {
  if (!thread_.joinable()) {
    apply_commands();
    command();
    return;
  }
  std::mutex mutex;
  std::condition_variable done_changed;
  bool done = false;
  post([&] {
    command();
    std::lock_guard lock(mutex);
    done = true;
    done_changed.notify_one();
  });
  std::unique_lock lock(mutex);
  done_changed.wait(lock, [&] { return done; });
}

void DataPlane::apply_commands() {
  if (!command_pending_.exchange(false, std::memory_order_acq_rel)) return;
  std::vector<Command> commands;
  {
    std::lock_guard lock(command_mutex_);
    commands.swap(commands_);
  }
  for (const Command& command : commands) command();
}

void DataPlane::post_for_peer(uint32_t id, std::function<void(peer::Peer&)> command) {
  post([this, id, command = std::move(command)] {
    if (state_.peers[id]) command(*state_.peers[id]);
  });
}

int DataPlane::listen(uint16_t& port) {
  if (bound_port_ != 0 && port == bound_port_) return 0;
  auto sockets = std::make_unique<net::UdpSockets>();
  if (const int error = sockets->open(port, firewall_mark_); error != 0) return error;
  port = bound_port_ = sockets->port();
  post_and_wait([&] { replace_sockets(std::move(sockets)); });
  return 0;
}

void DataPlane::unlisten() {
  bound_port_ = 0;
  post_and_wait([this] { replace_sockets(nullptr); });
}

void DataPlane::replace_sockets(std::unique_ptr<net::UdpSockets> sockets) {
  state_.sockets = std::move(sockets);  // closing takes the old ones out of the poller
  ready_ &= ~(kUdp4 | kUdp6);
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
  post([this, mark] {
    state_.firewall_mark = mark;
    if (state_.sockets) state_.sockets->set_firewall_mark(mark);
    clear_sources();
  });
}

void DataPlane::set_public_key(std::span<const uint8_t> key) {
  post([this, key = std::vector<uint8_t>(key.begin(), key.end())] { state_.gate.set_public_key(key); });
}

void DataPlane::set_cookie_secret(std::span<const uint8_t> secret) {
  post([this, secret = std::vector<uint8_t>(secret.begin(), secret.end())] { state_.gate.set_cookie_secret(secret); });
}

void DataPlane::add_peer(uint32_t id) {
  post([this, id] { state_.peers[id] = std::make_unique<peer::Peer>(id, stats_[id]); });
}

void DataPlane::remove_peer(uint32_t id) {
  post_for_peer(id, [this, id](peer::Peer& peer) {
    state_.allowed_ips.remove_peer(id);
    clear_keypairs(peer);
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
  post([this, id, shared] {
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
  post_for_peer(id, [this, bytes = std::move(bytes)](peer::Peer& peer) { send_handshake(peer, bytes); });
}

void DataPlane::send_handshake(peer::Peer& peer, std::span<const uint8_t> bytes) {
  if (!peer.path.remote || !state_.sockets) return;
  const auto length = static_cast<uint32_t>(bytes.size());
  const net::SendResult result = state_.sockets->for_endpoint(peer.path.remote)
                                     .send({bytes.data(), length, length, 1, kHandshakeTrafficClass, peer.path});
  if (result.source_gone) peer.path.source.set = false;
  if (result.failed_datagrams != 0) {
    counters_->drop(Drop::kSendFailed);
    return;
  }
  peer::add_relaxed(peer.stats.tx_bytes, uint64_t{length});
  peer.any_authenticated_packet_sent(state_.now_ms);
}

void DataPlane::handshake_received(uint32_t id, const net::Path& path, uint32_t length) {
  post_for_peer(id, [this, path, length](peer::Peer& peer) {
    inbound_->roam(peer, path);
    peer::add_relaxed(peer.stats.rx_bytes, uint64_t{length});
    peer.any_authenticated_packet_received(state_.now_ms);
  });
}

void DataPlane::send_datagram(const net::Path& path, std::vector<uint8_t> bytes) {
  post([this, path, bytes = std::move(bytes)] {
    if (!state_.sockets) return;
    const auto length = static_cast<uint32_t>(bytes.size());
    state_.sockets->for_endpoint(path.remote).send({bytes.data(), length, length, 1, kHandshakeTrafficClass, path});
  });
}

void DataPlane::sync(uint32_t token) {
  post([this, token] { control_.event({.type = EventType::kSynced, .a = token, .endpoint = {}}); });
}

}  // namespace weft::engine
