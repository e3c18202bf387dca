// ChaCha20-Poly1305 (RFC 8439, no AAD) for batches of packets with AVX-512 IFMA: Intel since Ice Lake, AMD since Zen 4.
//
// The ChaCha20 blocks of a run of packets fill sixteen lanes of one pass after the other (chacha20_lanes.h). Between the
// passes whole packets are hashed, while they are in the first-level cache: sealing, as soon as all of the packet is
// encrypted; opening in place, as soon as the pass with its one-time key is done, before any of it is decrypted. For
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

// Below this many whole blocks the powers of r cost more than they save.
constexpr uint32_t kMinIfmaBlocks = 20;

WEFT_AVX512 void authenticate(const AeadJob& job, const uint8_t* key, uint64_t tag[2]) {
  Poly1305 p;
  poly1305_init(p, key);
  const uint32_t blocks = job.length / kPolyBlock;
  if (blocks >= kMinIfmaBlocks) {
    poly1305_blocks(p, job.data, blocks);
  } else {
    for (uint32_t i = 0; i < blocks; i++) poly1305_block(p, job.data + i * kPolyBlock);
  }
  poly1305_last_blocks(p, job.data + blocks * kPolyBlock, job.length);
  poly1305_tag(p, key, tag);
}

WEFT_AVX512 void apply(const PendingText& p) {
  const uint64_t all = ~uint64_t{0};
  const __mmask64 bytes = all >> (kChaChaBlock - p.length);
  const __m512i text = _mm512_maskz_loadu_epi8(bytes, p.text);
  _mm512_mask_storeu_epi8(p.text, bytes, _mm512_xor_si512(text, _mm512_load_si512(p.key_stream)));
}

// All passes of a run: up to kMaxRun packets with one key.
template <bool kOpen>
__attribute__((WEFT_AVX512_TARGET)) void run(std::span<AeadJob> jobs) {
  alignas(64) Block keys[kMaxRun];
  alignas(64) Block buffer[kLanes];
  PendingText pending[kLanes];
  int pending_count;
  KeyColumns columns;
  const uint8_t* key = jobs[0].key;
  load_key(columns, key);

  Lanes<kLanes> lanes;
  LaneFiller<kLanes> filler(jobs, keys);
  size_t authenticated = 0;
  while (!filler.done()) {
    const size_t hold_from = kOpen ? filler.keys() : jobs.size();
    const int n = filler.fill(lanes, hold_from, buffer, pending, pending_count);
    if (n > 8) {
      pass(columns, lanes);
    } else if (n > 4) {
      short_pass<2>(key, lanes);
    } else {
      short_pass<1>(key, lanes);
    }
    if constexpr (!kOpen) {
      for (int i = 0; i < pending_count; i++) apply(pending[i]);
    }
    for (const size_t end = kOpen ? filler.keys() : filler.position().packet; authenticated < end; authenticated++) {
      AeadJob& job = jobs[authenticated];
      uint64_t tag[2];
      authenticate(job, keys[authenticated], tag);
      if constexpr (kOpen) {
        job.ok = tag_matches(tag, job.data + job.length);
      } else {
        std::memcpy(job.data + job.length, tag, kAeadTagSize);
      }
    }
    if constexpr (kOpen) {
      for (int i = 0; i < pending_count; i++) apply(pending[i]);
    }
  }
  wipe(keys, kChaChaBlock * jobs.size());
  wipe(buffer, sizeof buffer);
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
