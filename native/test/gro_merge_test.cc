#include "tun/gro_merge.h"

#include <gtest/gtest.h>

#include <functional>
#include <list>

#include "packet_builder.h"
#include "tun/gso_split.h"

namespace weft::tun {
namespace {

using test::build;
using test::Bytes;
using test::kAck;
using test::kFin;
using test::kPsh;
using test::kRst;
using test::kSyn;
using test::kTcp;
using test::kUdp;
using test::PacketSpec;
using test::payload;

struct Written {
  VirtioHeader header;
  Bytes packet;

  bool operator==(const Written& other) const {
    return std::memcmp(&header, &other.header, sizeof header) == 0 && packet == other.packet;
  }
};

class GroMerge : public testing::Test, public TunSink {
 protected:
  void write(const iovec* iov, int count) override {
    ASSERT_EQ(iov[0].iov_len, sizeof(VirtioHeader));
    Written& w = written_.emplace_back();
    std::memcpy(&w.header, iov[0].iov_base, sizeof w.header);
    for (int i = 1; i < count; ++i) {
      const auto* p = static_cast<const uint8_t*>(iov[i].iov_base);
      w.packet.insert(w.packet.end(), p, p + iov[i].iov_len);
    }
  }

  void push(const PacketSpec& spec) { push_bytes(build(spec)); }
  void push_bytes(const Bytes& packet) {
    Bytes& kept = memory_.emplace_back(packet);
    merger_.push(kept.data(), static_cast<uint32_t>(kept.size()));
  }

  // Pushes `n` segments of one flow, in order.
  void push_run(PacketSpec& spec, size_t n) {
    for (size_t i = 0; i < n; ++i) {
      push(spec);
      spec.seq += static_cast<uint32_t>(spec.payload.size());
      spec.id++;
    }
  }

  // How many packets each write carries.
  std::vector<uint32_t> sizes() {
    merger_.flush();
    std::vector<uint32_t> counts;
    for (const Written& w : written_) {
      SegmentPlan plan;
      EXPECT_TRUE(plan.prepare(w.header, w.packet.data(), static_cast<uint32_t>(w.packet.size()))) << plan.reason();
      counts.push_back(plan.count());
    }
    return counts;
  }

