// Packets that wait for a key: bounded, the oldest go first (MAX_STAGED_PACKETS of the kernel module).
#pragma once

#include <cstdint>
#include <deque>
#include <utility>
#include <vector>

namespace weft::peer {

class StagedQueue {
 public:
  static constexpr uint32_t kMaxPackets = 128;

  // One TUN read as it came (VirtioHeader and packet, `packets` on the wire); empty = a keepalive.
  struct Item {
    std::vector<uint8_t> bytes;
    uint32_t packets;
  };

  bool empty() const { return items_.empty(); }

  // Returns how many packets had to go to make room.
  uint32_t push(const uint8_t* bytes, uint32_t length, uint32_t packets) {
    uint32_t dropped = 0;
    while (!items_.empty() && packets_ + packets > kMaxPackets) {
      dropped += items_.front().packets;
      pop();
    }
    items_.push_back({std::vector<uint8_t>(bytes, bytes + length), packets});
    packets_ += packets;
    return dropped;
  }

  const Item& front() const { return items_.front(); }
  void pop() {
    packets_ -= items_.front().packets;
    items_.pop_front();
  }

  // The oldest. Its bytes stay where they are.
  Item take() {
    Item item = std::move(items_.front());
    pop();
    return item;
  }

  // Returns how many packets it held.
  uint32_t clear() {
    const uint32_t dropped = packets_;
    items_.clear();
    packets_ = 0;
    return dropped;
  }

 private:
  std::deque<Item> items_;
  uint32_t packets_ = 0;
};

}  // namespace weft::peer
