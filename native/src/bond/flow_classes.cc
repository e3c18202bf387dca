#include "bond/flow_classes.h"

#include <algorithm>

#include "util/bytes.h"
#include "util/clock.h"

namespace weft::bond {
namespace {

constexpr uint8_t kTcp = 6;
constexpr uint8_t kUdp = 17;
constexpr uint8_t kDscpExpeditedForwarding = 46;
constexpr uint8_t kTcpSyn = 0x02;

constexpr uint32_t kSparseBytes = 30'000;
constexpr uint32_t kSmallPacket = 200;
constexpr uint64_t kSilenceNs = 500 * kNanosPerMilli;

uint64_t mix(uint64_t hash, uint64_t value) {
  hash = (hash ^ value) * 0x9E3779B97F4A7C15ull;
  return hash ^ (hash >> 29);
}

}  // namespace

std::optional<FlowClasses::Headers> FlowClasses::parse(std::span<const uint8_t> ip, uint32_t length) {
  Headers h;
  uint32_t transport;  // offset of its header
  bool first_fragment = true;
  uint64_t hash = 0;
  if (ip.size() >= 20 && ip[0] >> 4 == 4) {
    transport = (ip[0] & 15u) * 4u;
    h.dscp = ip[1] >> 2;
    h.protocol = ip[9];
    first_fragment = (load_be16(&ip[6]) & 0x1FFF) == 0;
    hash = mix(hash, load<uint64_t>(&ip[12]));
  } else if (ip.size() >= 40 && ip[0] >> 4 == 6) {
    transport = 40;
    h.dscp = static_cast<uint8_t>((load_be16(&ip[0]) >> 6) & 0x3F);
    h.protocol = ip[6];
    for (uint32_t i = 8; i < 40; i += 8) hash = mix(hash, load<uint64_t>(&ip[i]));
  } else {
    return std::nullopt;
  }
  const bool has_ports = h.protocol == kTcp || h.protocol == kUdp;
  if (has_ports && first_fragment && ip.size() >= transport + 4) {
    h.source_port = load_be16(&ip[transport]);
    h.destination_port = load_be16(&ip[transport + 2]);
    hash = mix(hash, load<uint32_t>(&ip[transport]));
  }
  if (h.protocol == kTcp && first_fragment && ip.size() >= transport + 14) {
    const uint32_t header = (ip[transport + 12] >> 4) * 4u;
    h.tcp_payload = length > transport + header || (ip[transport + 13] & kTcpSyn) != 0;
  }
  h.key = mix(hash, h.protocol) | 1;  // 0 is no flow
  return h;
}

std::optional<Class> FlowClasses::by_rule(const Headers& h, uint32_t length) const {
  for (const ClassRule& rule : rules_) {
    const auto in_range = [&](uint16_t port) { return port >= rule.first_port && port <= rule.last_port; };
    if (rule.dscp >= 0 && rule.dscp != h.dscp) continue;
    if (rule.protocol != 0 && rule.protocol != h.protocol) continue;
    if (!in_range(h.source_port) && !in_range(h.destination_port)) continue;
    if (length > rule.max_length) continue;
    return rule.cls;
  }
  return std::nullopt;
}

FlowClasses::Flow& FlowClasses::flow(uint64_t key) {
  Flow* set = &flows_[(key >> 32) % kSets * kWays];
  Flow* oldest = set;
  for (Flow* f = set; f != set + kWays; ++f) {
    if (f->key == key) return *f;
    if (f->last_ns < oldest->last_ns) oldest = f;
  }
  *oldest = {};
  oldest->key = key;
  return *oldest;
}

FlowClasses::Verdict FlowClasses::classify(uint64_t now, std::span<const uint8_t> ip, uint32_t length) {
  const auto headers = parse(ip, length);
  if (!headers) return {};
  if (const auto cls = by_rule(*headers, length)) return {*cls};
  if (headers->protocol == kUdp && headers->dscp == kDscpExpeditedForwarding) return {Class::kLatency};

  Flow& f = flow(headers->key);
  Verdict verdict;
  const bool silent = f.last_ns == 0 || now - f.last_ns > kSilenceNs;
  if (silent && !(f.bulk && keep_bulk_)) {
    verdict.begins = true;
    f.bytes = 0;
    f.bulk = false;
    f.early = early_bulk_ && headers->tcp_payload;
  }
  f.last_ns = now;
  if (length > kSmallPacket) f.bytes += std::min(length, kSparseBytes);
  if (f.bytes > kSparseBytes) {
    f.bulk = true;
    f.bytes = kSparseBytes + 1;
  }
  verdict.early_bulk = !f.bulk && f.early && headers->tcp_payload;
  verdict.cls = f.bulk || verdict.early_bulk ? Class::kBulk : Class::kSparse;
  return verdict;
}

}  // namespace weft::bond
