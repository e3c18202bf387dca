// ChaCha20-Poly1305 (RFC 8439, no AAD) for batches of packets with AVX2 and BMI2.
//
// Each packet of length n is 1 + ceil(n / 64) ChaCha20 blocks: block 0 is its one-time Poly1305 key, the others its key
// stream. The blocks of a whole run of packets with one key, in order, fill the eight lanes of one pass after the other,
// so that none is idle but in the last pass (1420 bytes are exactly three passes):
//
//      pass     lane 0   1    2    3    4    5    6    7        K = one-time key, 1, 2.. = blocks of text
//        0      [ K      1    2    3    4    5    6    7  ]     packet 0 (1420 bytes)
//        1      [ 8      9   10   11   12   13   14   15  ]
//        2      [ 16    17   18   19   20   21   22   23* ]     * partial: by way of a buffer
//        3      [ K      1    2    ...                    ]     packet 1
//
// Poly1305 runs inside the passes (chacha20_avx2.h) and walks over the packets in the same order. Sealing, it follows
// behind: it may hash what earlier passes have encrypted. Opening in place, it must go ahead: the key stream of a pass
// waits in a buffer for one pass more, until the hash is beyond the text that it will decrypt.
//
// Constant time: lengths, addresses and whether a tag verified decide branches; keys, texts and tags do not.
#include "crypto/aead_avx2.h"

#if defined(__x86_64__)

#include <algorithm>

#include "crypto/chacha20_avx2.h"

namespace weft::crypto {
namespace avx2 {
namespace {

constexpr uint32_t kBlock = 64;    // ChaCha20
constexpr uint32_t kChunk = 16;    // Poly1305
constexpr size_t kMaxRun = 64;     // packets: bounds the one-time keys on the stack
alignas(32) constexpr uint8_t kZeros[kBlock] = {};

// How far some work has come through the packets of a run: all of those before `packet`, and `bytes` of that one.
struct Position {
  size_t packet = 0;
  uint32_t bytes = 0;
};

// Poly1305 over the packets of a run, one after the other. Between passes it is told how far it may go.
template <bool kOpen>
class Hasher {
 public:
  Hasher(AeadJob* jobs, const uint8_t (*keys)[kBlock]) : jobs_(jobs), keys_(keys) {}

  WEFT_AVX2 void allow(Position limit) {
    limit_ = limit;
    if (may_start()) start();
    refill();
  }
  WEFT_AVX2 bool idle() const { return chunks_ == 0 && !may_finish(); }
  WEFT_AVX2 size_t packet() const { return packet_; }

  // The three that pass() calls.
  WEFT_AVX2 bool take(uint32_t n) {
    if (chunks_ < n) return false;
    chunks_ -= n;
    return true;
  }
  WEFT_AVX2 void next() {
    poly1305_block(poly_, at_);
    at_ += kChunk;
  }
  // The remaining chunks of the packet and, if that is all of it, its tag and the start of the next one.
  WEFT_AVX2 void detour() {
    while (take(1)) next();
    if (!may_finish()) return;
    finish();
    packet_++;
    started_ = false;
    if (may_start()) start();
    refill();
  }

  // Goes on without ChaCha20 beside it until it is beyond `goal`.
  WEFT_AVX2 void reach(Position goal) {
    while (packet_ < goal.packet) detour();
    if (packet_ > goal.packet || !started_) return;
    const uint8_t* end = jobs_[packet_].data + goal.bytes;
    while (at_ < end && take(1)) next();
  }

 private:
  WEFT_AVX2 bool may_start() const {
    return !started_ && (packet_ < limit_.packet || (packet_ == limit_.packet && limit_.bytes > 0));
  }
  WEFT_AVX2 bool may_finish() const { return packet_ < limit_.packet; }
  WEFT_AVX2 void start() {
    poly1305_init(poly_, keys_[packet_]);
    at_ = jobs_[packet_].data;
    started_ = true;
  }
  WEFT_AVX2 void refill() {
    if (!started_) return;
    const AeadJob& job = jobs_[packet_];
    const uint32_t bytes = may_finish() ? job.length : limit_.bytes;
    chunks_ = (bytes - (uint32_t)(at_ - job.data)) / kChunk;
  }
  WEFT_AVX2 void finish() {
    AeadJob& job = jobs_[packet_];
    uint64_t tag[2];
    poly1305_last_blocks(poly_, at_, job.length);
    poly1305_tag(poly_, keys_[packet_], tag);
    if constexpr (kOpen) {
      job.ok = tag_matches(tag, job.data + job.length);
    } else {
      std::memcpy(job.data + job.length, tag, kAeadTagSize);
    }
  }

  Poly1305 poly_;
  const uint8_t* at_ = nullptr;  // the next chunk to hash
  uint32_t chunks_ = 0;          // how many of the packet may be hashed now
  bool started_ = false;         // at_ and poly_ are those of packet_
  size_t packet_ = 0;
  Position limit_;
  AeadJob* jobs_;
  const uint8_t (*keys_)[kBlock];
};

// Text whose key stream the pass left in a buffer.
struct Pending {
  uint8_t* text;
  const uint8_t* key_stream;
  uint32_t length;  // <= kBlock
};

// Lays the blocks of a run out into the lanes of one pass after the other.
template <bool kOpen>
class LaneFiller {
 public:
  LaneFiller(std::span<const AeadJob> jobs, uint8_t (*keys)[kBlock]) : jobs_(jobs), keys_(keys) {}

  bool done() const { return packet_ == jobs_.size(); }

  // How far the lanes handed out so far reach into the text.
  Position position() const { return {packet_, block_ > 0 ? (block_ - 1) * kBlock : 0}; }

