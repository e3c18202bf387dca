// The ring of RFC 6479: going forward clears whole words, so nothing is ever shifted.
#include "peer/replay_filter.h"

#include <algorithm>
#include <utility>

namespace weft::peer {

namespace {

constexpr uint64_t kWordBits = 64;

}  // namespace

ReplayFilter::ReplayFilter(uint32_t bits) : words_(bits / kWordBits) {}

bool ReplayFilter::accept(uint64_t counter) {
  if (counter >= kRejectAfterMessages) return false;
  const uint64_t ring = words_.size() - 1;
  const uint64_t word = counter / kWordBits;
  if (counter > highest_) {
    const uint64_t highest_word = highest_ / kWordBits;
    const uint64_t stale = std::min<uint64_t>(word - highest_word, words_.size());
    for (uint64_t i = 1; i <= stale; ++i) words_[(highest_word + i) & ring] = 0;
    highest_ = counter;
  } else if (highest_ - counter > ring * kWordBits) {
    return false;
  }
  const uint64_t bit = uint64_t{1} << (counter % kWordBits);
  uint64_t& seen = words_[word & ring];
  if ((seen & bit) != 0) return false;
  seen |= bit;
  return true;
}

void ReplayFilter::widen(uint32_t bits) {
  const uint64_t size = bits / kWordBits;
  if (size <= words_.size()) return;
  std::vector<uint64_t> wider(size, ~uint64_t{0});
  const uint64_t highest_word = highest_ / kWordBits;
  for (uint64_t i = 0; i < words_.size() && i <= highest_word; ++i) {
    const uint64_t word = highest_word - i;
    wider[word & (size - 1)] = words_[word & (words_.size() - 1)];
  }
  words_ = std::move(wider);
}

void ReplayFilter::reset() {
  std::fill(words_.begin(), words_.end(), 0);
  highest_ = 0;
}

}  // namespace weft::peer
