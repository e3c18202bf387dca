// Compares the AEAD back ends with each other and, if its library is there, with BoringSSL.
//
//   aead_bench [--rounds N] [--sizes BYTES[,BYTES...]] [--boringssl PATH]
//
// Every round times every candidate once, in turn, on the same packets in cache; the result is the median over the
// rounds of the cycles (of the time stamp counter) a byte, and of the ratio to the reference within a round, which a
// noisy machine moves least (`speedRatio`). The reference is BoringSSL, or the last back end (libsodium) without it.
// Writes JSON to stdout.
//
// BoringSSL is only ever loaded here, at run time: the addon lives in a process that exports OpenSSL's symbols.
#include <dlfcn.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include "crypto/aead.h"
#include "measure.h"
#include "util/bytes.h"

namespace {

using weft::crypto::AeadJob;
using weft::crypto::kAeadTagSize;

struct Candidate {
  std::string name;
  std::function<void(std::span<AeadJob>)> seal, open;
};

// BoringSSL's EVP_AEAD, as declared in its openssl/aead.h; one context for all packets.
class BoringSsl {
 public:
  explicit BoringSsl(const char* path, const uint8_t* key) {
    void* library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr) return;
    const auto algorithm = (const void* (*)())dlsym(library, "EVP_aead_chacha20_poly1305");
    const auto create = (void* (*)(const void*, const uint8_t*, size_t, size_t))dlsym(library, "EVP_AEAD_CTX_new");
    seal_ = (Transform)dlsym(library, "EVP_AEAD_CTX_seal");
    open_ = (Transform)dlsym(library, "EVP_AEAD_CTX_open");
    if (algorithm && create && seal_ && open_)
      context_ = create(algorithm(), key, weft::crypto::kAeadKeySize, kAeadTagSize);
  }
  bool usable() const { return context_ != nullptr; }
  void seal(std::span<AeadJob> jobs) const {
    for (AeadJob& job : jobs) job.ok = transform(seal_, job, job.length, job.length + kAeadTagSize);
  }
  void open(std::span<AeadJob> jobs) const {
    for (AeadJob& job : jobs) job.ok = transform(open_, job, job.length + kAeadTagSize, job.length);
  }

 private:
  using Transform = int (*)(const void* context, uint8_t* out, size_t* out_length, size_t out_room,
                            const uint8_t* nonce, size_t nonce_length, const uint8_t* in, size_t in_length,
                            const uint8_t* ad, size_t ad_length);

  bool transform(Transform f, const AeadJob& job, size_t in_length, size_t out_room) const {
    uint8_t nonce[12] = {};
    weft::store_le64(nonce + 4, job.counter);
    size_t n;
    return f(context_, job.data, &n, out_room, nonce, sizeof nonce, job.data, in_length, nullptr, 0) == 1;
  }

  void* context_ = nullptr;
  Transform seal_ = nullptr, open_ = nullptr;
};

// A case: `packets` of one size at the stride of a UDP_SEGMENT send buffer, worked on in calls of `batch`.
class Case {
 public:
  Case(uint32_t size, size_t batch, const uint8_t* key)
      : batch_(batch), packets_(std::max<size_t>(batch, 16)), stride_(size + 32), text_(packets_ * stride_ + 64) {
    for (size_t i = 0; i < text_.size(); i++) text_[i] = (uint8_t)(i * 167);
    for (size_t i = 0; i < packets_; i++)
      jobs_.push_back({key, 1000 + i, text_.data() + 16 + i * stride_, size, false});
  }

  // Cycles a byte of one go over all packets. Opening starts from what `sealer` sealed.
  double time(const Candidate& candidate, bool open, const Candidate& sealer) {
    if (open) {
      if (sealed_.empty()) {
        sealer.seal(jobs_);
        sealed_ = text_;
      }
      std::memcpy(text_.data(), sealed_.data(), text_.size());
    }
    const auto& f = open ? candidate.open : candidate.seal;
    const uint64_t start = weft::bench::ticks();
    for (size_t i = 0; i < packets_; i += batch_) f(std::span(jobs_).subspan(i, std::min(batch_, packets_ - i)));
    const uint64_t end = weft::bench::ticks();
    if (open && !std::all_of(jobs_.begin(), jobs_.end(), [](const AeadJob& job) { return job.ok; })) {
      std::fprintf(stderr, "%s: refused a good packet\n", candidate.name.c_str());
      std::exit(1);
    }
    return (double)(end - start) / (double)(packets_ * jobs_[0].length);
  }

