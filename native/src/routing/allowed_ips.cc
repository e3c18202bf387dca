// Picks the family's trie and turns network-order addresses into numbers.
#include "routing/allowed_ips.h"

#include "util/bytes.h"

namespace weft::routing {

namespace {

Uint128 load_be128(const uint8_t* p) {
  return Uint128{__builtin_bswap64(load<uint64_t>(p))} << 64 | __builtin_bswap64(load<uint64_t>(p + 8));
}

}  // namespace

void AllowedIps::insert(int family, const uint8_t* address, uint8_t length, uint32_t peer) {
  if (family == 4) {
    v4_.insert(load_be32(address), length, peer);
  } else {
    v6_.insert(load_be128(address), length, peer);
  }
}

void AllowedIps::remove(int family, const uint8_t* address, uint8_t length, uint32_t peer) {
  if (family == 4) {
    v4_.remove(load_be32(address), length, peer);
  } else {
    v6_.remove(load_be128(address), length, peer);
  }
}

void AllowedIps::remove_peer(uint32_t peer) {
  v4_.remove_peer(peer);
  v6_.remove_peer(peer);
}

uint32_t AllowedIps::lookup4(const uint8_t* address) const { return v4_.lookup(load_be32(address)); }

uint32_t AllowedIps::lookup6(const uint8_t* address) const { return v6_.lookup(load_be128(address)); }

}  // namespace weft::routing
