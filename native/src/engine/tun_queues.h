// The order in which packets leave the TUN's queues: the sparse queue first, then the bulk queues in turn, each a
// super-packet at a time, those that just became active before those that have been for longer (FQ-CoDel, RFC 8290,
// with the queues in the kernel). Without steering there is one queue, read in order.
#pragma once

#include <array>
#include <cstdint>
#include <span>

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

  explicit TunQueues(tun::TunDevice& tun) : tun_(tun) {}

  // Bit i: queue i may have packets. From the poller.
  void set_ready(uint32_t mask) { ready_ |= mask; }
  bool ready() const { return ready_ != 0; }
  // A read failed for good.
  bool failed() const { return failed_; }

  // The next packet of the sparse queue, or of the only one. False: empty.
  bool read_sparse(std::span<uint8_t> buffer, Packet& packet) { return read(kSparse, buffer, packet.length); }

  // The next packet of the bulk queues. False: all empty.
  bool read_bulk(uint64_t now, std::span<uint8_t> buffer, Packet& packet);

 private:
  static constexpr uint32_t kSparse = tun::Steering::kSparseQueue;
  static constexpr int32_t kQuantum = 65536;
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
  void line_up();
  void queue_empty(uint32_t number, bool was_new);
  bool judge(uint32_t number, uint64_t now);

  tun::TunDevice& tun_;
  uint32_t ready_ = 0;
  bool failed_ = false;
  std::array<Queue, tun::Steering::kQueues> queues_;
  Line new_;
  Line old_;
};

}  // namespace weft::engine
