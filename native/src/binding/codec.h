// The byte layouts that cross between C++ and src/dataplane/control-codec.ts, little-endian.
//
//   endpoint, 24 bytes: 0 u8 family (4 or 6) | 1 u8 has local address | 2 u16 port | 4 u32 scope id | 8 address[16]
//   path, 48 bytes:     endpoint | 24 local address[16] | 40 u32 interface index | 44 u32 zero
//   prefix, 18 bytes:   u8 family | u8 length | address[16]
//   batch:              u32 backlog | u32 events | u32 datagrams | u32 under load (0 or 1)
//                       events, 40 bytes: u32 type | u32 a | u32 b | u32 c | endpoint
//                       datagrams: path | u32 length | bytes, padded to a multiple of 4
//
// An IPv4 address takes the first 4 of its 16 bytes.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "engine/control_queue.h"
#include "engine/dataplane.h"
#include "net/endpoint.h"

namespace weft::binding {

inline constexpr size_t kEndpointSize = 24;
inline constexpr size_t kPathSize = 48;
inline constexpr size_t kPrefixSize = 18;

// Bytes of the right size are assumed valid: the TypeScript side made them.
net::Endpoint decode_endpoint(const uint8_t* bytes);
net::Path decode_path(const uint8_t* bytes);
std::vector<engine::Prefix> decode_prefixes(std::span<const uint8_t> bytes);

// Into kPathSize zeros.
void encode_path(const net::Path& path, uint8_t* out);
std::vector<uint8_t> encode_batch(const engine::ControlBatch& batch);

}  // namespace weft::binding
