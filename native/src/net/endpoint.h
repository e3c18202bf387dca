// Where a datagram goes to or came from, and the local address it used.
#pragma once

#include <netinet/in.h>

#include <cstdint>
#include <cstring>
#include <span>

namespace weft::net {

// A UDP endpoint in the form that the socket calls take. Family AF_UNSPEC = none.
struct Endpoint {
  union {
    sockaddr any;
    sockaddr_in v4;
    sockaddr_in6 v6;
  };

  Endpoint() : v6{} {}

  explicit operator bool() const { return any.sa_family != AF_UNSPEC; }
  bool is_v4() const { return any.sa_family == AF_INET; }
  socklen_t size() const { return is_v4() ? sizeof v4 : sizeof v6; }

  // The part of the address that one host is assumed to own: /32 or /64.
  std::span<const uint8_t> prefix() const {
    if (is_v4()) return {reinterpret_cast<const uint8_t*>(&v4.sin_addr), 4};
    return {v6.sin6_addr.s6_addr, 8};
  }

  // The flow label is the sender's whim and no part of the identity.
  bool operator==(const Endpoint& o) const {
    if (any.sa_family != o.any.sa_family) return false;
    if (is_v4()) return v4.sin_port == o.v4.sin_port && v4.sin_addr.s_addr == o.v4.sin_addr.s_addr;
    return v6.sin6_port == o.v6.sin6_port && v6.sin6_scope_id == o.v6.sin6_scope_id &&
           std::memcmp(&v6.sin6_addr, &o.v6.sin6_addr, sizeof v6.sin6_addr) == 0;
  }
};

// The local address a peer was last heard on. Replies leave from it, so that a host with several addresses is seen
// under one; the interface tells when the route has moved elsewhere.
struct Source {
  bool set = false;
  bool pinned = false;  // leaves by its interface, whatever the route to the peer says (an uplink of a bond)
  uint32_t interface_index = 0;
  union {
    in_addr v4;
    in6_addr v6;
  };

  Source() : v6{} {}

  bool same_as(const Source& o, bool is_v4) const {
    if (set != o.set || interface_index != o.interface_index) return false;
    return std::memcmp(&v6, &o.v6, is_v4 ? sizeof v4 : sizeof v6) == 0;
  }
};

struct Path {
  Endpoint remote;
  Source source;

  bool operator==(const Path& o) const { return remote == o.remote && source.same_as(o.source, remote.is_v4()); }
};

}  // namespace weft::net
