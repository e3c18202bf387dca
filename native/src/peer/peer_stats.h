// Counters and times of one peer in memory shared with the control plane, which reads them without a call. Written by
// the engine's threads; src/dataplane/native.ts knows the layout. Times are milliseconds on CLOCK_BOOTTIME, 0 =
// never.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace weft::peer {

inline constexpr uint32_t kMaxPeers = 1 << 17;

struct alignas(128) PeerStats {
  std::atomic<uint64_t> tx_bytes;
  std::atomic<uint64_t> rx_bytes;
  std::atomic<double> last_sent_ms;      // authenticated: data, keepalive or handshake
  std::atomic<double> last_received_ms;  // the same
  std::atomic<double> last_data_sent_ms;
  std::atomic<double> last_data_received_ms;
  std::atomic<double> unanswered_since_ms;      // data sent, nothing authenticated received since
  std::atomic<double> owes_keepalive_since_ms;  // data received, nothing authenticated sent since

  void clear() {
    for (auto* counter : {&tx_bytes, &rx_bytes}) counter->store(0, std::memory_order_relaxed);
    for (auto* time : {&last_sent_ms, &last_received_ms, &last_data_sent_ms, &last_data_received_ms,
                       &unanswered_since_ms, &owes_keepalive_since_ms})
      time->store(0, std::memory_order_relaxed);
  }
};
static_assert(sizeof(PeerStats) == 128);

// Several threads count: once a batch, as it is a locked instruction.
template <typename T>
inline void add_relaxed(std::atomic<T>& counter, T amount) {
  counter.fetch_add(amount, std::memory_order_relaxed);
}
template <typename T>
inline T get_relaxed(const std::atomic<T>& value) {
  return value.load(std::memory_order_relaxed);
}
template <typename T>
inline void set_relaxed(std::atomic<T>& to, T value) {
  to.store(value, std::memory_order_relaxed);
}

}  // namespace weft::peer
