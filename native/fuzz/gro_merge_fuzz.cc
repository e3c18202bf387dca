// GroMerger: whatever is pushed, cutting up what was written must give back the same packets, each flow's in order.
// Input: a program. Each step is an opcode byte; its low bits say what packet to push (see make_packet), kRaw pushes
// the bytes that follow as they are, kMutate changes a byte of the packet first, kFlush flushes after it.
#include <cstdlib>
#include <cstring>
#include <list>
#include <map>
#include <string>
#include <vector>

#include "../test/packet_builder.h"
#include "tun/gro_merge.h"
#include "tun/gso_split.h"

namespace {

using weft::load;
using weft::load_be16;
using weft::store;
using weft::test::Bytes;

constexpr uint8_t kV6 = 0x01, kUdp = 0x02, kFlow = 0x0c, kShort = 0x10, kMutate = 0x20, kRaw = 0x40, kFlush = 0x80;
constexpr size_t kMaxPackets = 400;

void require(bool condition) {
  if (!condition) std::abort();
}

struct Sink : weft::tun::TunSink {
  void write(const iovec* iov, int count) override {
    weft::tun::VirtioHeader header;
    require(count >= 2 && iov[0].iov_len == sizeof header);
    std::memcpy(&header, iov[0].iov_base, sizeof header);
    Bytes packet;
    for (int i = 1; i < count; ++i) {
      const auto* p = static_cast<const uint8_t*>(iov[i].iov_base);
      packet.insert(packet.end(), p, p + iov[i].iov_len);
    }
    if (header.flags == 0) {
      packets.push_back(packet);
      return;
    }
    check_kernel_rules(header, packet);
    weft::tun::SegmentPlan plan;
    require(plan.prepare(header, packet.data(), static_cast<uint32_t>(packet.size())));
    for (uint32_t i = 0; i < plan.count(); ++i) plan.write(i, packets.emplace_back(plan.length(i)).data());
  }

  // What a TUN device refuses with EINVAL.
  static void check_kernel_rules(const weft::tun::VirtioHeader& header, const Bytes& packet) {
    require(packet.size() <= 65535);
    require(header.csum_start + header.csum_offset + 2u <= packet.size());
    require(header.hdr_len <= packet.size());
    if (header.gso_type == weft::tun::kGsoNone) return;
    require(header.gso_size != 0);
    require(packet.size() - header.hdr_len > header.gso_size);
    require(packet.size() - header.hdr_len <= 64u * header.gso_size);
  }

  std::vector<Bytes> packets;
};

// Where the transport header of a TCP or UDP packet with a plain IP header is; 0 if the flow cannot be told, and
// `other` set if there is no transport header to look for.
size_t transport_of(const Bytes& p, bool& other) {
  other = false;
  size_t offset = 0;
  uint8_t protocol = 0;
  if (p.size() >= 20 && p[0] == 0x45 && load_be16(&p[2]) == p.size() && (load_be16(&p[6]) & 0x3fff) == 0) {
    offset = 20;
    protocol = p[9];
  } else if (p.size() >= 40 && p[0] >> 4 == 6 && load_be16(&p[4]) + 40u == p.size()) {
    for (const uint8_t extension : {0, 43, 44, 51, 60, 135, 139, 140}) {
      if (p[6] == extension) return 0;
    }
    offset = 40;
    protocol = p[6];
  } else {
    return 0;
  }
  other = protocol != weft::test::kTcp && protocol != weft::test::kUdp;
  if (other) return offset;
  return p.size() >= offset + (protocol == weft::test::kTcp ? 20 : 8) ? offset : 0;
}

// The packets of each flow in order, without what merging may change: IPv4 id and checksums. A packet of unknown flow
// may belong to any, so nothing may pass it: flows start anew behind it.
std::map<std::string, std::vector<Bytes>> by_flow(const std::vector<Bytes>& packets) {
  std::map<std::string, std::vector<Bytes>> flows;
  size_t epoch = 0;
  for (Bytes p : packets) {
    bool other = false;
    const size_t offset = transport_of(p, other);
    std::string key = offset == 0 ? "unknown" : "other";
    if (offset == 0) ++epoch;
    if (offset != 0 && !other) {
      const size_t addresses = offset == 20 ? 12 : 8;
      key.assign(p.begin() + static_cast<ptrdiff_t>(addresses), p.begin() + static_cast<ptrdiff_t>(offset + 4));
      const uint8_t protocol = offset == 20 ? p[9] : p[6];
      key += static_cast<char>(protocol);
      if (offset == 20) store<uint16_t>(&p[4], 0), store<uint16_t>(&p[10], 0);
      uint8_t* checksum = &p[offset + weft::test::checksum_offset(protocol)];
      // A UDP packet without a checksum must stay so.
      if (protocol == weft::test::kTcp || load<uint16_t>(checksum) != 0) store<uint16_t>(checksum, 1);
    }
    flows[std::to_string(epoch) + key].push_back(p);
    if (offset == 0) ++epoch;
  }
  return flows;
}

struct Program {
  const uint8_t* data;
  size_t size;
  uint32_t sequences[16] = {};

  uint8_t next() {
    if (size == 0) return 0;
    --size;
    return *data++;
  }

  Bytes raw() {
    const size_t n = std::min<size_t>(next(), size);
    const Bytes bytes(data, data + n);
    data += n;
    size -= n;
    return bytes;
  }

  // The next segment of one of 16 flows; a short one carries PSH if the flow is odd.
  Bytes make_packet(uint8_t opcode) {
    weft::test::PacketSpec spec;
    const unsigned flow = (opcode & kFlow) >> 2;
    spec.v6 = opcode & kV6;
    spec.protocol = opcode & kUdp ? weft::test::kUdp : weft::test::kTcp;
    spec.source_port = static_cast<uint16_t>(flow);
    uint32_t& sequence = sequences[opcode & 15];
    spec.seq = sequence;
    spec.payload = weft::test::payload(opcode & kShort ? next() : 400 + 3000 * (flow / 3), sequence);
    if (opcode & kShort && flow & 1) spec.flags |= weft::test::kPsh;
    sequence += static_cast<uint32_t>(spec.payload.size());
    return build(spec);
  }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  Program program{data, size};
  const auto offload = static_cast<weft::tun::MergeOffload>(program.next() % 3);
  Sink sink;
  weft::tun::GroMerger merger(sink, offload);
  std::vector<Bytes> pushed;
  std::list<std::vector<uint8_t>> memory;
  while (program.size != 0 && pushed.size() < kMaxPackets) {
    const uint8_t opcode = program.next();
    Bytes packet = opcode & kRaw ? program.raw() : program.make_packet(opcode);
    if (packet.empty()) continue;
    if (opcode & kMutate) {
      const size_t at = program.next() % packet.size();
      packet[at] = static_cast<uint8_t>(packet[at] ^ program.next());
    }
    pushed.push_back(packet);
    auto& kept = memory.emplace_back(packet);
    merger.push(kept.data(), static_cast<uint32_t>(kept.size()));
    if (opcode & kFlush) merger.flush();
  }
  merger.flush();
  require(merger.packets() == pushed.size());
  require(by_flow(sink.packets) == by_flow(pushed));
  return 0;
}
