// How far a path has come in the order of bulk, and since when: what proves that an earlier packet of the same path is
// lost.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "util/clock.h"

namespace weft::bond {

class PathMark {
 public:
  // Orders that came within this of the first of them are taken to have come with it.
  static constexpr uint64_t kGrainNs = 128'000;
  // Covers the longest that a hole is kept open.
  static constexpr uint32_t kEntries = 2048;

  // A bulk packet came by the path. Only those that are ahead of all before move the mark.
  void pass(uint64_t now, uint64_t order);

  bool any() const { return count_ != 0; }
  // The mark itself: the highest order that came. There must be one.
  uint64_t highest() const { return newest().order; }
  bool has_passed(uint64_t order) const;
  // Since when; kNever: it has not.
  uint64_t passed_since(uint64_t order) const;
  // Where the mark was at `time`; none: not known, or there was none.
  std::optional<uint64_t> highest_at(uint64_t time) const;

 private:
  struct Entry {
    uint64_t order;
    uint64_t time_ns;
  };
  const Entry& entry(uint32_t i) const { return log_[(first_ + i) % kEntries]; }  // 0: the oldest
  // How many of the entries, from the oldest on, have it; it holds for none behind the first that has it not.
  template <typename Predicate>
  uint32_t count_while(Predicate predicate) const;
  const Entry& newest() const { return entry(count_ - 1); }

  std::vector<Entry> log_;  // a ring, both fields ascending; empty before the first packet
  uint32_t first_ = 0;
  uint32_t count_ = 0;
};

}  // namespace weft::bond
