// Compares every AEAD back end of this CPU with libsodium on seeded random packets.
//
//   aead_differential [--cases N] [--seed S]
//
// A case is one packet: sealed, then opened, possibly forged by one bit; at N = 0 only the sweep is done, every length
// from 0 to 2100 at every alignment within 64 bytes. The random cases are batches of mixed lengths and keys. The memory
// around the packets is part of each comparison. Ends with status 1 at the first difference.
#include <sodium.h>

#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "crypto/aead.h"
#include "util/bytes.h"

namespace {

using weft::crypto::Aead;
using weft::crypto::AeadJob;
using weft::crypto::kAeadKeySize;
using weft::crypto::kAeadTagSize;

constexpr uint32_t kMaxLength = 2100;
constexpr size_t kGuard = 80;  // bytes before and after each packet

// SplitMix64.
class Generator {
 public:
  explicit Generator(uint64_t seed) : state_(seed) {}
  uint64_t next() {
    uint64_t z = state_ += 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }
  uint32_t below(uint32_t n) { return (uint32_t)(next() % n); }
  void fill(uint8_t* p, size_t n) {
    for (; n >= 8; n -= 8, p += 8) weft::store_le64(p, next());
    const uint64_t rest = next();
    std::memcpy(p, &rest, n);
  }

 private:
  uint64_t state_;
};

// What a batch looks like: all else is random.
struct Packet {
  size_t key;  // index
  uint32_t length;
  size_t alignment;  // of the text, modulo 64
};

struct Batch {
  std::vector<Packet> packets;
  size_t keys = 1;
  uint32_t forged_one_in = 0;  // 0: none
};

class Comparison {
 public:
  Comparison(const Aead& aead, Generator& random) : aead_(aead), random_(random) {}

  // Returns what differs from libsodium, or nullptr.
  const char* run(const Batch& batch) {
    lay_out(batch);
    plain_ = memory_;
    expected_ = memory_;
    for (size_t i = 0; i < jobs_.size(); i++) seal_reference(jobs_[i], expected_.data() + offset_[i]);
    aead_.seal(jobs_);
    if (memory_ != expected_) return "sealed bytes or the bytes around them";

    forge(batch.forged_one_in);
    expected_ = memory_;
    for (AeadJob& job : jobs_) job.ok = random_.below(2) == 0;
    aead_.open(jobs_);
    for (size_t i = 0; i < jobs_.size(); i++) {
      const AeadJob& job = jobs_[i];
      if (job.ok == forged_[i]) return job.ok ? "accepted a forgery" : "refused a packet";
      if (job.ok && std::memcmp(job.data, plain_.data() + offset_[i], job.length) != 0) return "opened text";
      std::memcpy(expected_.data() + offset_[i], job.data, job.length);
    }
    return memory_ != expected_ ? "bytes around the opened text" : nullptr;
  }

 private:
  void lay_out(const Batch& batch) {
    keys_.resize(batch.keys * kAeadKeySize);
    random_.fill(keys_.data(), keys_.size());
    size_t size = 64;
    for (const Packet& p : batch.packets) size += 2 * kGuard + 64 + p.length + kAeadTagSize;
    memory_.resize(size);
    random_.fill(memory_.data(), size);

    jobs_.clear();
    offset_.clear();
    const uint64_t counter = random_.below(4) == 0 ? random_.below(100) : random_.next();
    size_t at = kGuard;
    for (const Packet& p : batch.packets) {
      at += (64 + p.alignment - ((uintptr_t)memory_.data() + at) % 64) % 64;
      jobs_.push_back({&keys_[p.key * kAeadKeySize], counter + jobs_.size(), memory_.data() + at, p.length, false});
      offset_.push_back(at);
      at += p.length + kAeadTagSize + kGuard;
    }
    forged_.assign(jobs_.size(), false);
  }

  static void seal_reference(const AeadJob& job, uint8_t* text) {
    uint8_t nonce[crypto_aead_chacha20poly1305_IETF_NPUBBYTES] = {};
    weft::store_le64(nonce + 4, job.counter);
    crypto_aead_chacha20poly1305_ietf_encrypt(text, nullptr, text, job.length, nullptr, 0, nullptr, nonce, job.key);
  }

  void forge(uint32_t one_in) {
    for (size_t i = 0; one_in != 0 && i < jobs_.size(); i++) {
      if (random_.below(one_in) != 0) continue;
      const uint32_t bits = 8 * (jobs_[i].length + kAeadTagSize);
      const uint32_t bit = random_.below(2) == 0 ? random_.below(bits) : bits - 1 - random_.below(8 * kAeadTagSize);
      jobs_[i].data[bit / 8] ^= (uint8_t)(1 << bit % 8);
      forged_[i] = true;
    }
  }

  const Aead& aead_;
  Generator& random_;
  std::vector<uint8_t> keys_, memory_, plain_, expected_;
  std::vector<AeadJob> jobs_;
  std::vector<size_t> offset_;
  std::vector<bool> forged_;
};

Batch random_batch(Generator& random) {
  Batch batch;
  batch.keys = random.below(3) == 0 ? 1 + random.below(4) : 1;
  batch.forged_one_in = random.below(2) == 0 ? 0 : 1 + random.below(12);
  const size_t count = 1 + random.below(random.below(8) == 0 ? 140 : 64);
  const uint32_t style = random.below(5), fixed = random.below(kMaxLength + 1);
  const uint32_t longest[] = {0, 40, 300, kMaxLength, 9000};
  for (size_t i = 0; i < count; i++) {
    uint32_t length = style == 0 ? fixed : random.below(longest[style] + 1);
    if (style == 4 && i % 8 != 0) length %= 1500;
    const bool same_key = random.below(3) != 0 && i > 0;
    const size_t key = same_key ? batch.packets.back().key : random.below((uint32_t)batch.keys);
    batch.packets.push_back({key, length, random.below(64)});
  }
  return batch;
}

void check(const char* difference, const Aead& aead, const Batch& batch) {
  if (difference == nullptr) return;
  std::printf("%.*s differs: %s; packets (key:length@alignment):", (int)aead.name.size(), aead.name.data(), difference);
  for (const Packet& p : batch.packets) std::printf(" %zu:%u@%zu", p.key, p.length, p.alignment);
  std::printf("\n");
  std::exit(1);
}

}  // namespace

int main(int argc, char** argv) {
  uint64_t cases = 20000, seed = 1;
  for (int i = 1; i + 1 < argc; i += 2) {
    if (std::strcmp(argv[i], "--cases") == 0) cases = std::strtoull(argv[i + 1], nullptr, 0);
    if (std::strcmp(argv[i], "--seed") == 0) seed = std::strtoull(argv[i + 1], nullptr, 0);
  }
  if (sodium_init() < 0) return 2;

  for (const Aead* aead : weft::crypto::available_aeads()) {
    Generator random(seed);
    Comparison comparison(*aead, random);
    uint64_t swept = 0, done = 0, batches = 0;
    for (uint32_t length = 0; length <= kMaxLength; length++) {
      for (size_t alignment = 0; alignment < 64; alignment++, swept++) {
        const Batch single = {{{0, length, alignment}}, 1, 2};
        check(comparison.run(single), *aead, single);
      }
    }
    for (; done < cases; batches++) {
      const Batch batch = random_batch(random);
      check(comparison.run(batch), *aead, batch);
      done += batch.packets.size();
    }
    std::printf("%.*s: %" PRIu64 " single packets, %" PRIu64 " packets in %" PRIu64 " batches, seed %" PRIu64
                ": no difference\n",
                (int)aead->name.size(), aead->name.data(), swept, done, batches, seed);
  }
}
