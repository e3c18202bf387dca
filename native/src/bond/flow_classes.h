// What each packet is to the scheduler: the first stage of the way out.
//
//   latency   UDP marked EF (RFC 3246)
//   sparse    a flow's first 30 kB, counted in packets above 200 bytes: pure acknowledgements stay sparse; again after
//   0.5 s of silence bulk      the rest
//
// The control plane's rules come first.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "bond/types.h"

namespace weft::bond {

class FlowClasses {
 public:
  struct Verdict {
    Class cls = Class::kBulk;
    bool begins = false;      // first packet of a flow, or of one that was silent
    bool early_bulk = false;  // bulk only because its flow is padded from its first packet
  };

  void set_rules(const std::vector<ClassRule>& rules) { rules_ = rules; }
  // While set, flows that begin are bulk from their first packet (see Equaliser): all of their round trips take as
  // long as bulk does. Only what has a payload, or opens a TCP connection.
  void set_early_bulk(bool on) { early_bulk_ = on; }
  // While set, bulk flows that were silent stay bulk: their packets must not suddenly be faster.
  void set_keep_bulk(bool on) { keep_bulk_ = on; }

  // `ip`: the first bytes of the inner packet, `length` of all of it.
  Verdict classify(uint64_t now, std::span<const uint8_t> ip, uint32_t length);

 private:
  // What of the headers counts.
  struct Headers {
    uint64_t key = 0;  // of the flow
    uint8_t dscp = 0;
    uint8_t protocol = 0;
    uint16_t source_port = 0, destination_port = 0;
    bool tcp_payload = false;  // or it opens the connection
  };
  struct Flow {
    uint64_t key = 0;
    uint64_t last_ns = 0;
    uint32_t bytes = 0;
    bool bulk = false;
    bool early = false;
  };
  static constexpr uint32_t kWays = 4;
  static constexpr uint32_t kSets = 1024;

  static std::optional<Headers> parse(std::span<const uint8_t> ip, uint32_t length);
  std::optional<Class> by_rule(const Headers& headers, uint32_t length) const;
  // The flow's record, taking the place of the one that was silent for the longest.
  Flow& flow(uint64_t key);

  std::vector<ClassRule> rules_;
  bool early_bulk_ = false;
  bool keep_bulk_ = false;
  std::array<Flow, kSets * kWays> flows_{};
};

}  // namespace weft::bond
