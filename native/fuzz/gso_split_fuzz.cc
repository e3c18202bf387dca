// SegmentPlan with hostile headers: whatever prepare() accepts must be written within bounds, with payloads conserved.
// Input: a VirtioHeader, then the packet.
#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "tun/gso_split.h"

namespace {

constexpr uint32_t kMaxWrites = 300;

void require(bool condition) {
  if (!condition) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  weft::tun::VirtioHeader header;
  if (size < sizeof header) return 0;
  std::memcpy(&header, data, sizeof header);
  const std::vector<uint8_t> packet(data + sizeof header, data + size);

  weft::tun::SegmentPlan plan;
  if (!plan.prepare(header, packet.data(), static_cast<uint32_t>(packet.size()))) {
    require(plan.reason()[0] != '\0');
    return 0;
  }
  require(plan.count() >= 1);
  uint64_t total = 0;
  for (uint32_t i = 0; i < plan.count(); ++i) {
    require(plan.length(i) >= 20 && plan.length(i) <= packet.size());
    total += plan.length(i);
  }
  std::vector<uint8_t> payloads;
  const bool segmented = (header.gso_type & ~weft::tun::kGsoEcn) != weft::tun::kGsoNone;
  const uint32_t headers = plan.count() > 1 ? plan.length(0) - header.gso_size : plan.length(0);
  require(total <= packet.size() + uint64_t{headers} * (plan.count() - 1));
  for (uint32_t i = 0; i < std::min(plan.count(), kMaxWrites); ++i) {
    std::vector<uint8_t> out(plan.length(i));  // its exact size, so that AddressSanitizer sees the end
    plan.write(i, out.data());
    require(out[0] == packet[0]);
    if (segmented && plan.count() > 1) payloads.insert(payloads.end(), out.begin() + headers, out.end());
  }
  require(std::equal(payloads.begin(), payloads.end(), packet.begin() + headers));
  return 0;
}
