// What splitting and merging super-packets costs: cycles (of the time stamp counter) a byte of payload, the median over
// many rounds on packets in cache. The sums are measured too, for what they are compared with: a copy and a separate
// sum.
#include <x86intrin.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <vector>

#include "../test/packet_builder.h"
#include "tun/checksum.h"
#include "tun/gro_merge.h"
#include "tun/gso_split.h"

namespace {

using weft::test::Bytes;
using weft::test::PacketSpec;

constexpr int kRounds = 4001;

template <typename F>
void measure(const char* name, size_t bytes, F work) {
  std::vector<uint64_t> rounds(kRounds);
  for (uint64_t& round : rounds) {
    const uint64_t start = __rdtsc();
    work();
    _mm_lfence();
    round = __rdtsc() - start;
  }
  std::nth_element(rounds.begin(), rounds.begin() + kRounds / 2, rounds.end());
  std::printf("%-34s %.4f\n", name, static_cast<double>(rounds[kRounds / 2]) / static_cast<double>(bytes));
}

struct Sink : weft::tun::TunSink {
  void write(const iovec*, int) override {}
};

void sums() {
  constexpr size_t kLength = 1368;
  constexpr size_t kCount = 44;
  const Bytes source = weft::test::payload(kLength * kCount);
  Bytes target(source.size());
  volatile uint64_t sink = 0;
  const auto each = [&](auto f) {
    for (size_t i = 0; i < kCount; ++i) sink = f(target.data() + i * kLength, source.data() + i * kLength);
  };
  using namespace weft::tun;
  measure("memcpy", source.size(),
          [&] { each([](auto* d, auto* s) { return std::memcpy(d, s, kLength) != nullptr; }); });
  measure("sum", source.size(), [&] { each([](auto*, auto* s) { return checksum_add(s, kLength); }); });
  measure("sum, portable", source.size(),
          [&] { each([](auto*, auto* s) { return checksum_add_portable(s, kLength, 0); }); });
  measure("sum while copying", source.size(),
          [&] { each([](auto* d, auto* s) { return checksum_copy(d, s, kLength); }); });
  measure("memcpy, then sum", source.size(), [&] {
    each([](auto* d, auto* s) {
      std::memcpy(d, s, kLength);
      return checksum_add(d, kLength);
    });
  });
}

void split_and_merge(const char* name, const PacketSpec& spec, uint16_t gso_size) {
  Bytes packet = build(spec);
  unfinish(spec, packet);
  const bool tcp = spec.protocol == weft::test::kTcp;
  const weft::tun::VirtioHeader header = {
      .flags = weft::tun::kNeedsCsum,
      .gso_type = !tcp      ? weft::tun::kGsoUdpL4
                  : spec.v6 ? weft::tun::kGsoTcp6
                            : weft::tun::kGsoTcp4,
      .hdr_len = 0,
      .gso_size = gso_size,
      .csum_start = static_cast<uint16_t>(transport_offset(spec)),
      .csum_offset = static_cast<uint16_t>(weft::test::checksum_offset(spec.protocol))};
  weft::tun::SegmentPlan plan;
  if (!plan.prepare(header, packet.data(), static_cast<uint32_t>(packet.size()))) return;
  const size_t stride = plan.length(0) + 32;
  Bytes segments(stride * plan.count());
  const auto split = [&] {
    plan.prepare(header, packet.data(), static_cast<uint32_t>(packet.size()));
    for (uint32_t i = 0; i < plan.count(); ++i) plan.write(i, segments.data() + i * stride);
  };
  Sink sink;
  weft::tun::GroMerger merger(sink, weft::tun::MergeOffload::kTcpAndUdp);
  const auto merge = [&] {
    for (uint32_t i = 0; i < plan.count(); ++i) merger.push(segments.data() + i * stride, plan.length(i));
    merger.flush();
  };
  char label[64];
  std::snprintf(label, sizeof label, "split %s", name);
  measure(label, spec.payload.size(), split);
  // Merging rewrites the first header, so each round needs fresh segments: the difference is what merging costs.
  std::snprintf(label, sizeof label, "split and merge %s", name);
  measure(label, spec.payload.size(), [&] { split(), merge(); });
}

}  // namespace

int main() {
  using weft::test::kUdp;
  using weft::test::payload;
  sums();
  split_and_merge("TCP/IPv4, 44 x 1368", {.tcp_options = payload(12), .payload = payload(44 * 1368)}, 1368);
  split_and_merge("TCP/IPv6, 44 x 1348", {.v6 = true, .tcp_options = payload(12), .payload = payload(44 * 1348)}, 1348);
  split_and_merge("UDP/IPv4, 44 x 1392", {.protocol = kUdp, .payload = payload(44 * 1392)}, 1392);
  split_and_merge("UDP/IPv4, 64 x 64", {.protocol = kUdp, .payload = payload(64 * 64)}, 64);
}
