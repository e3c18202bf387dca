// The order in which packets leave the TUN's queues: the sparse queue first, then the bulk queues in turn, each a
// super-packet at a time, those that just became active before those that have been for longer (FQ-CoDel, RFC 8290,
// with the queues in the kernel). Without steering there is one queue, read in order.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <utility>

#include "engine/codel.h"
#include "tun/tun_device.h"

namespace weft::engine {

class TunQueues {
 public:
  // What a read gave.
  struct Packet {
    uint32_t length = 0;
    bool congested = false;  // mark it, or drop a segment of it
  };

  // Those of a lane, or the only one, which is the first lane's.
  explicit TunQueues(tun::TunDevice& tun, uint32_t lane = 0)
      : tun_(tun),
        first_(tun.steering() != nullptr ? lane * tun::Steering::kQueues : 0),
        count_(tun.steering() != nullptr ? tun::Steering::kQueues
               : lane == 0               ? 1
                                         : 0) {}

  uint32_t count() const { return count_; }
  int fd(uint32_t queue) const { return tun_.fd(first_ + queue); }
  // The one that packets for the host's stack are written to; -1: only by write(), as it takes no VirtioHeader.
  int write_fd() const { return tun_.has_header() ? tun_.fd(first_) : -1; }
  // Takes packets for the host's stack, beside reads. False: the kernel refused it.
  bool write(const iovec* iov, int iov_count) { return tun_.write(first_, iov, iov_count); }

  // Bit i: queue i may have packets. From the poller.
  void set_ready(uint32_t mask) { ready_ |= mask; }
  bool ready() const { return ready_ != 0; }
  // Whether a read failed for good since the last time.
  bool take_failed() { return std::exchange(failed_, false); }

  // The next packet of the sparse queue, or of the only one. False: empty.
  bool read_sparse(std::span<uint8_t> buffer, Packet& packet);

  // The next packet of the bulk queues. False: all empty. Of its flow there may be packets that entered before, as
  // sparse ones, since the sparse queue was last seen empty: they go first.
  bool read_bulk(uint64_t now, std::span<uint8_t> buffer, Packet& packet);

  // How many packets at most are in the sparse queue. Asks no kernel.
  uint32_t sparse_waiting();

 private:
  static constexpr uint32_t kSparse = tun::Steering::kSparseQueue;
  static constexpr int32_t kQuantum = 65536;
  static constexpr uint64_t kRingPackets = tun::Steering::kQueuePackets;
  enum class Turn : uint8_t { kNone, kNew, kOld };

  struct Queue {
    Turn turn = Turn::kNone;
    int32_t deficit = 0;
    uint64_t left = 0;  // packets that ever left
    Codel codel;
  };
  // Queue numbers, first in first out.
  class Line {
   public:
    bool empty() const { return size_ == 0; }
    uint32_t front() const { return items_[head_]; }
    void push(uint32_t queue) { items_[(head_ + size_++) % items_.size()] = queue; }
    void pop() {
      head_ = (head_ + 1) % static_cast<uint32_t>(items_.size());
      --size_;
    }

   private:
    std::array<uint32_t, 16> items_{};
    uint32_t head_ = 0;
    uint32_t size_ = 0;
  };

  bool read(uint32_t queue, std::span<uint8_t> buffer, uint32_t& length);
  void left(uint32_t queue);
  void line_up();
  void queue_empty(uint32_t number, bool was_new);
  void level(uint32_t number);
  bool judge(uint32_t number, uint32_t length, uint64_t now);

  tun::TunDevice& tun_;
  const uint32_t first_;  // of the device's queues
  const uint32_t count_;
  uint32_t ready_ = 0;
  bool failed_ = false;
  std::array<Queue, tun::Steering::kQueues> queues_;
  Line new_;
  Line old_;
};

}  // namespace weft::engine
