#include "sim/world.h"

#include <algorithm>
#include <numeric>

namespace weft::sim {
namespace {

double mean(const std::vector<double>& values, double from, double to) {
  const auto index = [&](double at) { return std::min(values.size(), static_cast<size_t>(at / Series::kStep + 0.5)); };
  const size_t begin = index(from), end = index(to);
  if (begin >= end) return 0;
  return std::accumulate(values.begin() + static_cast<std::ptrdiff_t>(begin),
                         values.begin() + static_cast<std::ptrdiff_t>(end), 0.0) /
         static_cast<double>(end - begin);
}

}  // namespace

Uplink uplink(double mbps, double rtt_ms) {
  Shape shape;
  shape.rate_bps = mbps * 1e6;
  shape.delay_ms = rtt_ms / 2;
  return {shape, shape};
}

World::World(uint64_t seed, const std::vector<Uplink>& uplinks, Bonding bonding)
    : seeds_(seed), sampler_(loop_, [this] { sample(); }) {
  for (uint32_t i = 0; i < uplinks.size(); ++i) {
    for (uint32_t direction = 0; direction < 2; ++direction) {
      const Shape& shape = direction == 0 ? uplinks[i].up : uplinks[i].down;
      links_[direction].push_back(std::make_unique<Link>(loop_, seeds_.next(), shape, [=, this](Datagram&& datagram) {
        tunnels_[1 - direction]->receive(i, std::move(datagram));
      }));
      out_[direction].push_back(links_[direction].back().get());
    }
  }
  for (uint32_t end = 0; end < 2; ++end) {
    if (bonding == Bonding::kOn) {
      auto tunnel = std::make_unique<BondedTunnel>(loop_, seeds_.next(), end + 1, out_[end]);
      bonded_[end] = tunnel.get();
      tunnels_[end] = std::move(tunnel);
    } else {
      tunnels_[end] = std::make_unique<PlainTunnel>(out_[end].front());
    }
    tunnels_[end]->deliver = [=, this](std::span<const uint8_t> packet) { deliver(end, packet); };
  }
  if (bonding == Bonding::kOn) rekey();
  series_.paths.resize(uplinks.size());
  carried_before_.resize(uplinks.size());
  sampler_.set(loop_.now() + seconds(Series::kStep));
}

void World::set_policy(const bond::Policy& policy) {
  for (BondedTunnel* tunnel : bonded_) tunnel->set_policy(policy);
}

void World::rekey() {
  for (uint32_t end = 0; end < 2; ++end) {
    // The receiver of packets names their session.
    const bond::SessionIndex session = next_session_++;
    bonded_[1 - end]->start_receiving(session);
    const double wait_ms = begun_ && end == 1 ? links_[0].front()->shape.delay_ms : 0;
    loop_.at(loop_.now() + millis(wait_ms), [=, this] { bonded_[end]->start_sending(session); });
    if (!begun_) bonded_[end]->start_sending(session);
  }
}

Ends World::ends_for(bool forward) {
  Ends ends{loop_};
  ends.near = tunnels_[forward ? 0 : 1].get();
  ends.far = tunnels_[forward ? 1 : 0].get();
  ends.forward = forward;
  ends.number = static_cast<uint16_t>(flows_.size());
  forward_.push_back(forward);
  return ends;
}

TcpFlow& World::tcp(Tcp kind, double start, bool forward, double stop) {
  auto flow = std::make_unique<TcpFlow>(ends_for(forward), kind, seeds_.next());
  TcpFlow& result = *flow;
  flows_.push_back(std::move(flow));
  at(start, [&result] { result.start(); });
  if (stop < 1e6) at(stop, [&result] { result.stop(); });
  return result;
}

UdpFlow& World::udp(UdpFlow::Kind kind, double start, double stop, bool forward) {
  auto flow = std::make_unique<UdpFlow>(ends_for(forward), kind, seeds_.next());
  UdpFlow& result = *flow;
  flows_.push_back(std::move(flow));
  if (forward && kind.traffic_class == kExpedited) {
    udp_.push_back(&result);
    arrivals_before_.push_back(0);
  }
  at(start, [&result, stop] { result.start(kStart + seconds(stop)); });
  return result;
}

void World::both(uint32_t index, const std::function<void(Shape&)>& change) {
  change(up(index));
  change(down(index));
}

void World::deliver(uint32_t end, std::span<const uint8_t> packet) {
  const uint16_t number = flow_of(packet);
  if (number >= flows_.size()) return;
  const bool forward_packet = is_forward(packet);
  if (forward_packet != (end == 1)) return;
  flows_[number]->receive(packet, forward_packet == forward_[number]);
}

void World::run(double until) {
  if (!begun_) {
    begun_ = true;
    for (BondedTunnel* tunnel : bonded_) {
      if (tunnel != nullptr) tunnel->set_uplinks(first_uplinks_);
    }
  }
  loop_.run_until(kStart + seconds(until));
}

bond::PathStatus World::status(uint32_t index) {
  const bond::PathId path = bonded_[0]->path_of(index);
  return path == bond::kNoPath ? bond::PathStatus{} : bonded_[0]->bond().sender().status(loop_.now(), path);
}

void World::sample() {
  const double to_mbps = 8 / Series::kStep / 1e6;
  uint64_t goodput = 0;
  for (size_t i = 0; i < flows_.size(); ++i) goodput += forward_[i] ? flows_[i]->goodput_bytes() : 0;
  series_.goodput_mbps.push_back(static_cast<double>(goodput - goodput_before_) * to_mbps);
  goodput_before_ = goodput;
  double longest = 0;
  for (size_t i = 0; i < udp_.size(); ++i) {
    const auto& arrived = udp_[i]->arrived();
    for (size_t& n = arrivals_before_[i]; n < arrived.size(); ++n) {
      longest = std::max(longest, to_ms(arrived[n].at - arrived[n].sent_at));
    }
  }
  series_.call_ms.push_back(longest);
  for (uint32_t i = 0; i < series_.paths.size(); ++i) {
    Series::Path& path = series_.paths[i];
    const uint64_t carried = link(i).counters().delivered_bytes;
    path.mbps.push_back(static_cast<double>(carried - carried_before_[i]) * to_mbps);
    carried_before_[i] = carried;
    path.queue_ms.push_back(to_ms(link(i).queue_ns()));
    const bool known = bonded_[0] != nullptr && bonded_[0]->path_of(i) != bond::kNoPath;
    const bond::PathStatus seen = known ? status(i) : bond::PathStatus{};
    path.rate_mbps.push_back(seen.rate_bps / 1e6);
    path.reason.push_back(known ? static_cast<int>(seen.reason) : -1);
  }
  sampler_.set(loop_.now() + seconds(Series::kStep));
}

double World::goodput_mbps(double from, double to) const { return mean(series_.goodput_mbps, from, to); }
double World::carried_mbps(uint32_t index, double from, double to) const {
  return mean(series_.paths[index].mbps, from, to);
}

double World::share(uint32_t index, double from, double to) const {
  double all = 0;
  for (uint32_t i = 0; i < series_.paths.size(); ++i) all += carried_mbps(i, from, to);
  return all > 0 ? carried_mbps(index, from, to) / all : 0;
}

}  // namespace weft::sim
