// Which AEAD back ends this CPU can run, decided once.
#include "crypto/aead.h"

#include <algorithm>
#include <array>

#include "crypto/aead_sodium.h"

namespace weft::crypto {

std::span<const Aead* const> available_aeads() {
  // Fastest first; a back end that this CPU cannot run stands here as nullptr.
  static const auto candidates = std::to_array<const Aead*>({
      &sodium_aead(),
  });
  static const auto runnable = [] {
    auto list = candidates;
    std::ranges::stable_partition(list, [](const Aead* aead) { return aead != nullptr; });
    return list;
  }();
  static const auto count = static_cast<size_t>(std::ranges::count_if(runnable, [](auto* a) { return a != nullptr; }));
  return {runnable.data(), count};
}

const Aead& default_aead() { return *available_aeads().front(); }

}  // namespace weft::crypto
