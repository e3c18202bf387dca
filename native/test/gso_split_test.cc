#include "tun/gso_split.h"

#include <gtest/gtest.h>

#include <string>

#include "packet_builder.h"

namespace weft::tun {
namespace {

using test::build;
using test::Bytes;
using test::kAck;
using test::kCwr;
using test::kFin;
using test::kPsh;
using test::kTcp;
using test::kUdp;
using test::PacketSpec;
using test::payload;

VirtioHeader gso_header(const PacketSpec& spec, uint16_t gso_size) {
  const uint8_t type = spec.protocol == kUdp ? kGsoUdpL4 : spec.v6 ? kGsoTcp6 : kGsoTcp4;
  return {.flags = kNeedsCsum,
          .gso_type = type,
          .hdr_len = 0,  // a hint that must not be used
          .gso_size = gso_size,
          .csum_start = static_cast<uint16_t>(transport_offset(spec)),
          .csum_offset = static_cast<uint16_t>(test::checksum_offset(spec.protocol))};
}

std::vector<Bytes> split(const VirtioHeader& header, const Bytes& packet) {
  SegmentPlan plan;
  std::vector<Bytes> segments;
  if (!plan.prepare(header, packet.data(), static_cast<uint32_t>(packet.size()))) {
    ADD_FAILURE() << plan.reason();
    return segments;
  }
  for (uint32_t i = 0; i < plan.count(); ++i) plan.write(i, segments.emplace_back(plan.length(i)).data());
  return segments;
}

std::string refusal(const VirtioHeader& header, const Bytes& packet) {
  SegmentPlan plan;
  return plan.prepare(header, packet.data(), static_cast<uint32_t>(packet.size())) ? "" : plan.reason();
}

// What the stack would have sent without segmentation offload.
std::vector<Bytes> expected_segments(PacketSpec spec, size_t gso_size) {
  const Bytes all = spec.payload;
  const uint8_t flags = spec.flags;
  std::vector<Bytes> segments;
  for (size_t at = 0; at < all.size(); at += gso_size) {
    const size_t n = std::min(gso_size, all.size() - at);
    spec.payload.assign(all.begin() + static_cast<ptrdiff_t>(at), all.begin() + static_cast<ptrdiff_t>(at + n));
    spec.flags = flags;
    if (at != 0) spec.flags &= static_cast<uint8_t>(~kCwr);
    if (at + n != all.size()) spec.flags &= static_cast<uint8_t>(~(kFin | kPsh));
    segments.push_back(build(spec));
    spec.id++;
    spec.seq += static_cast<uint32_t>(n);
  }
  return segments;
}

void expect_split(const PacketSpec& spec, uint16_t gso_size) {
  Bytes packet = build(spec);
  unfinish(spec, packet);
  EXPECT_EQ(split(gso_header(spec, gso_size), packet), expected_segments(spec, gso_size));
}

TEST(GsoSplit, Tcp) {
  for (const bool v6 : {false, true}) {
    for (const size_t n : {1, 1000, 1001, 2000, 61000}) {
      expect_split({.v6 = v6, .id = 0xfffe, .seq = 0xfffff000, .flags = kAck | kPsh, .payload = payload(n)}, 1000);
    }
  }
}

TEST(GsoSplit, Udp) {
  for (const bool v6 : {false, true}) {
    for (const size_t n : {1, 500, 501, 64000}) {
      expect_split({.v6 = v6, .protocol = kUdp, .id = 7, .payload = payload(n)}, 500);
    }
  }
}

TEST(GsoSplit, OddSegmentSize) { expect_split({.payload = payload(5000, 5)}, 333); }

TEST(GsoSplit, TcpOptionsComeFromTheDataOffset) {
  expect_split({.tcp_options = payload(12, 1), .payload = payload(3000)}, 1388);
}

TEST(GsoSplit, IpOptionsAndExtensionHeaders) {
  expect_split({.ip_options = {1, 1, 1, 0}, .payload = payload(3000)}, 1388);
  Bytes destination_options = {kTcp, 0, 1, 4, 0, 0, 0, 0};
  expect_split({.v6 = true, .extension = destination_options, .first_extension = 60, .payload = payload(3000)}, 1380);
}

// FIN and PSH belong to the last segment, CWR to the first (RFC 3168 6.1.2).
TEST(GsoSplit, FlagsOnTheRightSegment) {
  const PacketSpec spec = {.flags = kAck | kPsh | kFin | kCwr, .payload = payload(300)};
  Bytes packet = build(spec);
  unfinish(spec, packet);
  VirtioHeader header = gso_header(spec, 100);
  header.gso_type |= kGsoEcn;
  const auto segments = split(header, packet);
  ASSERT_EQ(segments.size(), 3u);
  EXPECT_EQ(segments[0][33], kAck | kCwr);
  EXPECT_EQ(segments[1][33], kAck);
  EXPECT_EQ(segments[2][33], kAck | kPsh | kFin);
  for (const Bytes& s : segments) EXPECT_TRUE(test::checksums_right(s, 20, kTcp));
}

TEST(GsoSplit, PlainPacketIsCopied) {
  Bytes packet = build({.payload = payload(100)});
  packet[36] ^= 0xff;  // a wrong checksum stays
  EXPECT_EQ(split({}, packet), std::vector<Bytes>{packet});
}

TEST(GsoSplit, BytesPastTheIpLengthAreCut) {
  const Bytes packet = build({.payload = payload(100)});
  Bytes longer = packet;
  longer.resize(packet.size() + 6);
  EXPECT_EQ(split({}, longer), std::vector<Bytes>{packet});
}

TEST(GsoSplit, ChecksumOfASinglePacketIsFinished) {
  for (const uint8_t protocol : {kTcp, kUdp}) {
    const PacketSpec spec = {.protocol = protocol, .payload = payload(1001)};
    Bytes packet = build(spec);
    unfinish(spec, packet);
    VirtioHeader header = gso_header(spec, 0);
    header.gso_type = kGsoNone;
    EXPECT_EQ(split(header, packet), std::vector<Bytes>{build(spec)});
  }
}

// RFC 768: zero would mean that there is no checksum.
TEST(GsoSplit, UdpChecksumIsNeverZero) {
  PacketSpec spec = {.protocol = kUdp, .payload = {0, 0}};
  const Bytes first = build(spec);
  store_be16(spec.payload.data(), load_be16(first.data() + 26));  // adds what is missing to 0xffff
  ASSERT_EQ(load_be16(build(spec).data() + 26), 0xffff);
  Bytes packet = build(spec);
  unfinish(spec, packet);
  VirtioHeader header = gso_header(spec, 2);
  for (const uint8_t type : {kGsoNone, kGsoUdpL4}) {
    header.gso_type = type;
    const auto segments = split(header, packet);
    ASSERT_EQ(segments.size(), 1u);
    EXPECT_EQ(load_be16(segments[0].data() + 26), 0xffff);
  }
}

TEST(GsoSplit, WritesInAnyOrder) {
  const PacketSpec spec = {.payload = payload(3000)};
  Bytes packet = build(spec);
  unfinish(spec, packet);
  SegmentPlan plan;
  ASSERT_TRUE(plan.prepare(gso_header(spec, 1000), packet.data(), static_cast<uint32_t>(packet.size())));
  const auto expected = expected_segments(spec, 1000);
  for (const uint32_t i : {2u, 0u, 1u}) {
    Bytes segment(plan.length(i));
    plan.write(i, segment.data());
    EXPECT_EQ(segment, expected[i]);
  }
}

TEST(GsoSplit, RefusesBadIpHeaders) {
  const Bytes v4 = build({.payload = payload(10)});
  EXPECT_EQ(refusal({}, Bytes(v4.begin(), v4.begin() + 19)), "shorter than an IP header");
  EXPECT_EQ(refusal({}, Bytes(v4.begin(), v4.end() - 1)), "shorter than its IP length");
  const Bytes v6 = build({.v6 = true, .payload = payload(10)});
  EXPECT_EQ(refusal({}, Bytes(v6.begin(), v6.begin() + 39)), "shorter than an IP header");
  EXPECT_EQ(refusal({}, Bytes(v6.begin(), v6.end() - 1)), "shorter than its IP length");
  Bytes packet = v4;
  packet[0] = 0x55;
  EXPECT_EQ(refusal({}, packet), "neither IPv4 nor IPv6");
  packet[0] = 0x44;
  EXPECT_EQ(refusal({}, packet), "IP header length");
  packet[0] = 0x4f;
  EXPECT_EQ(refusal({}, packet), "IP header length");
}

TEST(GsoSplit, RefusesBadOffloadHeaders) {
  const PacketSpec spec = {.payload = payload(3000)};
  const Bytes packet = build(spec);
  const VirtioHeader good = gso_header(spec, 1000);
  ASSERT_EQ(refusal(good, packet), "");
  const auto with = [&](auto change) {
    VirtioHeader header = good;
    change(header);
    return refusal(header, packet);
  };
  EXPECT_EQ(with([](VirtioHeader& h) { h.gso_size = 0; }), "segment size 0");
  EXPECT_EQ(with([](VirtioHeader& h) { h.flags = 0; }), "segmentation without checksum offload");
  EXPECT_EQ(with([](VirtioHeader& h) { h.gso_type = kGsoTcp6; }), "segmentation type");
  EXPECT_EQ(with([](VirtioHeader& h) { h.gso_type = 3; }), "segmentation type");
  EXPECT_EQ(with([](VirtioHeader& h) { h.csum_offset = 6; }), "checksum offset");
  EXPECT_EQ(with([](VirtioHeader& h) { h.csum_start = 24; }), "transport header not after the IPv4 header");
  EXPECT_EQ(with([](VirtioHeader& h) { h.csum_start = 65000; }), "transport header past the end");
  EXPECT_EQ(with([](VirtioHeader& h) { h.gso_type = kGsoUdpL4, h.csum_offset = 6; }), "protocol");
  const auto single = [&](uint16_t start, uint16_t offset) {
    return with([&](VirtioHeader& h) { h.gso_type = kGsoNone, h.csum_start = start, h.csum_offset = offset; });
  };
  EXPECT_EQ(single(10, 16), "checksum starts within the IP header");
  EXPECT_EQ(single(20, 3019), "checksum past the end");
  EXPECT_EQ(single(65535, 65535), "checksum past the end");
}

TEST(GsoSplit, RefusesBadTransportHeaders) {
  const PacketSpec spec = {.payload = payload(10)};
  const VirtioHeader header = gso_header(spec, 4);
  Bytes packet = build(spec);
  packet[32] = 0x40;
  EXPECT_EQ(refusal(header, packet), "TCP data offset");
  packet[32] = 0xf0;
  EXPECT_EQ(refusal(header, packet), "TCP data offset");
  EXPECT_EQ(refusal(header, build({.fragment = 0x2000, .payload = payload(10)})), "segmentation of a fragment");
}

}  // namespace
}  // namespace weft::tun
