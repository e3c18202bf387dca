// The ring: a bit an order for what is there, a slot an order for what waits.
#include "bond/reorder.h"

#include <algorithm>
#include <bit>
#include <memory>

#include "bond/sequence.h"

namespace weft::bond {

Reorder::~Reorder() {
  for (uint32_t i = held_.oldest; i != kNone; i = slots_[i].newer) delete[] slots_[i].data;
}

void Reorder::receive(uint64_t now, uint64_t order, std::span<uint8_t> packet, Released& released) {
  if (!admit(now, order, released)) {
    ++counts_.late;
    ++counts_.delivered;
    released.add(packet.data(), static_cast<uint32_t>(packet.size()));
    return;
  }
  if (order == next_) {
    ++counts_.delivered;
    released.add(packet.data(), static_cast<uint32_t>(packet.size()));
    ++next_;
    run(now, released);
    return;
  }
  hold(now, order, packet);
  held_bytes_ += packet.size();
  while (held_bytes_ > kMaxHeldBytes) {
    counts_.overflowed += give_up_below(now, first_present(next_, end_), released);
  }
}

void Reorder::place(uint64_t now, uint64_t order, Released& released) {
  if (!admit(now, order, released)) return;
  if (order == next_) {
    ++next_;
    run(now, released);
  } else {
    hold(now, order, {});
  }
}

uint64_t Reorder::give_up_below(uint64_t now, uint64_t order, Released& released) {
  uint64_t missing = 0;
  while (ahead(order, next_) > 0) {
    if (next_ == end_) {
      missing += order - end_;
      next_ = end_ = order;
      break;
    }
    const uint64_t limit = ahead(order, end_) < 0 ? order : end_;
    const uint64_t present = first_present(next_, limit);
    missing += present - next_;
    next_ = present;
    if (present != limit) release_next(now, released);
  }
  run(now, released);
  return missing;
}

uint64_t Reorder::first_missing(uint64_t from, uint64_t limit) const { return scan(from, limit, ~uint64_t{0}); }

uint64_t Reorder::first_present(uint64_t from, uint64_t limit) const { return scan(from, limit, 0); }

uint64_t Reorder::scan(uint64_t from, uint64_t limit, uint64_t inverted) const {
  while (ahead(limit, from) > 0) {
    const uint64_t word = (present_[index(from) / 64] ^ inverted) >> from % 64;
    if (word != 0) {
      from += static_cast<uint64_t>(std::countr_zero(word));
      return ahead(limit, from) > 0 ? from : limit;
    }
    from += 64 - from % 64;
  }
  return limit;
}

void Reorder::trim() {
  if (has_holes()) return;
  slots_ = LazyArray<Slot>(kSlots);
  present_ = LazyArray<uint64_t>(kSlots / 64);
}

bool Reorder::admit(uint64_t now, uint64_t order, Released& released) {
  if (!started_) {
    started_ = true;
    next_ = end_ = order;
  }
  if (ahead(order, next_) < 0) return false;
  if (order - next_ >= kSlots) counts_.overflowed += give_up_below(now, order - kSlots + 1, released);
  if (ahead(order, end_) >= 0) {
    end_ = order + 1;
    return true;
  }
  return !present(order);
}

void Reorder::hold(uint64_t now, uint64_t order, std::span<const uint8_t> packet) {
  const uint32_t i = index(order);
  uint8_t* copy = nullptr;
  if (!packet.empty()) {
    copy = std::make_unique_for_overwrite<uint8_t[]>(packet.size()).release();
    std::copy(packet.begin(), packet.end(), copy);
  }
  slots_[i] = {now, copy, static_cast<uint32_t>(packet.size()), kNone, kNone};
  append(copy != nullptr ? held_ : placeholders_, i);
  present_[i / 64] |= uint64_t{1} << i % 64;
}

void Reorder::append(Queue& queue, uint32_t index) {
  slots_[index].older = queue.newest;
  (queue.newest == kNone ? queue.oldest : slots_[queue.newest].newer) = index;
  queue.newest = index;
  ++queue.count;
}

void Reorder::remove(Queue& queue, uint32_t index) {
  const Slot& slot = slots_[index];
  (slot.older == kNone ? queue.oldest : slots_[slot.older].newer) = slot.newer;
  (slot.newer == kNone ? queue.newest : slots_[slot.newer].older) = slot.older;
  --queue.count;
}

void Reorder::release_next(uint64_t now, Released& released) {
  const uint32_t i = index(next_++);
  present_[i / 64] &= ~(uint64_t{1} << i % 64);
  Slot& slot = slots_[i];
  if (slot.data == nullptr) {
    remove(placeholders_, i);
    return;
  }
  remove(held_, i);
  held_bytes_ -= slot.length;
  counts_.longest_hold_ns = std::max(counts_.longest_hold_ns, now - std::min(now, slot.arrived_ns));
  ++counts_.delivered;
  released.add(std::unique_ptr<uint8_t[]>(slot.data), slot.length);
}

void Reorder::run(uint64_t now, Released& released) {
  while (next_ != end_ && present(next_)) release_next(now, released);
}

}  // namespace weft::bond