  GroMerger merger_{*this, MergeOffload::kTcpAndUdp};
  std::vector<Written> written_;
  std::list<Bytes> memory_;
};

using Sizes = std::vector<uint32_t>;

// The kernel's view: cut up what was written.
std::vector<Bytes> resplit(const std::vector<Written>& written) {
  std::vector<Bytes> packets;
  for (const Written& w : written) {
    SegmentPlan plan;
    EXPECT_TRUE(plan.prepare(w.header, w.packet.data(), static_cast<uint32_t>(w.packet.size()))) << plan.reason();
    for (uint32_t i = 0; i < plan.count(); ++i) plan.write(i, packets.emplace_back(plan.length(i)).data());
  }
  return packets;
}

TEST_F(GroMerge, SplitUndoesMerge) {
  for (const uint8_t protocol : {kTcp, kUdp}) {
    for (const bool v6 : {false, true}) {
      written_.clear();
      PacketSpec spec = {.v6 = v6, .protocol = protocol, .tos = 3, .id = 65530, .seq = 0xffffff00};
      if (protocol == kTcp) spec.tcp_options = payload(12);
      std::vector<Bytes> pushed;
      for (size_t i = 0; i < 20; ++i) {
        spec.payload = payload(i < 19 ? 1000 : 501, static_cast<unsigned>(i));
        if (i == 19 && protocol == kTcp) spec.flags |= kPsh;
        pushed.push_back(build(spec));
        push(spec);
        spec.seq += 1000;
        spec.id++;
      }
      merger_.flush();
      ASSERT_EQ(written_.size(), 1u);
      EXPECT_EQ(resplit(written_), pushed);
    }
  }
}

TEST_F(GroMerge, MergeUndoesSplit) {
  for (const uint8_t protocol : {kTcp, kUdp}) {
    for (const bool v6 : {false, true}) {
      written_.clear();
      const PacketSpec spec = {.v6 = v6, .protocol = protocol, .payload = payload(61000)};
      Written super = {{.flags = kNeedsCsum,
                        .gso_type = protocol == kUdp ? kGsoUdpL4
                                    : v6             ? kGsoTcp6
                                                     : kGsoTcp4,
                        .hdr_len = static_cast<uint16_t>(header_length(spec)),
                        .gso_size = 1348,
                        .csum_start = static_cast<uint16_t>(transport_offset(spec)),
                        .csum_offset = static_cast<uint16_t>(test::checksum_offset(protocol))},
                       build(spec)};
      unfinish(spec, super.packet);
      for (const Bytes& packet : resplit({super})) push_bytes(packet);
      merger_.flush();
      ASSERT_EQ(written_.size(), 1u);
      EXPECT_EQ(written_[0], super);
    }
  }
}

TEST_F(GroMerge, SinglePacketsCarryASeed) {
  for (const uint8_t protocol : {kTcp, kUdp}) {
    for (const bool v6 : {false, true}) {
      written_.clear();
      const PacketSpec spec = {.v6 = v6, .protocol = protocol, .payload = payload(100)};
      push(spec);
      merger_.flush();
      ASSERT_EQ(written_.size(), 1u);
      Bytes expected = build(spec);
      unfinish(spec, expected);
      EXPECT_EQ(written_[0].packet, expected);
      EXPECT_EQ(written_[0].header.flags, kNeedsCsum);
      EXPECT_EQ(written_[0].header.gso_type, kGsoNone);
      EXPECT_EQ(written_[0].header.csum_start, transport_offset(spec));
      EXPECT_EQ(written_[0].header.csum_offset, test::checksum_offset(protocol));
      EXPECT_EQ(resplit(written_)[0], build(spec));
    }
  }
}

TEST_F(GroMerge, PureAcknowledgementsAndControlPacketsDoNotMergeButCarryASeed) {
  PacketSpec spec;
  for (const uint8_t flags : {uint8_t{kAck}, kSyn, uint8_t{kSyn | kAck}, uint8_t{kFin | kAck}, uint8_t{kRst | kAck}}) {
    spec.flags = flags;
    push(spec);
  }
  EXPECT_EQ(sizes(), Sizes(5, 1));
  for (const Written& w : written_) EXPECT_EQ(w.header.flags, kNeedsCsum);
}

TEST_F(GroMerge, PushClosesAtOnce) {
  PacketSpec spec = {.payload = payload(100)};
  push_run(spec, 2);
  EXPECT_TRUE(written_.empty());
  spec.flags |= kPsh;
  push_run(spec, 1);
  EXPECT_EQ(written_.size(), 1u);
  push_run(spec, 1);  // alone, and closed as well
  EXPECT_EQ(written_.size(), 2u);
  EXPECT_EQ(sizes(), (Sizes{3, 1}));
}

TEST_F(GroMerge, ShortSegmentClosesAtOnce) {
  PacketSpec spec = {.payload = payload(100)};
  push_run(spec, 2);
  spec.payload = payload(99);
  push_run(spec, 1);
  EXPECT_EQ(written_.size(), 1u);
  push_run(spec, 1);
  EXPECT_EQ(sizes(), (Sizes{3, 1}));
}

TEST_F(GroMerge, LongerSegmentStartsAnew) {
  PacketSpec spec = {.payload = payload(100)};
  push_run(spec, 2);
  spec.payload = payload(101);
  push_run(spec, 2);
  EXPECT_EQ(sizes(), (Sizes{2, 2}));
}

TEST_F(GroMerge, AtMostSixtyFourSegments) {
  for (const uint8_t protocol : {kTcp, kUdp}) {
    written_.clear();
    PacketSpec spec = {.protocol = protocol, .payload = payload(10)};
    push_run(spec, 130);
    EXPECT_EQ(sizes(), (Sizes{64, 64, 2}));
  }
}

TEST_F(GroMerge, AtMostTheLongestIpPacket) {
  for (const bool v6 : {false, true}) {
    written_.clear();
    PacketSpec spec = {.v6 = v6, .payload = payload(8000)};
    push_run(spec, 9);
    EXPECT_EQ(sizes(), (Sizes{8, 1}));
  }
  written_.clear();
  PacketSpec exact = {.payload = payload((65535 - 40) / 5)};  // 5 * 13,099 + 40 = 65,535
  push_run(exact, 6);
  EXPECT_EQ(sizes(), (Sizes{5, 1}));
  EXPECT_EQ(written_[0].packet.size(), 65535u);
  written_.clear();
  PacketSpec over = {.v6 = true, .payload = payload(13096)};  // 5 * 13,096 + 60 = 65,540
  push_run(over, 5);
  EXPECT_EQ(sizes(), (Sizes{4, 1}));
}

// Each difference must keep the second packet out of the first one's super-packet.
TEST_F(GroMerge, WhatMustBeEqual) {
  const std::vector<std::function<void(PacketSpec&)>> changes = {
      [](PacketSpec& s) { s.tos = 1; },       [](PacketSpec& s) { s.ttl--; },
      [](PacketSpec& s) { s.source++; },      [](PacketSpec& s) { s.destination++; },
      [](PacketSpec& s) { s.source_port++; }, [](PacketSpec& s) { s.destination_port++; },
  };
  const std::vector<std::function<void(PacketSpec&)>> tcp_changes = {
      [](PacketSpec& s) { s.seq++; },
      [](PacketSpec& s) { s.seq--; },
      [](PacketSpec& s) { s.ack++; },
      [](PacketSpec& s) { s.window++; },
      [](PacketSpec& s) { s.flags |= 0x20; },
      [](PacketSpec& s) { s.flags |= 0x40; },
      [](PacketSpec& s) { s.tcp_options[3]++; },
      [](PacketSpec& s) { s.tcp_options.resize(8); },
      [](PacketSpec& s) { s.tcp_options.resize(16); },
  };
  for (const bool v6 : {false, true}) {
    for (const uint8_t protocol : {kTcp, kUdp}) {
      auto all = changes;
      if (protocol == kTcp) all.insert(all.end(), tcp_changes.begin(), tcp_changes.end());
      if (v6) {
        all.emplace_back([](PacketSpec& s) { s.flow_label++; });
      } else {
        all.emplace_back([](PacketSpec& s) { s.fragment = 0; });
      }
      for (size_t i = 0; i < all.size(); ++i) {
        written_.clear();
        PacketSpec spec = {.v6 = v6, .protocol = protocol, .payload = payload(100)};
        if (protocol == kTcp) spec.tcp_options = payload(12);
        push_run(spec, 1);
        all[i](spec);
        push(spec);
        EXPECT_EQ(sizes(), (Sizes{1, 1})) << "change " << i << (v6 ? " IPv6 " : " IPv4 ") << int{protocol};
      }
    }
  }
}

TEST_F(GroMerge, SixteenFlowsStayOpen) {
  std::vector<PacketSpec> flows(16, PacketSpec{.payload = payload(100)});
  for (size_t f = 0; f < flows.size(); ++f) flows[f].source_port = static_cast<uint16_t>(f);
  for (int round = 0; round < 10; ++round) {
    for (PacketSpec& flow : flows) push_run(flow, 1);
  }
  EXPECT_TRUE(written_.empty());
  EXPECT_EQ(sizes(), Sizes(16, 10));
  EXPECT_EQ(merger_.packets(), 160u);
  EXPECT_EQ(merger_.writes(), 16u);
}

TEST_F(GroMerge, ASeventeenthFlowTakesTheSlotOfOneWritten) {
  for (uint16_t port = 0; port < 17; ++port) push({.source_port = port, .payload = payload(100)});
  ASSERT_EQ(written_.size(), 1u);
  EXPECT_EQ(sizes(), Sizes(17, 1));
}

TEST_F(GroMerge, AnUnmergeablePacketFollowsItsFlow) {
  PacketSpec other = {.source_port = 9, .payload = payload(100)};
  push_run(other, 1);
  PacketSpec spec = {.payload = payload(100)};
  push_run(spec, 2);
  push({.seq = spec.seq, .flags = kAck | kFin});
  ASSERT_EQ(written_.size(), 2u);  // the other flow stays open
  EXPECT_EQ(written_[0].header.gso_size, 100);
  EXPECT_EQ(written_[1].packet[33], kAck | kFin);
  EXPECT_EQ(sizes(), (Sizes{2, 1, 1}));
}

TEST_F(GroMerge, UnknownFlowsCloseEverything) {
  Bytes extension = {kTcp, 0, 1, 4, 0, 0, 0, 0};
  Bytes padded = build({.payload = payload(10)});
  padded.push_back(0);
  const std::vector<Bytes> unknown = {
      build({.fragment = 0x2000, .payload = payload(100)}),
      build({.fragment = 0x0010, .payload = payload(100)}),
      build({.ip_options = {1, 1, 1, 0}, .payload = payload(100)}),
      build({.v6 = true, .extension = extension, .first_extension = 60, .payload = payload(100)}),
      padded,
      Bytes(20, 0x45),
  };
  for (size_t i = 0; i < unknown.size(); ++i) {
    written_.clear();
    for (uint16_t port = 0; port < 3; ++port) push({.source_port = port, .payload = payload(100)});
    push_bytes(unknown[i]);
    ASSERT_EQ(written_.size(), 4u) << i;
    EXPECT_EQ(written_[3], (Written{{}, unknown[i]})) << i;
  }
}

TEST_F(GroMerge, OtherProtocolsPassWithoutClosingAnything) {
  push({.payload = payload(100)});
  Bytes echo = build({.protocol = kUdp, .payload = payload(100)});
  echo[9] = 1;
  push_bytes(echo);
  ASSERT_EQ(written_.size(), 1u);
  EXPECT_EQ(written_[0], (Written{{}, echo}));
}

TEST_F(GroMerge, UdpWithoutChecksumStaysSo) {
  PacketSpec spec = {.protocol = kUdp, .payload = payload(100)};
  push_run(spec, 2);
  Bytes none = build(spec);
  store_be16(none.data() + 26, 0);
  push_bytes(none);
  push_bytes(none);
  push_run(spec, 1);
  EXPECT_EQ(sizes(), (Sizes{2, 1, 1, 1}));
  EXPECT_EQ(written_[1], (Written{{}, none}));
  EXPECT_EQ(written_[2], (Written{{}, none}));
}

TEST_F(GroMerge, UdpWithAWrongLengthPassesUntouched) {
  PacketSpec spec = {.protocol = kUdp, .payload = payload(100)};
  push(spec);
  Bytes wrong = build(spec);
  store_be16(wrong.data() + 24, 90);
  push_bytes(wrong);
  ASSERT_EQ(written_.size(), 2u);
  EXPECT_EQ(written_[1], (Written{{}, wrong}));
}

TEST_F(GroMerge, TcpWithAWrongDataOffsetPassesUntouched) {
  for (const uint8_t offset : {0x40, 0xf0}) {
    written_.clear();
    push({.payload = payload(10)});
    Bytes wrong = build({.payload = payload(10)});
    wrong[32] = offset;
    push_bytes(wrong);
    ASSERT_EQ(written_.size(), 2u);
    EXPECT_EQ(written_[1], (Written{{}, wrong}));
  }
}

TEST_F(GroMerge, MergesOnlyWhatTheDeviceAccepts) {
  for (const MergeOffload offload : {MergeOffload::kNone, MergeOffload::kTcp}) {
    for (const uint8_t protocol : {kTcp, kUdp}) {
      written_.clear();
      GroMerger merger(*this, offload);
      PacketSpec spec = {.protocol = protocol, .payload = payload(100)};
      std::list<Bytes> memory;
      for (int i = 0; i < 3; ++i) {
        Bytes& packet = memory.emplace_back(build(spec));
        merger.push(packet.data(), static_cast<uint32_t>(packet.size()));
        spec.seq += 100;
      }
      merger.flush();
      const bool merges = offload == MergeOffload::kTcp && protocol == kTcp;
      EXPECT_EQ(sizes(), merges ? Sizes{3} : Sizes(3, 1));
    }
  }
}

}  // namespace
}  // namespace weft::tun
