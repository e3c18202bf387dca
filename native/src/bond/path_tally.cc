// Exact counts, whatever the path drops, doubles or reorders.
#include "bond/path_tally.h"

#include <algorithm>
#include <limits>

namespace weft::bond {

namespace {

uint64_t age_us(uint64_t now, uint64_t then) { return (now - std::min(now, then)) / 1000; }

}  // namespace

void PathTally::count(uint64_t now, uint32_t wire_bytes) {
  bytes_ += wire_bytes;
  last_ns_ = now;
}

void PathTally::count_bulk(uint64_t now, const Bulk& bulk) {
  bulk_ns_ = now;
  if (!seen_.add(bulk.order)) return;
  const bool is_ahead = !mark_.any() || ahead(bulk.order, mark_.highest()) > 0;
  if (!is_ahead && bulk.nacked) {
    // Behind by more than the path's own reordering: what was sent again.
    const uint64_t passed = mark_.passed_since(bulk.order);
    if (now > passed + bulk.slack_ns + PathMark::kGrainNs) return;
  }
  ++received_;
  mark_.pass(now, bulk.order);
  if (!has_highest_ || session_ != bulk.session) {
    if (!is_ahead) return;  // the tail of the session before
    sample_count_ = 0;
    session_ = bulk.session;
    highest_ = bulk.counter;
    has_highest_ = true;
  }
  highest_ = std::max(highest_, bulk.counter);
  take_sample(now, bulk.counter);
}

void PathTally::take_sample(uint64_t now, uint64_t counter) {
  if (until_sample_-- != 0) return;
  if (sample_count_ == samples_.size()) {
    for (uint32_t i = 1; 2 * i < samples_.size(); ++i) samples_[i] = samples_[2 * i];
    sample_count_ /= 2;
    stride_ *= 2;
  }
  samples_[sample_count_++] = {counter, now};
  until_sample_ = stride_ - 1;
}

void PathTally::absorb(const PathTally& other) {
  received_ += other.received_;
  bytes_ += other.bytes_;
  last_ns_ = std::max(last_ns_, other.last_ns_);
  bulk_ns_ = std::max(bulk_ns_, other.bulk_ns_);
  if (!other.mark_.any()) return;
  if (mark_.any() && ahead(mark_.highest(), other.mark_.highest()) >= 0) return;
  mark_ = other.mark_;
  seen_ = other.seen_;
  session_ = other.session_;
  highest_ = other.highest_;
  has_highest_ = other.has_highest_;
  sample_count_ = 0;
}

PathReport PathTally::report(uint64_t now, PathId path, SessionIndex session) {
  PathReport out;
  out.path = path;
  out.received = received_;
  out.bytes = bytes_;
  out.last_age_us = age_us(now, last_ns_);
  out.has_highest = has_highest_ && session_ == session;
  if (out.has_highest) {
    out.highest = highest_;
    for (const Arrived& arrived : std::span(samples_).first(sample_count_)) {
      const uint64_t below = highest_ - arrived.counter, age = age_us(now, arrived.time_ns);
      constexpr uint64_t kMost = std::numeric_limits<uint32_t>::max();
      if (below > kMost || age > kMost) continue;
      out.sample[out.samples++] = {static_cast<uint32_t>(below), static_cast<uint32_t>(age)};
    }
  }
  sample_count_ = 0;
  stride_ = 1;
  until_sample_ = 0;
  return out;
}

}  // namespace weft::bond
