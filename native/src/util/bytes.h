// Unaligned loads and stores in a named byte order.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>

namespace weft {

static_assert(std::endian::native == std::endian::little, "weft supports little-endian machines only");

template <typename T>
inline T load(const void* p) {
  T v;
  std::memcpy(&v, p, sizeof v);
  return v;
}

template <typename T>
inline void store(void* p, T v) {
  std::memcpy(p, &v, sizeof v);
}

inline uint16_t load_be16(const void* p) { return __builtin_bswap16(load<uint16_t>(p)); }
inline uint32_t load_be32(const void* p) { return __builtin_bswap32(load<uint32_t>(p)); }
inline uint32_t load_le32(const void* p) { return load<uint32_t>(p); }
inline uint64_t load_le64(const void* p) { return load<uint64_t>(p); }
inline void store_be16(void* p, uint16_t v) { store<uint16_t>(p, __builtin_bswap16(v)); }
inline void store_be32(void* p, uint32_t v) { store<uint32_t>(p, __builtin_bswap32(v)); }
inline void store_le32(void* p, uint32_t v) { store<uint32_t>(p, v); }
inline void store_le64(void* p, uint64_t v) { store<uint64_t>(p, v); }

}  // namespace weft
