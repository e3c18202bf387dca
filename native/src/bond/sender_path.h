// What the sender knows of one path.
#pragma once

#include <cstdint>

#include "bond/ciphertext_store.h"
#include "bond/exclusion.h"
#include "bond/hearing.h"
#include "bond/loss_judge.h"
#include "bond/pacer.h"
#include "bond/path_delay.h"
#include "bond/path_rate.h"

namespace weft::bond {

struct SenderPath {
  static constexpr uint64_t kLatelyNs = 100 * kNanosPerMilli;
  static constexpr uint32_t kBulkStore = 4 << 20;
  static constexpr uint32_t kPriorityStore = 512 << 10;

  bool validated = false;
  uint32_t mtu = 0;
  uint64_t rtt_ns = 0;
  uint64_t min_rtt_ns = 0;

  Pacer pacer;
  CiphertextStore bulk_store{kBulkStore};
  CiphertextStore priority_store{kPriorityStore};
  PathDelay delay;
  PathRate rate;
  LossJudge judge;
  Exclusion exclusion;
  Hearing hearing;
  uint64_t rescued_ns = 0;     // when the last came before the silence in which its calls were sent again
  uint64_t delay_ns = 0;       // one way with its queue, above the base of the fastest
  uint64_t base_delay_ns = 0;  // without

  // From reports.
  bool reported = false;
  uint64_t named_ns = 0;       // the last report on it
  uint64_t highest_order = 0;  // of bulk that came by it
  uint64_t mark_left_ns = 0;   // when that left
  uint64_t mark_age_ns = 0;    // since then nothing came, as of that report
  uint64_t received = 0;       // bulk packets
  uint64_t received_bytes = 0;
  uint64_t last_arrival_us = 0;  // the receiver's clock
  uint64_t arrival_at_exclusion_us = 0;

  uint64_t full_ns = 0;         // when it last was: it had a long queue, or had just begun
  uint64_t apart_until_ns = 0;  // it would cost a flow more than it adds: left out of the aggregate
  uint64_t not_little_ns = 0;   // when it last was believed to carry more than little beside the best of the others
  bool outdone = false;         // then: by a path that is much farther and carries more; calls still go by this one

  uint64_t sent_bytes = 0, sent_packets = 0;
  uint64_t lost_packets = 0, repaired_packets = 0;
  uint64_t last_bulk_ns = 0;  // bulk left, no copy
  bool carried_bulk = false;  // ever

  // It carries bulk at a rate that is still a guess, or was until now: its queue is longer than anybody has told.
  bool begins(uint64_t now) const { return now - last_bulk_ns < kLatelyNs && rate.just_started(now, min_rtt_ns); }
  uint64_t slack_ns() const { return 200'000 + 3 * static_cast<uint64_t>(delay.jitter_ns()); }
  CiphertextStore& store(Class cls) { return cls == Class::kBulk ? bulk_store : priority_store; }

  // It is validated (again): nothing that was measured before need hold.
  void begin(uint64_t rtt, uint32_t new_mtu) {
    validated = true;
    mtu = new_mtu;
    rtt_ns = min_rtt_ns = rtt;
    delay = PathDelay();
    rate = PathRate();
    not_little_ns = 0;
    judge.reset();
    exclusion = Exclusion();
    hearing = Hearing();
    reported = false;
  }
};

}  // namespace weft::bond
