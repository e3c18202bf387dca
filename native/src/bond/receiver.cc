// What comes, and what holes there are. What is reported of it: receiver_reports.cc.
#include "bond/receiver.h"

#include <algorithm>
#include <utility>

namespace weft::bond {

namespace {

// A lost packet of those that overtake leaves a hole that holds up nobody; it is forgotten so long after what came
// behind it, when something else comes. No timer waits for it.
constexpr uint64_t kForgetNs = 400 * kNanosPerMilli;
// While the sender has not said which paths carry bulk: those that did so lately.
constexpr uint64_t kLatelyNs = 500 * kNanosPerMilli;
// A peer that restarts numbers its PathStates anew.
constexpr uint64_t kStateRestartNs = 3 * kNanosPerSecond;

// What a dead path was given waits so long at most for its turn on another.
constexpr uint64_t kTurnNs = 60 * kNanosPerMilli;

constexpr uint64_t from_micros(uint32_t us) { return uint64_t{us} * 1000; }

}  // namespace

void Receiver::set_remote_path(PathId path, PathId remote) {
  if (path >= kMaxPaths || remote >= kMaxPaths || remote_of_[path] == remote) return;
  const PathId before = std::exchange(remote_of_[path], remote);
  if (before == kNoPath) {
    remote_[remote].tally.absorb(unknown_[path]);
    unknown_[path] = {};
  } else {
    forget_if_unused(before);
  }
}

void Receiver::remove_path(PathId path) {
  unknown_[path] = {};
  totals_[path] = {};
  forget_if_unused(std::exchange(remote_of_[path], kNoPath));
}

// The sender's path lives on if it comes to us by another way too (its address changed).
void Receiver::forget_if_unused(PathId remote) {
  if (remote == kNoPath || std::ranges::count(remote_of_, remote) != 0) return;
  // The sender has still to notice.
  if (remote_[remote].carries_bulk) moved_until_ns_ = data_ns_ + kMaxHoldNs;
  remote_[remote] = {};
}

void Receiver::start_session(SessionIndex session) { sessions_.start(session); }

void Receiver::receive(uint64_t now, const Arrival& arrival, Released& released) {
  const std::optional<uint64_t> order = sessions_.order(arrival.session, arrival.counter);
  const bool is_data = !arrival.packet.empty() || arrival.refused;
  if (is_data) {
    data_ns_ = now;
    unreported_ = true;
  }
  if (order && is_data && arrival.cls == Class::kBulk) {
    const PathTally::Bulk bulk{*order, arrival.session, arrival.counter};
    count(now, arrival.path, &bulk, arrival.wire_bytes);
  } else {
    count(now, arrival.path, nullptr, arrival.wire_bytes);
  }

  const bool deliver = !arrival.packet.empty() && !arrival.refused;
  if (deliver && order && arrival.cls == Class::kBulk) {
    reorder_.receive(now, *order, arrival.packet, released);
  } else {
    if (deliver) deliver_at_once(now, arrival, released);
    if (order) reorder_.place(now, *order, released);
  }
  if (reorder_.has_holes()) settle(now, released);
  latency_.expire(now, released);
}

void Receiver::deliver_at_once(uint64_t now, const Arrival& arrival, Released& released) {
  if (arrival.cls == Class::kLatency) {
    latency_.receive(now, arrival.latency_sequence, arrival.packet, released);
  } else {
    released.add(arrival.packet.data(), static_cast<uint32_t>(arrival.packet.size()));
  }
  ++delivered_at_once_;
}

void Receiver::duplicate(uint64_t now, PathId path, SessionIndex session, uint64_t counter, Class cls,
                         uint32_t wire_bytes) {
  const std::optional<uint64_t> order = sessions_.order(session, counter);
  if (order && cls == Class::kBulk) {
    unreported_ = true;
    const PathTally::Bulk bulk{*order, session, counter};
    count(now, path, &bulk, wire_bytes);
  } else {
    count(now, path, nullptr, wire_bytes);
  }
}

PathTally& Receiver::tally_of(PathId path) {
  const PathId remote = remote_of_[path];
  return remote == kNoPath ? unknown_[path] : remote_[remote].tally;
}

void Receiver::count(uint64_t now, PathId path, const PathTally::Bulk* bulk, uint32_t wire_bytes) {
  if (path >= kMaxPaths) return;
  ++totals_[path].packets;
  totals_[path].bytes += wire_bytes;
  PathTally& tally = tally_of(path);
  tally.count(now, wire_bytes);
  if (bulk == nullptr) return;
  PathTally::Bulk known = *bulk;
  known.nacked = nacked_.contains(bulk->order);
  if (remote_of_[path] != kNoPath) known.slack_ns = remote_[remote_of_[path]].slack_ns;
  tally.count_bulk(now, known);
}

void Receiver::on_path_state(uint64_t now, const PathState& state) {
  const bool is_newer = state_ns_ == 0 || ahead(state.sequence, state_sequence_) > 0;
  if (!is_newer && now < state_ns_ + kStateRestartNs) return;
  state_ns_ = now;
  state_sequence_ = state.sequence;
  hold_ns_ = std::clamp(from_micros(state.hold_us), kMinHoldNs, kMaxHoldNs);
  const uint64_t repair_before = std::exchange(repair_ns_, std::min(from_micros(state.repair_us), kMaxHoldNs));
  PathSet before = 0, after = 0;
  for (PathId i = 0; i < kMaxPaths; ++i) {
    if (std::exchange(remote_[i].carries_bulk, false)) before |= only(i);
  }
  for (const PathState::Entry& entry : std::span(state.path).first(state.paths)) {
    remote_[entry.path].carries_bulk = entry.carries_bulk;
    remote_[entry.path].slack_ns = std::min(from_micros(entry.slack_us), kMaxHoldNs);
    if (entry.carries_bulk) after |= only(entry.path);
  }
  if ((before & ~after) != 0) moved_until_ns_ = now + std::max(repair_before, repair_ns_) + kTurnNs;
}

PathSet Receiver::carrying(uint64_t now) const {
  PathSet told = 0, lately = 0;
  for (PathId i = 0; i < kMaxPaths; ++i) {
    const RemotePath& path = remote_[i];
    if (path.carries_bulk) told |= only(i);
    if (path.tally.bulk_ns() != 0 && now < path.tally.bulk_ns() + kLatelyNs) lately |= only(i);
  }
  return told != 0 ? told : lately;
}

std::optional<uint64_t> Receiver::proven_below(uint64_t now) const {
  const uint64_t next = reorder_.next();
  const PathSet paths = carrying(now);
  std::optional<uint64_t> lowest;
  for (PathId i = 0; i < kMaxPaths; ++i) {
    if (has(paths, i) && !remote_[i].tally.mark().has_passed(next)) return std::nullopt;
  }
  for (PathId i = 0; i < kMaxPaths; ++i) {
    if (!has(paths, i)) continue;
    const uint64_t wait = wait_on(remote_[i]);
    const auto highest = remote_[i].tally.mark().highest_at(now - std::min(now, wait));
    if (!highest || ahead(*highest, next) <= 0) return std::nullopt;
    if (!lowest || ahead(*highest, *lowest) < 0) lowest = highest;
  }
  return lowest;
}

uint64_t Receiver::proven_at() const {
  const PathSet paths = carrying(data_ns_);
  uint64_t latest = 0;
  for (PathId i = 0; i < kMaxPaths; ++i) {
    if (!has(paths, i)) continue;
    const uint64_t since = remote_[i].tally.mark().passed_since(reorder_.next());
    if (since == kNever) return kNever;
    latest = std::max(latest, since + wait_on(remote_[i]));
  }
  return paths == 0 ? kNever : latest;
}

void Receiver::settle(uint64_t now, Released& released) {
  while (reorder_.placeholders() != 0 && now >= reorder_.placeholder_since() + kForgetNs) {
    give_up_below(now, reorder_.placeholder_order(), released);
  }
  settled_ns_ = now;
  while (reorder_.waiting() != 0) {
    if (now < moved_until()) return;
    if (const auto proven = proven_below(now)) {
      proven_lost_ += give_up_below(now, *proven, released);
    } else if (now >= hole_deadline()) {
      timed_out_ += give_up_below(now, reorder_.waiting_order(), released);
    } else {
      return;
    }
  }
}

uint64_t Receiver::give_up_below(uint64_t now, uint64_t order, Released& released) {
  const uint64_t first = reorder_.next();
  const uint64_t in_gaps = sessions_.gap_within(first, order);
  const uint64_t missing = reorder_.give_up_below(now, order, released);
  return missing - std::min(missing, in_gaps);
}

void Receiver::expire(uint64_t now, Released& released) {
  if (reorder_.has_holes()) settle(now, released);
  latency_.expire(now, released);
}

uint64_t Receiver::next_deadline() const {
  uint64_t due = std::min(next_report(), latency_.next_deadline());
  if (reorder_.waiting() == 0) return due;
  due = std::min(due, hole_deadline());
  // What was due when they were last settled proved nothing then: marks that a hostile sender made leap.
  const uint64_t proven = std::max(proven_at(), moved_until());
  return proven > settled_ns_ ? std::min(due, proven) : due;
}

Receiver::Status Receiver::status() const {
  const Reorder::Counts& counts = reorder_.counts();
  return {.buffered = reorder_.waiting() + latency_.waiting(),
          .delivered = counts.delivered + delivered_at_once_ - latency_.dropped(),
          .late = counts.late,
          .proven_lost = proven_lost_,
          .timed_out = timed_out_,
          .overflowed = counts.overflowed,
          .longest_hold_ms = to_millis(counts.longest_hold_ns)};
}

}  // namespace weft::bond
