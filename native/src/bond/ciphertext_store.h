// Sealed messages of one path, kept for as long as there is room: those that wait for their time, and behind them
// those that have left, for Repair. The bytes of successive messages touch each other, so that a run of them is one
// send (UDP GSO).
#pragma once

#include <cstdint>

#include "bond/lazy_array.h"

namespace weft::bond {

class CiphertextStore {
 public:
  // `capacity`: bytes.
  explicit CiphertextStore(uint32_t capacity) : capacity_(capacity), bytes_(capacity) {}

  // Position of room for `length` bytes (at most the capacity), over what is oldest.
  uint64_t allocate(uint32_t length) {
    const uint64_t offset = written_ % capacity_;
    if (offset + length > capacity_) written_ += capacity_ - offset;  // a message does not wrap
    const uint64_t position = written_;
    written_ += length;
    return position;
  }
  // Null: overwritten since.
  uint8_t* find(uint64_t position, uint32_t length) {
    if (position + length > written_ || written_ - position > capacity_) return nullptr;
    return bytes_.data() + position % capacity_;
  }

 private:
  uint32_t capacity_;
  uint64_t written_ = 0;  // ever, with what was skipped at the end of the ring
  LazyArray<uint8_t> bytes_;
};

}  // namespace weft::bond