  // How many packets' one-time keys are among them.
  size_t keys() const { return packet_ + (block_ > 0 ? 1 : 0); }

  // Fills the lanes, the idle ones too. Key stream for pending texts goes to `buffer`; returns how many are pending.
  int fill(Lanes& lanes, uint8_t (*buffer)[kBlock], Pending* pending) {
    int lane = 0, count = 0;
    while (lane < kLanes && !done()) {
      const AeadJob& job = jobs_[packet_];
      if (block_ == 0) {
        set(lanes, lane++, job.counter, kZeros, keys_[packet_]);
        block_ = 1;
      }
      uint32_t offset = (block_ - 1) * kBlock;
      for (; lane < kLanes && offset < job.length; offset += kBlock, block_++, lane++) {
        uint8_t* text = job.data + offset;
        const uint32_t length = std::min(job.length - offset, kBlock);
        if (kOpen || length < kBlock) {
          pending[count++] = {text, buffer[lane], length};
          set(lanes, lane, job.counter, kZeros, buffer[lane]);
        } else {
          set(lanes, lane, job.counter, text, text);
        }
      }
      if (offset >= job.length) {
        packet_++;
        block_ = 0;
      }
    }
    for (; lane < kLanes; lane++) set(lanes, lane, 0, kZeros, buffer[lane]);
    return count;
  }

 private:
  void set(Lanes& lanes, int lane, uint64_t counter, const uint8_t* from, uint8_t* to) const {
    lanes.block[lane] = block_;
    lanes.counter_lo[lane] = (uint32_t)counter;
    lanes.counter_hi[lane] = (uint32_t)(counter >> 32);
    lanes.from[lane] = from;
    lanes.to[lane] = to;
  }

  std::span<const AeadJob> jobs_;
  uint8_t (*keys_)[kBlock];
  size_t packet_ = 0;   // of the next lane
  uint32_t block_ = 0;  // of the next lane
};

// text ^= key stream. Of the 16 bytes from its last partial chunk on, those behind the text are rewritten unchanged:
// the tag or its room.
WEFT_AVX2 void apply(const Pending& p) {
  uint8_t* text = p.text;
  const uint8_t* stream = p.key_stream;
  if (p.length == kBlock) {
    for (int i = 0; i < 2; i++) {
      __m256i* to = (__m256i*)(text + 32 * i);
      _mm256_storeu_si256(to, _mm256_xor_si256(_mm256_loadu_si256(to), _mm256_load_si256((const __m256i*)stream + i)));
    }
    return;
  }
  static constexpr uint8_t kMask[32] = {255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255};
  for (uint32_t left = p.length; left > 0; text += kChunk, stream += kChunk) {
    const uint32_t n = std::min(left, kChunk);
    const __m128i mask = _mm_loadu_si128((const __m128i*)(kMask + 16 - n));
    const __m128i key_stream = _mm_and_si128(_mm_load_si128((const __m128i*)stream), mask);
    _mm_storeu_si128((__m128i*)text, _mm_xor_si128(_mm_loadu_si128((const __m128i*)text), key_stream));
    left -= n;
  }
}

void wipe(void* p, size_t n) {
  std::memset(p, 0, n);
  asm volatile("" : : "r"(p) : "memory");
}

// All passes of a run: up to kMaxRun packets with one key.
template <bool kOpen>
__attribute__((target("avx2,bmi2"))) void run(std::span<AeadJob> jobs) {
  alignas(32) uint8_t keys[kMaxRun][kBlock];
  alignas(32) uint8_t buffers[2][kLanes][kBlock];  // this pass's and the one's before
  Pending pending[2][kLanes];
  int count[2] = {0, 0};
  KeyRows key_rows;
  load_key(key_rows, jobs[0].key);

  Lanes lanes;
  LaneFiller<kOpen> filler(jobs, keys);
  Hasher<kOpen> hasher(jobs.data(), keys);
  int turn = 0;
  for (; !filler.done(); turn ^= 1) {
    const Position before = filler.position();
    hasher.allow(kOpen ? Position{filler.keys(), 0} : before);
    count[turn] = filler.fill(lanes, buffers[turn], pending[turn]);
    if (hasher.idle()) {
      pass<0>(key_rows, lanes, hasher);
    } else {
      pass<4>(key_rows, lanes, hasher);
    }
    if constexpr (kOpen) {
      hasher.reach(before);
      for (int i = 0; i < count[turn ^ 1]; i++) apply(pending[turn ^ 1][i]);
    } else {
      for (int i = 0; i < count[turn]; i++) apply(pending[turn][i]);
    }
  }
  const Position end = {jobs.size(), 0};
  hasher.allow(end);
  hasher.reach(end);
  if constexpr (kOpen) {
    for (int i = 0; i < count[turn ^ 1]; i++) apply(pending[turn ^ 1][i]);
  }
  wipe(keys, kBlock * jobs.size());
  wipe(buffers, sizeof buffers);
}

// Cuts a batch into runs of one key, known by its address.
template <bool kOpen>
void for_each_run(std::span<AeadJob> jobs) {
  while (!jobs.empty()) {
    size_t n = 1;
    while (n < jobs.size() && n < kMaxRun && jobs[n].key == jobs[0].key) n++;
    run<kOpen>(jobs.first(n));
    jobs = jobs.subspan(n);
  }
}

constexpr Aead kAead = {"avx2", for_each_run<false>, for_each_run<true>};

}  // namespace
}  // namespace avx2

const Aead* avx2_aead() {
  static const bool usable = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi2");
  return usable ? &avx2::kAead : nullptr;
}

}  // namespace weft::crypto

#else

namespace weft::crypto {

const Aead* avx2_aead() { return nullptr; }

}  // namespace weft::crypto

#endif
