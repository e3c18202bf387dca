// ChaCha20-Poly1305 (RFC 8439, no AAD) for batches of packets with AVX2 and BMI2; a packet by itself is done in
// aead_avx2_single.h if it is no longer than most are.
//
// The ChaCha20 blocks of a run of packets with one key fill eight lanes of one pass after the other (chacha20_lanes.h);
// the last ones, if they are six or fewer, those of a pass in rows.
// Poly1305 runs inside the passes (chacha20_avx2.h) and walks over the packets in the same order:
//
//      sealing     pass 0  1  2  3  4 ...       text encrypted by pass i ...
//      hash               0  1  2  3 ...  3 4   ... is hashed beside pass i + 1; what is left, after the last pass
//
//      opening     pass K  0  1  2  3 ...       the one-time keys come first, and text must be hashed ...
//      hash               0 1  2  3 ...         ... before pass i overwrites it: beside it, or earlier
//
// Text that the hash will not reach in time, as when a packet's key is made in the same pass as its first lanes, is not
// overwritten by the pass: its key stream waits in a buffer for one pass more.
//
// Constant time: lengths, addresses and whether a tag verified decide branches; keys, texts and tags do not.
#include "crypto/aead_avx2.h"

#if defined(__x86_64__)

#include <algorithm>

#include "crypto/aead_avx2_single.h"
#include "crypto/chacha20_avx2.h"

namespace weft::crypto {
namespace avx2 {
namespace {

// Poly1305 over the packets of a run, one after the other. Between passes it is told how far it may go.
template <bool kOpen>
class Hasher : public TextHash {
 public:
  Hasher(AeadJob* jobs, const Block* keys) : jobs_(jobs), keys_(keys) {}

  WEFT_AVX2 void allow(RunPosition limit) {
    limit_ = limit;
    if (may_start()) start();
    refill();
  }
  WEFT_AVX2 bool rest_may_wait() const { return blocks_ == 0 && !may_finish(); }
  // How far it surely comes in the next pass, so that this may decrypt what lies before in place: in each of the ten
  // double rounds it hashes three blocks at least, or else the rest of the packet.
  WEFT_AVX2 RunPosition within_reach() const {
    const uint32_t at = started_ ? (uint32_t)(at_ - jobs_[packet_].data) : 0;
    return {packet_, packet_ < limit_.packet ? at + 10 * 3 * kPolyBlock : 0};
  }

  // Whether three blocks a double round will do, which keep up with the passes and come free; four gain on them.
  // Opening, the hash should be ahead of the passes, which have come to `lanes`; sealing, it should not lag far behind.
  WEFT_AVX2 bool has_time(RunPosition lanes) const {
    return kOpen ? packet_ > lanes.packet + 1 : packet_ + 3 > lanes.packet;
  }

  // The remaining blocks of the packet and, if that is all of it, its tag and the start of the next one.
  WEFT_AVX2 void detour() {
    while (blocks_ > 0) next();
    if (!may_finish()) return;
    finish_packet();
    packet_++;
    started_ = false;
    if (may_start()) start();
    refill();
  }

  // Goes on, without ChaCha20 beside it, until it is beyond `goal`: nothing to do if it kept up.
  WEFT_AVX2 void reach(RunPosition goal) {
    while (packet_ < goal.packet) detour();
    if (packet_ > goal.packet || !started_) return;
    const uint8_t* end = jobs_[packet_].data + goal.bytes;
    while (at_ < end && blocks_ > 0) next();
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
    blocks_ = (bytes - (uint32_t)(at_ - job.data)) / kPolyBlock;
  }
  WEFT_AVX2 void finish_packet() {
    AeadJob& job = jobs_[packet_];
    uint64_t tag[2];
    finish(keys_[packet_], job.length, tag);
    settle<kOpen>(job, tag);
  }

  bool started_ = false;  // at_ and poly_ are those of packet_
  size_t packet_ = 0;
  RunPosition limit_;
  AeadJob* jobs_;
  const Block* keys_;
};

// All passes of a run: up to kMaxRun packets with one key.
template <bool kOpen>
__attribute__((noinline, target("avx2,bmi2"))) void passes(std::span<AeadJob> jobs) {
  alignas(64) Block keys[kMaxRun];
  alignas(64) Block buffers[2][kLanes];  // this pass's and the one's before
  PendingText pending[2][kLanes];
  int count[2] = {0, 0}, most[2] = {0, 0};  // pending; lanes of a buffer in use
  const uint8_t* key = jobs[0].key;

  State state;
  Rows rows(key, kRowSets);
  Lanes<kLanes>& lanes = state.lanes;
  LaneFiller<kLanes> filler(jobs, keys, kOpen ? kLanes : 1);
  Hasher<kOpen> hasher(jobs.data(), keys);
  const RunPosition end = {jobs.size(), 0};
  int turn = 0;
  for (; !filler.done(); turn ^= 1) {
    const RunPosition before = filler.position();
    hasher.allow(kOpen ? RunPosition{filler.keys(), 0} : before);
    const RunPosition in_place = kOpen ? hasher.within_reach() : end;
    const int n = filler.fill(lanes, in_place, buffers[turn], pending[turn], count[turn]);
    const int width = n > kRowLanes ? kLanes : (n + 1) & ~1;
    filler.idle(lanes, n, width, buffers[turn]);
    most[turn] = std::max(most[turn], width);
    if (n > kRowLanes) {
      if (!state.keyed) state.set_key(key);
      if (hasher.has_time(before)) {
        pass<3>(state, hasher);
      } else {
        pass<4>(state, hasher);
      }
    } else if (n > 0) {  // not so if only empty packets are left, whose keys were made before
      for_sets(n, [&]<int kSets>() WEFT_AVX2_LAMBDA { pass_in_rows<kSets>(rows, lanes, hasher); });
    }
    if constexpr (kOpen) {
      hasher.reach(before);
      for (int i = 0; i < count[turn ^ 1]; i++) apply(pending[turn ^ 1][i]);
    } else {
      for (int i = 0; i < count[turn]; i++) apply(pending[turn][i]);
    }
  }
  hasher.allow(end);
  hasher.reach(end);
  if constexpr (kOpen) {
    for (int i = 0; i < count[turn ^ 1]; i++) apply(pending[turn ^ 1][i]);
  }
  wipe(keys, sizeof(Block) * jobs.size());
  for (int i = 0; i < 2; i++) wipe(buffers[i], sizeof(Block) * (size_t)most[i]);
}

template <bool kOpen>
void run(std::span<AeadJob> jobs) {
  if (jobs.size() == 1 && jobs[0].length <= kMaxSingleLength) {
    single<kOpen>(jobs[0]);
  } else {
    passes<kOpen>(jobs);
  }
}

constexpr Aead kAead = {"avx2", for_each_run<run<false>>, for_each_run<run<true>>};

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
