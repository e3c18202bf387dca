// Cryptokey routing (whitepaper 2): the peer of a destination going out, and of an inner source coming in.
#pragma once

#include <cstdint>

#include "routing/prefix_trie.h"

namespace weft::routing {

// Longest-prefix match over IPv4 and IPv6. Addresses are in network order, 4 or 16 bytes; bits past `length` are
// ignored. Many readers, or one writer.
class AllowedIps {
 public:
  // `family` is 4 or 6, `length` at most 32 or 128. A prefix that another peer holds moves to `peer`.
  void insert(int family, const uint8_t* address, uint8_t length, uint32_t peer);

  // Does nothing unless `peer` holds exactly this prefix.
  void remove(int family, const uint8_t* address, uint8_t length, uint32_t peer);

  // Removes all of its prefixes, in time proportional to their number.
  void remove_peer(uint32_t peer);

  // kNoPeer if no prefix covers the address.
  uint32_t lookup4(const uint8_t* address) const;
  uint32_t lookup6(const uint8_t* address) const;

  // The same for the addresses of a complete IPv4 or IPv6 header.
  uint32_t peer_of_destination(const uint8_t* ip) const {
    return ip[0] >> 4 == 4 ? lookup4(ip + 16) : lookup6(ip + 24);
  }
  uint32_t peer_of_source(const uint8_t* ip) const { return ip[0] >> 4 == 4 ? lookup4(ip + 12) : lookup6(ip + 8); }

 private:
  PrefixTrie<uint32_t> v4_;
  PrefixTrie<Uint128> v6_;
};

}  // namespace weft::routing
