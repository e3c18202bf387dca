// decapsulate_ecn(): touches the ECN field and the IPv4 header checksum only, and keeps a right checksum right.
// Input: the outer field, then the packet.
#include <cstdlib>
#include <vector>

#include "../test/packet_builder.h"
#include "net/ecn.h"

namespace {

void require(bool condition) {
  if (!condition) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 1 + 20) return 0;
  const uint8_t outer = data[0];
  std::vector<uint8_t> packet(data + 1, data + size);
  const bool v6 = packet[0] >> 4 == 6;
  if (v6 && packet.size() < 40) return 0;
  const std::vector<uint8_t> before = packet;
  const uint8_t inner = weft::net::inner_ecn(packet.data());
  const bool keep = weft::net::decapsulate_ecn(packet.data(), outer);
  require(keep == !((outer & 3) == weft::net::kCe && inner == weft::net::kNotEct));
  if (!keep) {
    require(packet == before);
    return 0;
  }
  const uint8_t result = weft::net::inner_ecn(packet.data());
  require(inner == weft::net::kNotEct ? result == inner : result != weft::net::kNotEct);
  if ((outer & 3) == weft::net::kCe) require(result == weft::net::kCe);

  const auto sum = [](const std::vector<uint8_t>& p) { return weft::test::reference_sum(std::span(p).first(20)); };
  if (!v6) require((sum(before) == 0xffff) == (sum(packet) == 0xffff));
  const uint8_t mask = v6 ? 0x30 : 0x03;
  packet[1] = static_cast<uint8_t>((packet[1] & ~mask) | (before[1] & mask));
  if (!v6) std::memcpy(packet.data() + 10, before.data() + 10, 2);
  require(packet == before);
  return 0;
}
