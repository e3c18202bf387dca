// Receiver index -> session: the first look-up of every inbound transport message (whitepaper 5.4.6).
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace weft::routing {

// Open addressing with linear probing, at most half full; erasing shifts followers back, so there are no tombstones.
// Every uint32_t is a valid index. Does not own the values. Many readers, or one writer.
template <class T>
class IndexTable {
 public:
  // `value` is not null. Replaces what `index` led to.
  void insert(uint32_t index, T* value) {
    if ((size_ + 1) * 2 > slots_.size()) grow();
    Slot& slot = slots_[probe(index)];
    if (slot.value == nullptr) ++size_;
    slot = {index, value};
  }

  // Null if there is none.
  T* find(uint32_t index) const { return slots_[probe(index)].value; }

  void erase(uint32_t index) {
    size_t hole = probe(index);
    if (slots_[hole].value == nullptr) return;
    --size_;
    // An entry may fill the hole if the hole is on its way, i.e. no farther from its home than where it sits now.
    for (size_t i = next(hole); slots_[i].value != nullptr; i = next(i)) {
      if (distance(hole, i) > distance(home(slots_[i].index), i)) continue;
      slots_[hole] = slots_[i];
      hole = i;
    }
    slots_[hole] = {};
  }

  size_t size() const { return size_; }

 private:
  struct Slot {
    uint32_t index = 0;
    T* value = nullptr;  // null = empty
  };
  static constexpr size_t kInitialSlots = 16;

  // Fibonacci hashing: the top bits of the product depend on every bit of the index, however indices are chosen.
  size_t home(uint32_t index) const {
    return static_cast<size_t>((index * uint64_t{0x9e3779b97f4a7c15}) >> (64 - std::countr_zero(slots_.size())));
  }
  size_t next(size_t slot) const { return (slot + 1) & (slots_.size() - 1); }
  size_t distance(size_t from, size_t to) const { return (to - from) & (slots_.size() - 1); }

  // The slot that holds `index`, else the empty one where it would go.
  size_t probe(uint32_t index) const {
    size_t slot = home(index);
    while (slots_[slot].value != nullptr && slots_[slot].index != index) slot = next(slot);
    return slot;
  }

  void grow() {
    std::vector<Slot> old = std::exchange(slots_, std::vector<Slot>(slots_.size() * 2));
    for (const Slot& slot : old) {
      if (slot.value != nullptr) slots_[probe(slot.index)] = slot;
    }
  }

  std::vector<Slot> slots_ = std::vector<Slot>(kInitialSlots);
  size_t size_ = 0;
};

}  // namespace weft::routing
