#include "engine/control_queue.h"

#include <algorithm>
#include <utility>

#include "net/demux.h"
#include "peer/peer_stats.h"

namespace weft::engine {
namespace {

void move_front(std::deque<ControlDatagram>& from, size_t at_most, std::vector<ControlDatagram>& to) {
  const auto end = from.begin() + static_cast<ptrdiff_t>(std::min(at_most, from.size()));
  to.insert(to.end(), std::make_move_iterator(from.begin()), std::make_move_iterator(end));
  from.erase(from.begin(), end);
}

}  // namespace

ControlQueue::ControlQueue() : pending_(peer::kMaxPeers) {}

void ControlQueue::on_readable(std::function<void()> notify) {
  std::unique_lock lock(mutex_);
  notify_ = std::move(notify);
  if (!events_.empty() || !datagrams_.empty() || !gossip_.empty()) notify_locked(lock);
}

void ControlQueue::notify_locked(std::unique_lock<std::mutex>& lock) {
  if (notified_ || !notify_) return;
  notified_ = true;
  const auto notify = notify_;
  lock.unlock();
  notify();
}

bool ControlQueue::push(const net::Path& path, std::span<const uint8_t> bytes, bool under_load) {
  std::unique_lock lock(mutex_);
  under_load_ |= under_load;
  if (datagrams_.size() >= kMaxDatagrams) return false;
  datagrams_.push_back({path, {bytes.begin(), bytes.end()}});
  queued_.store(datagrams_.size(), std::memory_order_relaxed);
  notify_locked(lock);
  return true;
}

bool ControlQueue::push_gossip(const net::Path& path, std::span<const uint8_t> bytes) {
  std::unique_lock lock(mutex_);
  const bool stranger = !net::names_our_token(bytes[0]);
  if (gossip_.size() >= kMaxGossip || (stranger && strangers_ >= kMaxStrangers)) return false;
  strangers_ += stranger ? 1 : 0;
  gossip_.push_back({path, {bytes.begin(), bytes.end()}});
  notify_locked(lock);
  return true;
}

void ControlQueue::peer_event(EventType type, uint32_t peer) {
  const auto bit = static_cast<uint8_t>(1u << static_cast<unsigned>(type));
  std::unique_lock lock(mutex_);
  if ((pending_[peer] & bit) != 0) return;
  pending_[peer] |= bit;
  events_.push_back({.type = type, .a = peer, .endpoint = {}});
  notify_locked(lock);
}

void ControlQueue::endpoint_changed(uint32_t peer, const net::Endpoint& endpoint) {
  std::unique_lock lock(mutex_);
  endpoints_.insert_or_assign(peer, endpoint);
  notify_locked(lock);
}

void ControlQueue::event(const Event& event) {
  std::unique_lock lock(mutex_);
  events_.push_back(event);
  notify_locked(lock);
}

ControlBatch ControlQueue::take(size_t max_datagrams) {
  ControlBatch batch;
  std::unique_lock lock(mutex_);
  batch.events = std::exchange(events_, {});
  for (const Event& e : batch.events) {
    if (e.type == EventType::kHandshakeNeeded || e.type == EventType::kKeypairConfirmed) pending_[e.a] = 0;
  }
  for (const auto& [peer, endpoint] : endpoints_) {
    batch.events.push_back({.type = EventType::kEndpointChanged, .a = peer, .endpoint = endpoint});
  }
  endpoints_.clear();
  const size_t gossip_share = std::min(max_datagrams / 2, gossip_.size());
  move_front(datagrams_, max_datagrams - gossip_share, batch.datagrams);
  const size_t handshakes = batch.datagrams.size();
  move_front(gossip_, max_datagrams - handshakes, batch.datagrams);
  strangers_ -= static_cast<size_t>(
      std::count_if(batch.datagrams.begin() + static_cast<ptrdiff_t>(handshakes), batch.datagrams.end(),
                    [](const ControlDatagram& d) { return !net::names_our_token(d.bytes[0]); }));
  batch.backlog = static_cast<uint32_t>(datagrams_.size() + gossip_.size());
  queued_.store(datagrams_.size(), std::memory_order_relaxed);
  batch.under_load = std::exchange(under_load_, false);
  // With a backlog the reader comes back by itself.
  notified_ = batch.backlog != 0;
  return batch;
}

}  // namespace weft::engine
