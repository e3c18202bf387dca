// make_unreachable() with any packet: within bounds, checksums right, never answered itself. Input: the packet.
#include <cstdlib>
#include <vector>

#include "../test/packet_builder.h"
#include "tun/icmp.h"

namespace {

void require(bool condition) {
  if (!condition) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::vector<uint8_t> packet(data, data + size);
  std::vector<uint8_t> out(weft::tun::kMaxUnreachableLength);
  const uint32_t n = weft::tun::make_unreachable(packet.data(), static_cast<uint32_t>(packet.size()), out.data());
  require(n <= out.size());
  if (n == 0) return 0;
  out.resize(n);
  const bool v4 = out[0] >> 4 == 4;
  const auto icmp = std::span(out).subspan(v4 ? 20 : 40);
  if (v4) {
    require(weft::test::reference_sum(std::span(out).first(20)) == 0xffff);
    require(weft::test::reference_sum(icmp) == 0xffff);
  } else {
    require(weft::test::reference_transport_sum(out.data(), 58, icmp) == 0xffff);
  }
  require(std::equal(icmp.begin() + 8, icmp.end(), packet.begin()));
  std::vector<uint8_t> again(weft::tun::kMaxUnreachableLength);
  require(weft::tun::make_unreachable(out.data(), n, again.data()) == 0);
  return 0;
}
