// Order among numbers that wrap (RFC 1982), and a window of bits over them.
#pragma once

#include <algorithm>
#include <cstdint>
#include <type_traits>
#include <vector>

namespace weft::bond {

// How far `a` is ahead of `b`; negative: behind. Exact while they are less than half the range apart.
template <typename T>
constexpr std::make_signed_t<T> ahead(T a, T b) {
  return static_cast<std::make_signed_t<T>>(static_cast<T>(a - b));
}

// A set of numbers among the last `bits` up to the highest that was added. What is older than that counts as a member.
class SequenceWindow {
 public:
  // A power of two, at least 64.
  explicit SequenceWindow(uint32_t bits) : size_(bits) {}

  // True if it was not a member.
  bool add(uint64_t number) {
    if (words_.empty()) {
      words_.resize(size_ / 64);
      end_ = number;
    }
    if (ahead(number, end_) >= 0) advance(number);
    if (is_older(number)) return false;
    uint64_t& word = words_[number / 64 % words_.size()];
    const uint64_t bit = uint64_t{1} << number % 64;
    const bool fresh = (word & bit) == 0;
    word |= bit;
    return fresh;
  }
  bool contains(uint64_t number) const {
    if (words_.empty() || ahead(number, end_) >= 0) return false;
    return is_older(number) || (words_[number / 64 % words_.size()] >> number % 64 & 1) != 0;
  }

 private:
  bool is_older(uint64_t number) const { return end_ - 1 - number >= size_; }
  void advance(uint64_t number) {
    if (number - end_ >= size_) {
      std::fill(words_.begin(), words_.end(), 0);
    } else {
      for (uint64_t n = end_; n != number + 1;) {
        uint64_t& word = words_[n / 64 % words_.size()];
        if (n % 64 == 0 && number + 1 - n >= 64) {
          word = 0;
          n += 64;
        } else {
          word &= ~(uint64_t{1} << n % 64);
          ++n;
        }
      }
    }
    end_ = number + 1;
  }

  uint64_t size_;
  std::vector<uint64_t> words_;  // a ring; empty before the first
  uint64_t end_ = 0;             // one past the highest
};

}  // namespace weft::bond
