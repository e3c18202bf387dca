#include "binding/bond_codec.h"

#include <array>

#include "binding/codec.h"
#include "util/bytes.h"

namespace weft::binding {
namespace {

constexpr size_t kRuleSize = 12;
constexpr size_t kStatusHeader = 40;
constexpr size_t kStatusPath = 192;
constexpr size_t kFigures = 16 + kPathSize;  // of a path

void encode_path_status(const engine::DataPlane::BondSnapshot::Path& path, uint8_t* out) {
  out[0] = path.id;
  out[1] = static_cast<uint8_t>(path.state.phase);
  out[2] = static_cast<uint8_t>(path.sending.reason);
  out[3] = path.sending.capped ? 1 : 0;
  store_le32(out + 4, path.state.generation);
  store_le32(out + 8, path.state.mtu);
  encode_path(path.state.way, out + 16);
  const bond::PathStatus& s = path.sending;
  const std::array<double, 16> figures{to_millis(path.state.rtt_ns),
                                       to_millis(path.state.min_rtt_ns),
                                       s.rate_bps,
                                       s.delivered_bps,
                                       s.offered_bps,
                                       s.queue_delay_ms,
                                       s.delay_difference_ms,
                                       s.jitter_ms,
                                       s.loss,
                                       static_cast<double>(s.sent_packets),
                                       static_cast<double>(s.sent_bytes),
                                       static_cast<double>(s.lost_packets),
                                       static_cast<double>(s.repaired_packets),
                                       static_cast<double>(path.received.packets),
                                       static_cast<double>(path.received.bytes),
                                       to_millis(path.state.last_received_ns)};
  for (size_t i = 0; i < figures.size(); ++i) store<double>(out + kFigures + i * sizeof(double), figures[i]);
}

}  // namespace

std::vector<net::Path> decode_ways(std::span<const uint8_t> bytes) {
  std::vector<net::Path> ways;
  for (size_t at = 0; at + kPathSize <= bytes.size(); at += kPathSize) {
    net::Path& way = ways.emplace_back(decode_path(bytes.data() + at));
    way.source.pinned = true;
  }
  return ways;
}

bond::Policy decode_policy(std::span<const uint8_t> bytes) {
  bond::Policy policy;
  policy.mode = static_cast<bond::Mode>(bytes[0]);
  policy.repair = bytes[1] != 0;
  for (uint32_t i = 0; i < bond::kMaxPaths; ++i) {
    policy.role[i] = static_cast<bond::Role>(bytes[4 + i]);
    policy.weight[i] = bytes[4 + bond::kMaxPaths + i];
  }
  for (uint32_t i = 0; i < bytes[2]; ++i) {
    const uint8_t* rule = bytes.data() + kMinPolicySize + i * kRuleSize;
    policy.rules.push_back({.dscp = load<int16_t>(rule),
                            .protocol = rule[2],
                            .first_port = load<uint16_t>(rule + 4),
                            .last_port = load<uint16_t>(rule + 6),
                            .max_length = load_le32(rule + 8),
                            .cls = static_cast<bond::Class>(rule[3])});
  }
  return policy;
}

std::vector<uint8_t> encode_bond(const engine::DataPlane::BondSnapshot& snapshot) {
  std::vector<uint8_t> out(kStatusHeader + kStatusPath * snapshot.paths.size());
  const bond::Receiver::Status& receiving = snapshot.receiving;
  store_le32(out.data(), static_cast<uint32_t>(snapshot.paths.size()));
  store_le32(out.data() + 4, receiving.buffered);
  store<double>(out.data() + 8, static_cast<double>(receiving.late));
  store<double>(out.data() + 16, static_cast<double>(receiving.proven_lost));
  store<double>(out.data() + 24, static_cast<double>(receiving.timed_out));
  store<double>(out.data() + 32, receiving.longest_hold_ms);
  uint8_t* p = out.data() + kStatusHeader;
  for (const auto& path : snapshot.paths) {
    encode_path_status(path, p);
    p += kStatusPath;
  }
  return out;
}

}  // namespace weft::binding
