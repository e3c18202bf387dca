// Packets for the host's stack, in the order in which it is to see them.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

namespace weft::bond {

// Those that did not wait still are where the caller received them; the others live until clear().
class Released {
 public:
  struct Packet {
    uint8_t* data;
    uint32_t length;
  };
  std::span<const Packet> packets() const { return packets_; }
  void add(uint8_t* data, uint32_t length) { packets_.push_back({data, length}); }
  void add(std::unique_ptr<uint8_t[]> data, uint32_t length) {
    add(data.get(), length);
    held_.push_back(std::move(data));
  }
  void clear() {
    packets_.clear();
    held_.clear();
  }

 private:
  std::vector<Packet> packets_;
  std::vector<std::unique_ptr<uint8_t[]>> held_;
};

}  // namespace weft::bond
