// How the SIMD back ends cut packets into ChaCha20 blocks and lay these out as lanes.
//
// A packet of length n is 1 + ceil(n / 64) blocks: block 0 is its one-time Poly1305 key, the others its key stream. The
// blocks of a whole run of packets with one key, in order, fill the lanes of one pass after the other, so that none is
// idle but in the last pass. With eight lanes, 1420 bytes are exactly three passes:
//
//      pass     lane 0   1    2    3    4    5    6    7        K = one-time key, 1, 2.. = blocks of text
//        0      [ K      1    2    3    4    5    6    7  ]     packet 0 (1420 bytes)
//        1      [ 8      9   10   11   12   13   14   15  ]
//        2      [ 16    17   18   19   20   21   22   23* ]     * partial: by way of a buffer
//        3      [ K      1    2    ...                    ]     packet 1
//
// Opening wants the keys earlier: then those of the next packets, as many as there are lanes, come in one go, half as
// many packets before they are needed.
#pragma once

#include <algorithm>
#include <cstring>

#include "crypto/aead.h"
#include "util/bytes.h"

// Before the loops over arrays of vectors, which are registers only once unrolled: clang does so by itself.
#if defined(__clang__)
#define WEFT_UNROLL
#else
#define WEFT_UNROLL _Pragma("GCC unroll 16")
#endif

namespace weft::crypto {

inline constexpr uint32_t kChaChaBlock = 64;
inline constexpr size_t kMaxRun = 64;  // packets: bounds the one-time keys on the stack

using Block = uint8_t[kChaChaBlock];

alignas(64) inline constexpr Block kZeroBlock = {};

// Zeroes secrets that would stay on the stack; the compiler may not leave it out. (What it spills is its own.) By a
// call if it is more than a few stores: gcc would take `rep stos`, which takes as long as two ChaCha20 blocks.
__attribute__((always_inline)) inline void wipe(void* p, size_t n) {
  if (__builtin_constant_p(n) && n <= 64) {
    std::memset(p, 0, n);
    asm volatile("" : : "r"(p) : "memory");
  } else {
    explicit_bzero(p, n);
  }
}

// One pass: the last four words of the lanes' states, and where each lane's key stream is xored from and to.
template <int kLanes>
struct alignas(64) Lanes {
  uint32_t block[kLanes], zero[kLanes] = {}, counter_lo[kLanes], counter_hi[kLanes];
  const uint8_t* from[kLanes];
  uint8_t* to[kLanes];
};

// Text whose key stream a pass leaves in a buffer, to be xored later.
struct PendingText {
  uint8_t* text;
  const uint8_t* key_stream;
  uint32_t length;  // <= kChaChaBlock
};

// How far some work has come through the packets of a run: all of those before `packet`, and `bytes` of that one.
struct RunPosition {
  size_t packet = 0;
  uint32_t bytes = 0;
};

template <int kLanes>
class LaneFiller {
 public:
  // `keys`: where the packets' block 0 go, `keys_ahead` at a time (1: each just before its text).
  LaneFiller(std::span<const AeadJob> jobs, Block* keys, size_t keys_ahead)
      : jobs_(jobs), keys_(keys), keys_ahead_(keys_ahead) {}

  bool done() const { return position_.packet == jobs_.size(); }

  // How far the lanes handed out so far reach into the texts.
  RunPosition position() const { return position_; }

  // How many packets' one-time keys are among the lanes handed out so far.
  size_t keys() const { return next_key_; }

  // Fills lanes [0, n) and returns n. Whole blocks of text before `in_place` are xored in place; all others become
  // `pending`, their key stream going to `buffer`.
  int fill(Lanes<kLanes>& lanes, RunPosition in_place, Block* buffer, PendingText* pending, int& pending_count) {
    int lane = 0;
    pending_count = 0;
    while (lane < kLanes && !done()) {
      if (next_key_ <= position_.packet + keys_ahead_ / 2) {
        const size_t end = std::min({next_key_ + keys_ahead_, jobs_.size(), next_key_ + (size_t)(kLanes - lane)});
        for (; next_key_ < end; next_key_++) {
          set(lanes, lane++, jobs_[next_key_].counter, 0, kZeroBlock, keys_[next_key_]);
        }
      }
      const AeadJob& job = jobs_[position_.packet];
      const uint32_t in_place_end = position_.packet < in_place.packet    ? job.length
                                    : position_.packet == in_place.packet ? in_place.bytes
                                                                          : 0;
      uint32_t offset = position_.bytes;
      for (; lane < kLanes && offset < job.length; offset += kChaChaBlock, lane++) {
        uint8_t* text = job.data + offset;
        const uint32_t length = std::min(job.length - offset, kChaChaBlock), block = offset / kChaChaBlock + 1;
        if (length == kChaChaBlock && offset + length <= in_place_end) {
          set(lanes, lane, job.counter, block, text, text);
        } else {
          pending[pending_count++] = {text, buffer[lane], length};
          set(lanes, lane, job.counter, block, kZeroBlock, buffer[lane]);
        }
      }
      position_ = offset < job.length ? RunPosition{position_.packet, offset} : RunPosition{position_.packet + 1, 0};
    }
    return lane;
  }

  // Makes lanes [from, to) harmless.
  static void idle(Lanes<kLanes>& lanes, int from, int to, Block* buffer) {
    for (int lane = from; lane < to; lane++) set(lanes, lane, 0, 0, kZeroBlock, buffer[lane]);
  }

 private:
  static void set(Lanes<kLanes>& lanes, int lane, uint64_t counter, uint32_t block, const uint8_t* from, uint8_t* to) {
    lanes.block[lane] = block;
    lanes.counter_lo[lane] = (uint32_t)counter;
    lanes.counter_hi[lane] = (uint32_t)(counter >> 32);
    lanes.from[lane] = from;
    lanes.to[lane] = to;
  }

  std::span<const AeadJob> jobs_;
  Block* keys_;
  size_t keys_ahead_, next_key_ = 0;
  RunPosition position_;  // of the next lane of text
};

// A packet's end: `tag` is stored, or compared in constant time.
template <bool kOpen>
void settle(AeadJob& job, const uint64_t (&tag)[2]) {
  uint8_t* end = job.data + job.length;
  if constexpr (kOpen) {
    job.ok = ((tag[0] ^ load_le64(end)) | (tag[1] ^ load_le64(end + 8))) == 0;
  } else {
    std::memcpy(end, tag, kAeadTagSize);
  }
}

// Cuts a batch into runs of one key, known by its address, and calls `run` on each.
template <void (*run)(std::span<AeadJob>)>
void for_each_run(std::span<AeadJob> jobs) {
  while (!jobs.empty()) {
    size_t n = 1;
    while (n < jobs.size() && n < kMaxRun && jobs[n].key == jobs[0].key) n++;
    run(jobs.first(n));
    jobs = jobs.subspan(n);
  }
}

}  // namespace weft::crypto
