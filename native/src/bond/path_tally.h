// What came by one of the data sender's paths: what a Report says of it, and what proves losses on it.
#pragma once

#include <array>
#include <cstdint>

#include "bond/frames.h"
#include "bond/path_marks.h"
#include "bond/sequence.h"
#include "bond/types.h"

namespace weft::bond {

class PathTally {
 public:
  // A bulk packet, or a copy of one.
  struct Bulk {
    uint64_t order = 0;
    SessionIndex session = 0;
    uint64_t counter = 0;
    bool nacked = false;    // had been reported missing: may be a repair
    uint64_t slack_ns = 0;  // how late an original may be on this path
  };

  // Anything authentic.
  void count(uint64_t now, uint32_t wire_bytes);
  void count_bulk(uint64_t now, const Bulk& bulk);
  // The same path, as it was counted before its number was known.
  void absorb(const PathTally& other);

  const PathMark& mark() const { return mark_; }
  uint64_t bulk_ns() const { return bulk_ns_; }  // when the last bulk packet came; 0: never
  // What the report on `session` is to say. Begins the next interval of samples.
  PathReport report(uint64_t now, PathId path, SessionIndex session);

 private:
  // Reports count each packet once a path, whatever the network doubles; older ones than this are not counted.
  static constexpr uint32_t kSeen = 1u << 15;
  struct Arrived {
    uint64_t counter;
    uint64_t time_ns;
  };

  void take_sample(uint64_t now, uint64_t counter);

  uint64_t received_ = 0;
  uint64_t bytes_ = 0;
  uint64_t last_ns_ = 0;
  uint64_t bulk_ns_ = 0;
  bool has_highest_ = false;
  SessionIndex session_ = 0;  // of highest_ and the samples
  uint64_t highest_ = 0;
  PathMark mark_;
  SequenceWindow seen_{kSeen};
  // Every stride_-th bulk packet since the last report; when they are full, every other one goes.
  std::array<Arrived, PathReport::kMaxSamples> samples_{};
  uint32_t sample_count_ = 0;
  uint32_t stride_ = 1;
  uint32_t until_sample_ = 0;
};

}  // namespace weft::bond
