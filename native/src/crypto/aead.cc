// Which AEAD back ends this CPU can run, decided once.
#include "crypto/aead.h"

#include <vector>

#include "crypto/aead_avx2.h"
#include "crypto/aead_avx512.h"
#include "crypto/aead_sodium.h"

namespace weft::crypto {

std::span<const Aead* const> available_aeads() {
  static const auto runnable = [] {
    std::vector<const Aead*> list;
    // Fastest first; nullptr stands for one that this CPU cannot run.
    for (const Aead* aead : {avx512_aead(), avx2_aead(), &sodium_aead()}) {
      if (aead != nullptr) list.push_back(aead);
    }
    return list;
  }();
  return runnable;
}

const Aead& default_aead() {
  static const Aead& fastest = *available_aeads().front();
  return fastest;
}

}  // namespace weft::crypto
