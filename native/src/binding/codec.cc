#include "binding/codec.h"

#include <cstring>

#include "util/bytes.h"

namespace weft::binding {
namespace {

constexpr size_t kHeaderSize = 16;
constexpr size_t kEventSize = 16 + kEndpointSize;
constexpr size_t kAddress = 8;
constexpr size_t kLocalAddress = 24;
constexpr size_t kInterfaceIndex = 40;

void encode_endpoint(const net::Endpoint& e, uint8_t* out) {
  if (!e) return;
  out[0] = e.is_v4() ? 4 : 6;
  store<uint16_t>(out + 2, ntohs(e.is_v4() ? e.v4.sin_port : e.v6.sin6_port));
  if (e.is_v4()) {
    std::memcpy(out + kAddress, &e.v4.sin_addr, 4);
  } else {
    store_le32(out + 4, e.v6.sin6_scope_id);
    std::memcpy(out + kAddress, &e.v6.sin6_addr, 16);
  }
}

size_t padded(size_t length) { return (length + 3) & ~size_t{3}; }

}  // namespace

void encode_path(const net::Path& path, uint8_t* out) {
  encode_endpoint(path.remote, out);
  out[1] = path.source.set ? 1 : 0;
  std::memcpy(out + kLocalAddress, &path.source.v6, path.remote.is_v4() ? 4 : 16);
  store_le32(out + kInterfaceIndex, path.source.interface_index);
}

net::Endpoint decode_endpoint(const uint8_t* bytes) {
  net::Endpoint e;
  const uint16_t port = htons(load<uint16_t>(bytes + 2));
  if (bytes[0] == 4) {
    e.v4.sin_family = AF_INET;
    e.v4.sin_port = port;
    std::memcpy(&e.v4.sin_addr, bytes + kAddress, 4);
  } else {
    e.v6.sin6_family = AF_INET6;
    e.v6.sin6_port = port;
    e.v6.sin6_scope_id = load_le32(bytes + 4);
    std::memcpy(&e.v6.sin6_addr, bytes + kAddress, 16);
  }
  return e;
}

net::Path decode_path(const uint8_t* bytes) {
  net::Path path;
  path.remote = decode_endpoint(bytes);
  path.source.set = bytes[1] != 0;
  path.source.interface_index = load_le32(bytes + kInterfaceIndex);
  std::memcpy(&path.source.v6, bytes + kLocalAddress, path.remote.is_v4() ? 4 : 16);
  return path;
}

std::vector<engine::Prefix> decode_prefixes(std::span<const uint8_t> bytes) {
  std::vector<engine::Prefix> prefixes(bytes.size() / kPrefixSize);
  const uint8_t* p = bytes.data();
  for (engine::Prefix& prefix : prefixes) {
    prefix.family = p[0];
    prefix.length = p[1];
    std::memcpy(prefix.address, p + 2, sizeof prefix.address);
    p += kPrefixSize;
  }
  return prefixes;
}

std::vector<uint8_t> encode_batch(const engine::ControlBatch& batch) {
  size_t size = kHeaderSize + kEventSize * batch.events.size();
  for (const auto& d : batch.datagrams) size += kPathSize + 4 + padded(d.bytes.size());
  std::vector<uint8_t> out(size);
  uint8_t* p = out.data();
  store_le32(p, batch.backlog);
  store_le32(p + 4, static_cast<uint32_t>(batch.events.size()));
  store_le32(p + 8, static_cast<uint32_t>(batch.datagrams.size()));
  store_le32(p + 12, batch.under_load ? 1 : 0);
  p += kHeaderSize;
  for (const engine::Event& event : batch.events) {
    store_le32(p, static_cast<uint32_t>(event.type));
    store_le32(p + 4, event.a);
    store_le32(p + 8, event.b);
    store_le32(p + 12, event.c);
    encode_endpoint(event.endpoint, p + 16);
    p += kEventSize;
  }
  for (const engine::ControlDatagram& d : batch.datagrams) {
    encode_path(d.path, p);
    store_le32(p + kPathSize, static_cast<uint32_t>(d.bytes.size()));
    std::memcpy(p + kPathSize + 4, d.bytes.data(), d.bytes.size());
    p += kPathSize + 4 + padded(d.bytes.size());
  }
  return out;
}

}  // namespace weft::binding
