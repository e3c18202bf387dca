// ChaCha20-Poly1305 (RFC 8439, no AAD) for batches of packets with AVX-512 IFMA: Intel since Ice Lake, AMD since Zen 4.
//
// The ChaCha20 blocks of a run of packets fill sixteen lanes of one pass after the other (chacha20_lanes.h). Between
// the passes whole packets are hashed, while they are in the first-level cache: sealing, as soon as all of the packet
// is encrypted; opening in place, as soon as the pass with its one-time key is done, before any of it is decrypted. For
// that the key stream of this one pass waits in a buffer.
//
// Constant time: lengths, addresses and whether a tag verified decide branches; keys, texts and tags do not.
#include "crypto/aead_avx512.h"

#if defined(__x86_64__)

#include "crypto/chacha20_avx512.h"
#include "crypto/poly1305_ifma.h"

namespace weft::crypto {
namespace avx512 {
namespace {

// Below this many whole blocks in a text the powers of r cost more than they save.
constexpr uint32_t kMinIfmaBlocks = 12;

WEFT_AVX512 void apply(const PendingText& p) {
  const __mmask64 bytes = ~uint64_t{0} >> (kChaChaBlock - p.length);
  const __m512i text = _mm512_maskz_loadu_epi8(bytes, p.text);
  _mm512_mask_storeu_epi8(p.text, bytes, _mm512_xor_si512(text, _mm512_load_si512(p.key_stream)));
}

// Computes the tags of kJobs packets with the same number of whole blocks, and stores or compares them.
template <bool kOpen, int kJobs>
WEFT_AVX512 void authenticate(AeadJob* jobs, const Block* keys) {
  const uint32_t blocks = jobs[0].length / kPolyBlock;
  Poly1305 p[kJobs];
  const uint8_t* texts[kJobs];
  for (int i = 0; i < kJobs; i++) {
    poly1305_init(p[i], keys[i]);
    texts[i] = jobs[i].data;
  }
  if (blocks >= kMinIfmaBlocks) {
    poly1305_blocks(p, texts, blocks);
  } else {
    for (uint32_t n = 0; n < blocks; n++) {
      for (int i = 0; i < kJobs; i++) poly1305_block(p[i], texts[i] + n * kPolyBlock);
    }
  }
  for (int i = 0; i < kJobs; i++) {
    uint64_t tag[2];
    poly1305_last_blocks(p[i], texts[i] + blocks * kPolyBlock, jobs[i].length);
    poly1305_tag(p[i], keys[i], tag);
    settle<kOpen>(jobs[i], tag);
  }
  wipe(p, sizeof p);
}

// Packets [from, to), two at a time where they are alike. Sealing, an odd one may wait for the next call: returns how
// far it came.
template <bool kOpen>
WEFT_AVX512 size_t authenticate_all(std::span<AeadJob> jobs, const Block* keys, size_t from, size_t to) {
  while (from < to) {
    if (!kOpen && from + 1 == to && to < jobs.size()) break;
    if (from + 1 < to && jobs[from].length / kPolyBlock == jobs[from + 1].length / kPolyBlock) {
      authenticate<kOpen, 2>(&jobs[from], &keys[from]);
      from += 2;
    } else {
      authenticate<kOpen, 1>(&jobs[from], &keys[from]);
      from += 1;
    }
  }
  return from;
}

// All passes of a run: up to kMaxRun packets with one key.
template <bool kOpen>
__attribute__((WEFT_AVX512_TARGET)) void run(std::span<AeadJob> jobs) {
  alignas(64) Block keys[kMaxRun];
  alignas(64) Block buffer[kLanes];
  PendingText pending[kLanes];
  int pending_count;
  const uint8_t* key = jobs[0].key;

  Lanes<kLanes> lanes;
  LaneFiller<kLanes> filler(jobs, keys, kOpen ? kLanes : 1);
  size_t authenticated = 0;
  int most = 0;
  while (!filler.done()) {
    const RunPosition in_place = {kOpen ? authenticated : jobs.size(), 0};
    const int n = filler.fill(lanes, in_place, buffer, pending, pending_count);
    const int width = n > 8 ? 16 : n > 6 ? 8 : n > 4 ? 6 : 4;
    filler.idle(lanes, n, width, buffer);
    most = std::max(most, width);
    switch (width) {
      case 16:
        pass(key, lanes);
        break;
      case 8:
        short_pass<4>(key, lanes);
        break;
      case 6:
        short_pass<3>(key, lanes);
        break;
      default:
        short_pass<2>(key, lanes);
    }
    if constexpr (kOpen) {
      authenticated = authenticate_all<true>(jobs, keys, authenticated, filler.keys());
      for (int i = 0; i < pending_count; i++) apply(pending[i]);
    } else {
      for (int i = 0; i < pending_count; i++) apply(pending[i]);
      authenticated = authenticate_all<false>(jobs, keys, authenticated, filler.position().packet);
    }
  }
  wipe(keys, sizeof(Block) * jobs.size());
  wipe(buffer, sizeof(Block) * (size_t)most);
}

constexpr Aead kAead = {"avx512", for_each_run<run<false>>, for_each_run<run<true>>};

}  // namespace
}  // namespace avx512

const Aead* avx512_aead() {
  static const bool usable = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
                             __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512ifma") &&
                             __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi2");
  return usable ? &avx512::kAead : nullptr;
}

}  // namespace weft::crypto

#else

namespace weft::crypto {

const Aead* avx512_aead() { return nullptr; }

}  // namespace weft::crypto

#endif
