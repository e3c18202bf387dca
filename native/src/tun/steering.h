// Sorts packets into the TUN's queues before they wait: a BPF program that the kernel asks for each packet
// (TUNSETSTEERINGEBPF). Queue 0 takes what is sparse (small packets of flows that send little), so that a ping or a
// handshake never waits behind a bulk transfer; the others take the rest by flow. With several lanes each has such a
// set of queues, and a flow always the same lane. Within a flow order is kept: once a flow has had a packet in a bulk
// queue, all its packets follow it there until it has been quiet for a while.
//
// The program also notes when each packet entered, in memory that user space reads without a call: the age of a
// queue's head, which CoDel (engine/codel.h) needs.
#pragma once

#include <array>
#include <cstdint>

#include "util/unique_fd.h"

namespace weft::tun {

class Steering {
 public:
  static constexpr int32_t kSmallPacket = 300;  // larger ones are bulk
  static constexpr uint32_t kSparseQueue = 0;
  static constexpr uint32_t kBulkQueues = 8;
  static constexpr uint32_t kQueues = 1 + kBulkQueues;  // of a lane
  static constexpr uint32_t kMaxLanes = 16;
  // What each holds (txqueuelen), as that of an Ethernet link: at 200,000 packets a second what comes in 5 ms, while
  // the reader waits for a CPU. A TUN's own 500 lose a flow of small datagrams that it could carry. More would be more
  // of the kernel's memory, which nothing else bounds: a TUN takes packets out of their sender's socket's account.
  static constexpr uint32_t kQueuePackets = 1000;

  Steering() = default;
  ~Steering();
  Steering(const Steering&) = delete;
  Steering& operator=(const Steering&) = delete;

  // False if the kernel, or our rights, do not allow it.
  bool attach(int tun_fd, uint32_t lanes);

  // How many packets ever entered a queue, counted over all lanes, and when the n-th of them did (CLOCK_BOOTTIME; the
  // last kTimes are known).
  uint64_t entered(uint32_t queue) const { return __atomic_load_n(&shared_->counts[queue].entered, __ATOMIC_ACQUIRE); }
  uint64_t entry_time(uint32_t queue, uint64_t n) const {
    return __atomic_load_n(&shared_->times[queue][n % kTimes], __ATOMIC_RELAXED);
  }

 private:
  static constexpr uint32_t kTimes = 1024;
  static constexpr uint32_t kFlows = 8192;
  static_assert(kTimes > kQueuePackets);

  // What is known of the flows with one hash.
  struct Flow {
    uint64_t bulk_until_ns;
    uint64_t window;   // which one `packets` counts
    uint64_t packets;  // small ones in this window
    uint64_t unused;
  };
  struct alignas(64) Count {
    uint64_t entered;
  };
  using Times = std::array<uint64_t, kTimes>;
  struct Shared {
    std::array<Flow, kFlows> flows;
    std::array<Count, kMaxLanes * kQueues> counts;
    Times times[];  // of kQueues of each lane
  };
  friend class SteeringProgram;

  Shared* shared_ = nullptr;  // the program's map
  size_t size_ = 0;           // of it
};

}  // namespace weft::tun
