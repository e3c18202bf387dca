#include "sim/loop.h"

#include <algorithm>

namespace weft::sim {

void Loop::push(Event event) {
  events_.push_back(event);
  std::push_heap(events_.begin(), events_.end());
}

void Loop::at(uint64_t at, std::function<void()> action) {
  uint32_t index;
  if (free_actions_.empty()) {
    index = static_cast<uint32_t>(actions_.size());
    actions_.emplace_back();
  } else {
    index = free_actions_.back();
    free_actions_.pop_back();
  }
  actions_[index] = std::move(action);
  push({std::max(at, now_), order_++, nullptr, index});
}

void Loop::run_until(uint64_t end) {
  while (!events_.empty() && events_.front().at <= end) {
    std::pop_heap(events_.begin(), events_.end());
    const Event event = events_.back();
    events_.pop_back();
    now_ = event.at;
    if (event.alarm != nullptr) {
      event.alarm->fire(event.at);
    } else {
      const std::function<void()> action = std::move(actions_[event.action]);
      free_actions_.push_back(event.action);
      action();
    }
  }
  now_ = end;
}

void Alarm::set(uint64_t at) {
  at_ = at == kNever ? kNever : std::max(at, loop_.now_);
  if (at_ >= pending_) return;
  pending_ = at_;
  loop_.push({at_, loop_.order_++, this, 0});
}

void Alarm::fire(uint64_t at) {
  if (at != pending_) return;
  pending_ = kNever;
  if (at_ <= at) {
    at_ = kNever;
    ring_();
  } else {
    set(at_);
  }
}

}  // namespace weft::sim
