// From the data plane to the control plane: handshake and gossip datagrams and events, bounded, taken in batches. What
// does not fit is dropped by the caller and counted, so that a flood of handshakes costs neither memory nor the
// tunnels' time.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <span>
#include <unordered_map>
#include <vector>

#include "net/endpoint.h"

namespace weft::engine {

enum class EventType : uint8_t {
  kHandshakeNeeded = 1,
  kKeypairConfirmed = 2,
  kEndpointChanged = 3,
  kKeypairRetired = 4,
  kPeerRemoved = 5,
  kLinkChanged = 6,
  kLinkGone = 7,
  kSynced = 8,
};

struct Event {
  EventType type;
  uint32_t a = 0;  // peer, local index or token
  uint32_t b = 0;  // link: up
  uint32_t c = 0;  // link: mtu
  net::Endpoint endpoint;
};

struct ControlDatagram {
  net::Path path;
  std::vector<uint8_t> bytes;
};

struct ControlBatch {
  std::vector<Event> events;
  std::vector<ControlDatagram> datagrams;
  uint32_t backlog = 0;     // datagrams that still wait
  bool under_load = false;  // some of what came since the last take() came under load
};

class ControlQueue {
 public:
  // The handshake queue of the kernel module (MAX_QUEUED_INCOMING_HANDSHAKES).
  static constexpr size_t kMaxDatagrams = 4096;
  static constexpr size_t kMaxGossip = 1024;
  static constexpr size_t kMaxStrangers = 256;  // of these

  ControlQueue();

  // Called once when something comes in, and again only after take(). From whoever brings it.
  void on_readable(std::function<void()> notify);

  // False: full.
  bool push(const net::Path& path, std::span<const uint8_t> bytes, bool under_load);
  // Gossip has a queue of its own: neither it nor handshakes crowd the other out. False: full.
  bool push_gossip(const net::Path& path, std::span<const uint8_t> bytes);

  // An event about a peer is queued once until it is taken; of endpoints the newest counts. So events are bounded by
  // the number of peers and of keys.
  void peer_event(EventType type, uint32_t peer);
  void endpoint_changed(uint32_t peer, const net::Endpoint& endpoint);
  void event(const Event& event);

  // Handshake datagrams that wait.
  size_t queued() const { return queued_.load(std::memory_order_relaxed); }

  // All events and the oldest datagrams, of each kind at least half of the room if it has so many. From the control
  // plane's thread.
  ControlBatch take(size_t max_datagrams);

 private:
  void notify_locked(std::unique_lock<std::mutex>& lock);

  std::mutex mutex_;
  std::function<void()> notify_;
  bool notified_ = false;
  std::deque<ControlDatagram> datagrams_;
  std::atomic<size_t> queued_{0};
  std::deque<ControlDatagram> gossip_;
  size_t strangers_ = 0;     // in gossip_
  bool under_load_ = false;  // of what was pushed since the last take()
  std::vector<Event> events_;
  std::vector<uint8_t> pending_;  // by peer: bit of each queued event type
  std::unordered_map<uint32_t, net::Endpoint> endpoints_;
};

}  // namespace weft::engine
