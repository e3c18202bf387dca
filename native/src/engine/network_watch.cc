#include "engine/network_watch.h"

#include <algorithm>
#include <utility>

namespace weft::engine {

int NetworkWatch::open(std::vector<io::Poller*> pollers) {
  pollers_ = std::move(pollers);
  if (const int code = links_.open(state_.tun.fd()); code != 0) return code;
  if (const int code = routes_.open(); code != 0) return code;
  if (const int code = pollers_.front()->add(links_.fd(), kLink); code != 0) return code;
  fit_super_packets();
  return pollers_.front()->add(routes_.fd(), kRoute);
}

void NetworkWatch::on_ready(io::Ready bits) {
  if ((bits & kLink) != 0) on_link_change();
  if ((bits & kRoute) != 0) on_route_change();
}

void NetworkWatch::on_link_change() {
  if (gone_) return;
  if (!state_.tun.exists()) {
    gone_ = true;
    pollers_.front()->remove(links_.fd());
    for (io::Poller* poller : pollers_) {
      for (uint32_t i = 0; i < state_.tun.queue_count(); ++i) poller->remove(state_.tun.fd(i));
    }
    state_.control.event({.type = EventType::kLinkGone, .endpoint = {}});
    return;
  }
  const int old_fd = links_.fd();
  const bool changed = links_.update();
  if (links_.fd() != old_fd) pollers_.front()->add(links_.fd(), kLink);  // the interface moved to another namespace
  if (!changed) return;
  if (link().mtu != state_.mtu) fit_super_packets();
  state_.control.event({.type = EventType::kLinkChanged, .b = link().up ? 1u : 0u, .c = link().mtu, .endpoint = {}});
}

// The stack should hand over super-packets that become exactly one full send: as many segments as fit one datagram's
// worth of bytes.
void NetworkWatch::fit_super_packets() {
  state_.mtu = link().mtu;
  constexpr uint32_t kIpTcpHeader = 40;
  constexpr uint32_t kSlack = 200;
  constexpr uint32_t kDefault = 65536;
  if (state_.tun.offload() == tun::MergeOffload::kNone || state_.mtu <= 2 * kIpTcpHeader) return;
  const uint32_t segments = std::min(net::kMaxUdpPayload / (state_.mtu + net::kDataOverhead), net::kMaxSegments);
  if (segments == 0) return;  // jumbo: each packet is a send of its own
  links_.set_gso_max_size(std::min(segments * (state_.mtu - kIpTcpHeader) - kSlack, kDefault));
}

void NetworkWatch::on_route_change() {
  if (!routes_.drain()) return;
  for (auto& peer : state_.peers) {
    if (peer) peer->source_checked = false;
  }
  state_.check_sources_soon();
}

// A cached source address is kept only while the route still leaves by the interface it was learnt on. Each look-up is
// a system call, so a round does a bounded number.
void NetworkWatch::check_sources() {
  if (state_.check_sources_at_ns == 0 || state_.now < state_.check_sources_at_ns) return;
  constexpr uint32_t kLookupsPerRound = 32;
  uint32_t lookups = 0;
  for (; next_unchecked_ < state_.peers.size(); ++next_unchecked_) {
    peer::Peer* peer = state_.peers[next_unchecked_].get();
    if (peer == nullptr || peer->source_checked || !peer->path.source.set || peer->path.source.pinned) continue;
    if (lookups++ == kLookupsPerRound) return;
    peer->source_checked = true;
    const uint32_t route = routes_.route_interface(peer->path.remote, peer->path.source, state_.firewall_mark);
    if (route != peer->path.source.interface_index) peer->path.source.set = false;
  }
  next_unchecked_ = 0;
  state_.check_sources_at_ns = 0;
}

uint64_t NetworkWatch::next_check() const {
  return state_.check_sources_at_ns == 0 ? UINT64_MAX : state_.check_sources_at_ns;
}

}  // namespace weft::engine