 private:
  size_t batch_, packets_, stride_;
  std::vector<uint8_t> text_, sealed_;
  std::vector<AeadJob> jobs_;
};

void measure(weft::bench::Report& report, const std::vector<Candidate>& candidates, uint32_t size, size_t batch,
             bool open, int rounds, const uint8_t* key) {
  Case work(size, batch, key);
  const size_t n = candidates.size();
  std::vector<std::vector<double>> cost(n), ratio(n);
  for (int round = -3; round < rounds; round++) {  // the first three only warm up
    std::vector<double> now(n);
    for (size_t i = 0; i < n; i++) {
      const size_t c = (i + (size_t)(round + 3)) % n;
      now[c] = work.time(candidates[c], open, candidates[0]);
    }
    if (round < 0) continue;
    for (size_t c = 0; c < n; c++) {
      cost[c].push_back(now[c]);
      ratio[c].push_back(now.back() / now[c]);
    }
  }
  const std::string what =
      std::string(open ? "open " : "seal ") + std::to_string(size) + " B x " + std::to_string(batch) + ", ";
  for (size_t c = 0; c < n; c++) {
    report.add(what + candidates[c].name, std::string(weft::bench::kTickUnit) + "/B",
               weft::bench::Samples(std::move(cost[c])), weft::bench::Samples(std::move(ratio[c])).at(0.5));
  }
}

std::vector<uint32_t> sizes_in(const char* list) {
  std::vector<uint32_t> sizes;
  for (const char* at = list; *at != '\0'; at += *at == ',') {
    char* end;
    const unsigned long size = std::strtoul(at, &end, 10);
    if (end == at || size == 0 || size > 65000 || (*end != ',' && *end != '\0')) {
      std::fprintf(stderr, "--sizes: want bytes from 1 to 65000, as in 64,1420, not \"%s\"\n", list);
      std::exit(2);
    }
    sizes.push_back((uint32_t)size);
    at = end;
  }
  return sizes;
}

}  // namespace

int main(int argc, char** argv) {
  int rounds = 300;
  std::vector<uint32_t> sizes = {64, 256, 1420, 8900};
  const char* boringssl_path = "/usr/lib/x86_64-linux-gnu/android/libcrypto.so.0";
  for (int i = 1; i + 1 < argc; i += 2) {
    if (std::strcmp(argv[i], "--rounds") == 0) rounds = std::max(1, std::atoi(argv[i + 1]));
    if (std::strcmp(argv[i], "--sizes") == 0) sizes = sizes_in(argv[i + 1]);
    if (std::strcmp(argv[i], "--boringssl") == 0) boringssl_path = argv[i + 1];
  }
  uint8_t key[weft::crypto::kAeadKeySize];
  for (size_t i = 0; i < sizeof key; i++) key[i] = (uint8_t)(i * 7 + 1);

  std::vector<Candidate> candidates;
  for (const weft::crypto::Aead* aead : weft::crypto::available_aeads()) {
    candidates.push_back({std::string(aead->name), aead->seal, aead->open});
  }
  const BoringSsl boringssl(boringssl_path, key);
  if (boringssl.usable()) {
    candidates.push_back(
        {"boringssl", [&](auto jobs) { boringssl.seal(jobs); }, [&](auto jobs) { boringssl.open(jobs); }});
  }

  weft::bench::Report report;
  for (const uint32_t size : sizes) {
    for (const size_t batch : {1u, 45u}) {
      for (const bool open : {false, true}) measure(report, candidates, size, batch, open, rounds, key);
    }
  }
}
