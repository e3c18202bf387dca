// A log of (order, time), coarse in time so that its size does not depend on the rate.
#include "bond/path_marks.h"

#include "bond/sequence.h"
#include "bond/types.h"

namespace weft::bond {

void PathMark::pass(uint64_t now, uint64_t order) {
  if (count_ != 0) {
    if (ahead(order, highest()) <= 0) return;
    Entry& last = log_[(first_ + count_ - 1) % kEntries];
    if (now < last.time_ns + kGrainNs) {
      last.order = order;
      return;
    }
  } else {
    log_.resize(kEntries);
  }
  if (count_ == kEntries) {
    first_ = (first_ + 1) % kEntries;
    --count_;
  }
  log_[(first_ + count_++) % kEntries] = {order, now};
}

bool PathMark::has_passed(uint64_t order) const { return any() && ahead(highest(), order) > 0; }

template <typename Predicate>
uint32_t PathMark::count_while(Predicate predicate) const {
  uint32_t low = 0, high = count_;
  while (low < high) {
    const uint32_t middle = (low + high) / 2;
    if (predicate(entry(middle))) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

uint64_t PathMark::passed_since(uint64_t order) const {
  if (!has_passed(order)) return kNever;
  return entry(count_while([order](const Entry& e) { return ahead(e.order, order) <= 0; })).time_ns;
}

std::optional<uint64_t> PathMark::highest_at(uint64_t time) const {
  const uint32_t count = count_while([time](const Entry& e) { return e.time_ns <= time; });
  return count == 0 ? std::nullopt : std::optional(entry(count - 1).order);
}

}  // namespace weft::bond
