#include "bond/sent_ring.h"

#include <algorithm>

namespace weft::bond {

std::optional<uint64_t> SentRing::order_of(SessionIndex session, uint64_t counter) const {
  for (const Session* s : {&current_, &previous_}) {
    if (s->known && s->index == session && counter < s->counters) return s->base + counter;
  }
  return std::nullopt;
}

void SentRing::start_session(SessionIndex session) {
  if (current_.known && current_.index == session) return;
  previous_ = current_;
  current_ = {true, session, previous_.base + previous_.counters, 0};
}

uint64_t SentRing::use(uint64_t counter) {
  current_.counters = std::max(current_.counters, counter + 1);
  return current_.base + counter;
}

SentPacket& SentRing::add(uint64_t counter, uint64_t& order) {
  order = use(counter);
  SentPacket& packet = packets_[order % kRemembered];
  packet = {};
  packet.key = order + 1;
  return packet;
}

void SentRing::skip(uint64_t counter) { use(counter); }

SentPacket* SentRing::find(uint64_t order) {
  SentPacket& packet = packets_[order % kRemembered];
  return packet.key == order + 1 ? &packet : nullptr;
}

std::optional<uint64_t> PathLog::count_until(uint64_t order) const {
  uint64_t low = oldest() - 1;
  if (low >= left_ || nth(low + 1) > order) return std::nullopt;
  uint64_t high = left_;  // the answer is in (low, high]
  while (high - low > 1) {
    const uint64_t middle = low + (high - low) / 2;
    if (nth(middle) <= order)
      low = middle;
    else
      high = middle;
  }
  return nth(high) <= order ? high : low;
}

std::optional<uint64_t> PathLog::left_at(uint64_t order) const {
  const auto n = count_until(order);
  if (!n || nth(*n) != order) return std::nullopt;
  return entries_[(*n - 1) % kRemembered].time;
}

}  // namespace weft::bond
