// Ways for tests.
#pragma once

#include <arpa/inet.h>

#include "net/endpoint.h"

namespace weft::bond {

// From a local uplink to a port of one remote host.
inline net::Path way(uint32_t uplink, uint16_t port) {
  net::Path path;
  path.remote.v4 = {};
  path.remote.v4.sin_family = AF_INET;
  path.remote.v4.sin_port = htons(port);
  path.remote.v4.sin_addr.s_addr = htonl(0xC0000201);
  path.source.set = true;
  path.source.interface_index = uplink;
  path.source.v4.s_addr = htonl(0x0A000000 + uplink);
  return path;
}

}  // namespace weft::bond
