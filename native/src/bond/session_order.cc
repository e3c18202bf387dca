// The two or three sessions of a peer, in the order in which their first packets came.
#include "bond/session_order.h"

#include <algorithm>

#include "bond/sequence.h"

namespace weft::bond {

void SessionOrder::start(SessionIndex session) {
  const bool known = std::any_of(sessions_.begin(), sessions_.begin() + count_,
                                 [session](const Extent& s) { return s.session == session; });
  if (known) return;
  const auto listed = std::find(awaited_.begin(), awaited_.begin() + awaited_count_, session);
  if (listed != awaited_.begin() + awaited_count_) return;
  std::copy_backward(awaited_.begin(), awaited_.end() - 1, awaited_.end());
  awaited_[0] = session;
  awaited_count_ = std::min(awaited_count_ + 1, kAwaited);
}

std::optional<uint64_t> SessionOrder::order(SessionIndex session, uint64_t counter) {
  for (uint32_t i = 0; i < count_; ++i) {
    Extent& s = sessions_[i];
    if (s.session != session) continue;
    const uint64_t order = s.base + counter;
    if (i > 0 && ahead(order, sessions_[i - 1].base) >= 0) return std::nullopt;
    if (ahead(order, s.end) >= 0) s.end = order + 1;
    return order;
  }
  return begin(session, counter);
}

std::optional<uint64_t> SessionOrder::begin(SessionIndex session, uint64_t counter) {
  const auto end = awaited_.begin() + awaited_count_;
  const auto awaited = std::find(awaited_.begin(), end, session);
  if (awaited == end) return std::nullopt;
  std::copy(awaited + 1, end, awaited);
  --awaited_count_;
  const uint64_t base = count_ == 0 ? 0 : sessions_[0].end + kGap;
  std::copy_backward(sessions_.begin(), sessions_.end() - 1, sessions_.end());
  sessions_[0] = {session, base, base + counter + 1};
  count_ = std::min(count_ + 1, kKept);
  return base + counter;
}

std::optional<SessionOrder::Extent> SessionOrder::extent_from(uint64_t order) const {
  for (uint32_t i = count_; i-- > 0;) {
    if (ahead(sessions_[i].end, order) > 0) return sessions_[i];
  }
  return std::nullopt;
}

uint64_t SessionOrder::gap_within(uint64_t first, uint64_t end) const {
  uint64_t sum = 0;
  for (uint32_t i = 0; i + 1 < count_; ++i) {
    const uint64_t gap_first = sessions_[i + 1].end, gap_end = sessions_[i].base;
    const uint64_t low = ahead(first, gap_first) > 0 ? first : gap_first;
    const uint64_t high = ahead(end, gap_end) < 0 ? end : gap_end;
    sum += static_cast<uint64_t>(std::max<int64_t>(ahead(high, low), 0));
  }
  return sum;
}

uint64_t SessionOrder::counter_in_newest(uint64_t order) const {
  if (count_ == 0) return 0;
  return ahead(order, sessions_[0].base) > 0 ? order - sessions_[0].base : 0;
}

}  // namespace weft::bond
