#include "bond/pacer.h"

namespace weft::bond {

void Pacer::Orders::push(uint64_t order) {
  if (first_ == orders_.size()) {
    orders_.clear();
    first_ = 0;
  } else if (orders_.size() == orders_.capacity() && first_ >= orders_.size() / 2 && first_ > 0) {
    orders_.erase(orders_.begin(), orders_.begin() + static_cast<ptrdiff_t>(first_));
    first_ = 0;
  }
  orders_.push_back(order);
}

uint64_t Pacer::wait_ns(uint64_t now) const {
  if (!paced_) return 0;
  uint64_t begin = std::max(free_ns_, now);
  if (log_.waiting()) begin = std::max(begin, log_.front_earliest());
  return begin - now + serialization_ns(queued_bytes_);
}

void Pacer::place_bulk(uint64_t order, uint32_t bytes, uint64_t earliest) {
  log_.push(order, earliest);
  queued_bytes_ += bytes;
}

void Pacer::place_priority(uint64_t order) { priority_.push(order); }

void Pacer::place_repair(uint64_t order, uint32_t bytes) {
  repairs_.push(order);
  queued_bytes_ += bytes;
}

bool Pacer::due(uint64_t now, uint64_t& order, Kind& kind) const {
  if (!priority_.empty()) {
    order = priority_.front();
    kind = Kind::kPriority;
    return true;
  }
  const uint64_t until = now + kHorizonNs;
  if (paced_ && free_ns_ > until) return false;
  if (!repairs_.empty()) {
    order = repairs_.front();
    kind = Kind::kRepair;
    return true;
  }
  if (!log_.waiting() || (paced_ && log_.front_earliest() > until)) return false;
  order = log_.front_order();
  kind = Kind::kBulk;
  return true;
}

void Pacer::pay(uint64_t now, uint64_t ready, uint32_t bytes) {
  if (!paced_) return;
  const uint64_t oldest = now - std::min(now, kCatchUpNs);
  free_ns_ = std::max({free_ns_, ready, oldest}) + serialization_ns(bytes);
}

void Pacer::leave(uint64_t now, Kind kind, uint32_t bytes) {
  // While bulk waits the path has not been idle, however late it was pumped.
  const uint64_t ready = log_.waiting() ? std::min(now, log_.front_earliest()) : now;
  pay(now, ready, bytes);
  switch (kind) {
    case Kind::kPriority:
      priority_.pop();
      return;
    case Kind::kRepair:
      repairs_.pop();
      break;
    case Kind::kBulk:
      log_.pop(now);
      break;
  }
  queued_bytes_ -= std::min(queued_bytes_, bytes);
}

void Pacer::take_waiting(uint64_t now, std::vector<uint64_t>& orders) {
  for (; !priority_.empty(); priority_.pop()) orders.push_back(priority_.front());
  for (; !repairs_.empty(); repairs_.pop()) orders.push_back(repairs_.front());
  log_.drop_waiting(orders);
  queued_bytes_ = 0;
  free_ns_ = now;
}

uint64_t Pacer::next_deadline() const {
  if (!priority_.empty()) return 0;
  if (!paced_) return log_.waiting() || !repairs_.empty() ? 0 : kNever;
  if (!repairs_.empty()) return free_ns_;
  if (!log_.waiting()) return kNever;
  return std::max(free_ns_, log_.front_earliest());
}

}  // namespace weft::bond
