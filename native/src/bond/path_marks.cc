// A log of (order, time), coarse in time so that its size does not depend on the rate.
#include "bond/path_marks.h"

#include <algorithm>
#include <ranges>

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

uint64_t PathMark::passed_since(uint64_t order) const {
  if (!has_passed(order)) return kNever;
  const auto indices = std::views::iota(uint32_t{0}, count_);
  const auto it = std::ranges::partition_point(indices, [&](uint32_t i) { return ahead(entry(i).order, order) <= 0; });
  return entry(*it).time_ns;
}

std::optional<uint64_t> PathMark::highest_at(uint64_t time) const {
  const auto indices = std::views::iota(uint32_t{0}, count_);
  const auto it = std::ranges::partition_point(indices, [&](uint32_t i) { return entry(i).time_ns <= time; });
  if (it == indices.begin()) return std::nullopt;
  return entry(*it - 1).order;
}

}  // namespace weft::bond
