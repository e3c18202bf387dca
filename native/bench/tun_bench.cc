// What splitting and merging super-packets costs, on packets in cache. The sums are measured too, for what they are
// compared with: a copy and a separate sum. Writes JSON to stdout.
#include <cstdio>
#include <cstring>
#include <string>

#include "../test/packet_builder.h"
#include "measure.h"
#include "tun/checksum.h"
#include "tun/gro_merge.h"
#include "tun/gso_split.h"

namespace {

using weft::bench::keep;
using weft::bench::Report;
using weft::test::Bytes;
using weft::test::PacketSpec;

struct Sink : weft::tun::TunSink {
  void write(const iovec*, int) override {}
};

void sums(Report& report) {
  constexpr size_t kLength = 1368;
  constexpr size_t kCount = 44;
  const Bytes source = weft::test::payload(kLength * kCount);
  Bytes target(source.size());
  const auto each = [&](auto f) {
    for (size_t i = 0; i < kCount; ++i) keep(f(target.data() + i * kLength, source.data() + i * kLength));
  };
  using namespace weft::tun;
  report.per_byte("memcpy", source.size(),
                  [&] { each([](auto* d, auto* s) { return std::memcpy(d, s, kLength) != nullptr; }); });
  report.per_byte("sum", source.size(), [&] { each([](auto*, auto* s) { return checksum_add(s, kLength); }); });
  report.per_byte("sum, portable", source.size(),
                  [&] { each([](auto*, auto* s) { return checksum_add_portable(s, kLength, 0); }); });
  report.per_byte("sum while copying", source.size(),
                  [&] { each([](auto* d, auto* s) { return checksum_copy(d, s, kLength); }); });
  report.per_byte("memcpy, then sum", source.size(), [&] {
    each([](auto* d, auto* s) {
      std::memcpy(d, s, kLength);
      return checksum_add(d, kLength);
    });
  });
}

void split_and_merge(Report& report, const std::string& name, const PacketSpec& spec, uint16_t gso_size) {
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
  report.per_byte("split " + name, spec.payload.size(), split);
  // Merging rewrites the first header, so each round needs fresh segments: the difference is what merging costs.
  report.per_byte("split and merge " + name, spec.payload.size(), [&] { split(), merge(); });
}

}  // namespace

int main() {
  using weft::test::kUdp;
  using weft::test::payload;
  Report report;
  sums(report);
  split_and_merge(report, "TCP/IPv4, 44 x 1368", {.tcp_options = payload(12), .payload = payload(44 * 1368)}, 1368);
  split_and_merge(report, "TCP/IPv6, 44 x 1348",
                  {.v6 = true, .tcp_options = payload(12), .payload = payload(44 * 1348)}, 1348);
  split_and_merge(report, "UDP/IPv4, 44 x 1392", {.protocol = kUdp, .payload = payload(44 * 1392)}, 1392);
  split_and_merge(report, "UDP/IPv4, 64 x 64", {.protocol = kUdp, .payload = payload(64 * 64)}, 64);
}
