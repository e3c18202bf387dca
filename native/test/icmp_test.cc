#include "tun/icmp.h"

#include <gtest/gtest.h>

#include "packet_builder.h"

namespace weft::tun {
namespace {

using test::build;
using test::Bytes;
using test::kUdp;
using test::PacketSpec;
using test::payload;

Bytes unreachable(const Bytes& packet) {
  Bytes out(kMaxUnreachableLength);
  out.resize(make_unreachable(packet.data(), static_cast<uint32_t>(packet.size()), out.data()));
  return out;
}

TEST(Icmp, HostUnreachable) {
  const Bytes packet = build({.protocol = kUdp, .payload = payload(100)});
  const Bytes reply = unreachable(packet);
  ASSERT_EQ(reply.size(), 28 + packet.size());
  EXPECT_EQ(reply[0], 0x45);
  EXPECT_EQ(load_be16(reply.data() + 2), reply.size());
  EXPECT_EQ(reply[9], 1);
  EXPECT_EQ(Bytes(reply.begin() + 12, reply.begin() + 16), Bytes(packet.begin() + 16, packet.begin() + 20));
  EXPECT_EQ(Bytes(reply.begin() + 16, reply.begin() + 20), Bytes(packet.begin() + 12, packet.begin() + 16));
  EXPECT_EQ(test::reference_sum(std::span(reply).first(20)), 0xffff);
  EXPECT_EQ(reply[20], 3);
  EXPECT_EQ(reply[21], 1);
  EXPECT_EQ(load_be32(reply.data() + 24), 0u);
  EXPECT_EQ(test::reference_sum(std::span(reply).subspan(20)), 0xffff);
  EXPECT_EQ(Bytes(reply.begin() + 28, reply.end()), packet);
}

TEST(Icmp, AddressUnreachable) {
  const Bytes packet = build({.v6 = true, .payload = payload(100)});
  const Bytes reply = unreachable(packet);
  ASSERT_EQ(reply.size(), 48 + packet.size());
  EXPECT_EQ(reply[0], 0x60);
  EXPECT_EQ(load_be16(reply.data() + 4), reply.size() - 40);
  EXPECT_EQ(reply[6], 58);
  EXPECT_EQ(Bytes(reply.begin() + 8, reply.begin() + 24), Bytes(packet.begin() + 24, packet.begin() + 40));
  EXPECT_EQ(Bytes(reply.begin() + 24, reply.begin() + 40), Bytes(packet.begin() + 8, packet.begin() + 24));
  EXPECT_EQ(reply[40], 1);
  EXPECT_EQ(reply[41], 3);
  EXPECT_EQ(test::reference_transport_sum(reply.data(), 58, std::span(reply).subspan(40)), 0xffff);
  EXPECT_EQ(Bytes(reply.begin() + 48, reply.end()), packet);
}

// RFC 1812 4.3.2.3 and RFC 4443 3.1.
TEST(Icmp, QuotesNoMoreThanFits) {
  EXPECT_EQ(unreachable(build({.payload = payload(1400)})).size(), 576u);
  EXPECT_EQ(unreachable(build({.v6 = true, .payload = payload(1400)})).size(), 1280u);
}

TEST(Icmp, NeverAnswersItsOwnAnswers) {
  for (const bool v6 : {false, true}) EXPECT_TRUE(unreachable(unreachable(build({.v6 = v6}))).empty());
}

Bytes icmp4(uint8_t type) {
  Bytes packet = build({.protocol = kUdp, .payload = payload(20)});
  packet[9] = 1;
  packet[20] = type;
  return packet;
}

TEST(Icmp, AnswersQueriesOnly) {
  for (const uint8_t type : {0, 8, 13, 14}) EXPECT_FALSE(unreachable(icmp4(type)).empty()) << int{type};
  for (const uint8_t type : {3, 4, 5, 11, 12, 200}) EXPECT_TRUE(unreachable(icmp4(type)).empty()) << int{type};
}

TEST(Icmp, AnswersInformationalIpv6Only) {
  Bytes packet = build({.v6 = true, .protocol = kUdp, .payload = payload(20)});
  packet[6] = 58;
  for (const auto& [type, answered] : {std::pair{1, false}, {4, false}, {127, false}, {128, true}, {137, false}}) {
    packet[40] = static_cast<uint8_t>(type);
    EXPECT_EQ(!unreachable(packet).empty(), answered) << type;
  }
}

TEST(Icmp, FindsErrorsBehindExtensionHeaders) {
  const PacketSpec spec = {.v6 = true,
                           .protocol = kUdp,
                           .extension = {44, 0, 1, 4, 0, 0, 0, 0, 58, 0, 0, 1, 0, 0, 0, 9},  // options, first fragment
                           .first_extension = 60,
                           .payload = payload(20)};
  Bytes packet = build(spec);
  packet[56] = 1;
  EXPECT_TRUE(unreachable(packet).empty());
  packet[56] = 128;
  EXPECT_FALSE(unreachable(packet).empty());
  packet[51] = 9;  // a later fragment
  EXPECT_TRUE(unreachable(packet).empty());
}

TEST(Icmp, AnswersFirstFragmentsOnly) {
  EXPECT_FALSE(unreachable(build({.fragment = 0x2000, .payload = payload(8)})).empty());
  EXPECT_TRUE(unreachable(build({.fragment = 0x2001, .payload = payload(8)})).empty());
  EXPECT_TRUE(unreachable(build({.fragment = 0x0001, .payload = payload(8)})).empty());
}

TEST(Icmp, AnswersSingleHostsOnly) {
  const Bytes good = build({});
  const auto with4 = [&](size_t at, uint32_t address) {
    Bytes packet = good;
    store_be32(packet.data() + at, address);
    return !unreachable(packet).empty();
  };
  for (const size_t at : {12, 16}) {
    for (const uint32_t address : {0u, 0x7f000001u, 0xe0000001u, 0xf0000001u, 0xffffffffu}) {
      EXPECT_FALSE(with4(at, address)) << std::hex << address;
    }
    EXPECT_TRUE(with4(at, 0xc0a80001));
  }
  const Bytes good6 = build({.v6 = true});
  for (const size_t at : {8, 24}) {
    Bytes packet = good6;
    std::memset(packet.data() + at, 0, 16);
    EXPECT_TRUE(unreachable(packet).empty());  // unspecified
    packet[at + 15] = 1;
    EXPECT_TRUE(unreachable(packet).empty());  // loopback
    packet[at] = 0xff;
    EXPECT_TRUE(unreachable(packet).empty());  // multicast
    packet[at] = 0xfe;
    EXPECT_FALSE(unreachable(packet).empty());
  }
}

TEST(Icmp, IgnoresWhatIsNoPacket) {
  for (const bool v6 : {false, true}) {
    Bytes packet = build({.v6 = v6});
    packet.resize(v6 ? 39 : 19);
    EXPECT_TRUE(unreachable(packet).empty());
    packet[0] = 0x10;
    EXPECT_TRUE(unreachable(packet).empty());
  }
  Bytes long_header = build({});
  long_header[0] = 0x4f;
  EXPECT_TRUE(unreachable(long_header).empty());
  EXPECT_TRUE(unreachable({}).empty());
  Bytes cut = icmp4(8);
  cut.resize(20);
  EXPECT_TRUE(unreachable(cut).empty());
}

}  // namespace
}  // namespace weft::tun
