// How bonds cross between C++ and src/dataplane/bond-codec.ts, little-endian (path as in codec.h):
//
//   ways:    paths, 48 bytes each
//   policy:  u8 mode | u8 repair | u8 rules | u8 0 | 8 x u8 role | 8 x u8 weight
//            rules, 12 bytes: i16 dscp (-1: any) | u8 protocol (0: any) | u8 class | u16 first port | u16 last port |
//            u32 greatest length
//   status:  u32 paths | u32 buffered | f64 late | f64 proven lost | f64 timed out | f64 longest hold in ms
//            paths, 192 bytes: u8 id | u8 phase | u8 reason | u8 0 | u32 generation | u32 mtu | u32 0 | path |
//            16 x f64: smoothed RTT, least RTT (ms; 0: unknown), rate, delivered, offered (bit/s), queue delay, delay
//            difference, jitter (ms), loss, sent packets, sent bytes, lost, repaired, received packets, received
//            bytes, last received (ms)
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "engine/dataplane.h"

namespace weft::binding {

inline constexpr size_t kMinPolicySize = 20;

std::vector<net::Path> decode_ways(std::span<const uint8_t> bytes);
bond::Policy decode_policy(std::span<const uint8_t> bytes);
std::vector<uint8_t> encode_bond(const engine::DataPlane::BondSnapshot& snapshot);

}  // namespace weft::binding
