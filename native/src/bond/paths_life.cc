// A path's life: challenges until it is proven, pings while it is, and what becomes of one that falls silent or moves.
#include <algorithm>
#include <variant>

#include "bond/paths.h"

namespace weft::bond {

namespace {

// Around a frame's plaintext: the header of a transport message and its tag.
constexpr uint32_t kMessageOverhead = 32;
// UDP payload of the smallest frame.
constexpr uint64_t kLeastBytes = kMinFrame + kMessageOverhead;
// What an Ethernet of 1500 bytes leaves of a datagram.
constexpr uint32_t kMtuLimitV4 = 1500 - 28, kMtuLimitV6 = 1500 - 48;

}  // namespace

void Paths::receive(uint64_t now, PathId id, PathId remote, const Frame& frame) {
  if (id >= kMaxPaths || paths_[id].phase == PathPhase::kFree) return;
  if (remote < kMaxPaths) paths_[id].remote = remote;
  if (const auto* ping = std::get_if<Ping>(&frame)) {
    send(id, Pong{ping->token});
  } else if (const auto* challenge = std::get_if<Challenge>(&frame)) {
    send(id, Response{challenge->nonce});
  } else if (const auto* answer = std::get_if<Pong>(&frame)) {
    pong(now, id, answer->token);
  } else if (const auto* response = std::get_if<Response>(&frame)) {
    if (paths_[id].phase == PathPhase::kActive) return;
    const auto rtt = work_[id].validation.answered(now, response->nonce);
    if (!rtt) return;
    work_[id].round_trip.sample(*rtt);
    validated(now, id);
  }
}

void Paths::validated(uint64_t now, PathId id) {
  const PathId old = predecessor(id);
  if (old != kNoPath) {
    take_over(now, old, id);
    return;
  }
  Path& path = paths_[id];
  Work& work = work_[id];
  path.phase = PathPhase::kActive;
  path.rtt_ns = work.round_trip.smoothed_ns();
  path.min_rtt_ns = work.round_trip.least_ns();
  work.pinged_ns = 0;
  work.answered_ns = now;
  work.mtu.start(now, path.way.remote.is_v4() ? kMtuLimitV4 : kMtuLimitV6);
  path.mtu = work.mtu.size();
  changes_.push_back({Change::Kind::kActive, id});
}

PathId Paths::predecessor(PathId id) const {
  const Path& path = paths_[id];
  if (path.configured || path.remote == kNoPath) return kNoPath;
  for (PathId other = 0; other < kMaxPaths; ++other) {
    const Path& candidate = paths_[other];
    if (other == id || candidate.phase < PathPhase::kValidating || candidate.remote != path.remote) continue;
    if (candidate.way.source.same_as(path.way.source, path.way.remote.is_v4()) &&
        candidate.way.remote.is_v4() == path.way.remote.is_v4()) {
      return other;
    }
  }
  return kNoPath;
}

// The peer's path is the same, by its number, and its address as we see it has changed (a NAT's mapping): what was
// measured of it still holds.
void Paths::take_over(uint64_t now, PathId old, PathId candidate) {
  Path& path = paths_[old];
  const bool was_active = path.phase == PathPhase::kActive;
  path.phase = PathPhase::kActive;
  path.way.remote = paths_[candidate].way.remote;
  path.configured = false;
  path.last_received_ns = now;
  ++path.generation;
  work_[old].pinged_ns = 0;
  work_[old].answered_ns = now;
  changes_.push_back({was_active ? Change::Kind::kRtt : Change::Kind::kActive, old});
  vacate(candidate);
  seat_wanted(now, false);
}

void Paths::pong(uint64_t now, PathId id, uint64_t token) {
  Path& path = paths_[id];
  Work& work = work_[id];
  if (path.phase != PathPhase::kActive) return;
  if (const auto sent = work.pings.take(token)) {
    work.answered_ns = now;
    work.round_trip.sample(now - std::min(now, *sent));
    path.rtt_ns = work.round_trip.smoothed_ns();
    path.min_rtt_ns = work.round_trip.least_ns();
    changes_.push_back({Change::Kind::kRtt, id});
  } else if (work.mtu.answered(now, token)) {
    note_mtu(id);
  }
}

void Paths::note_mtu(PathId id) {
  paths_[id].mtu = work_[id].mtu.size();
  changes_.push_back({Change::Kind::kMtu, id});
}

bool Paths::send(PathId id, const Frame& frame, bool free_of_charge) {
  if (frames_.size() >= kMaxFrames) return false;
  const bool proven = paths_[id].phase == PathPhase::kActive;
  if (!proven && !free_of_charge && !work_[id].validation.spend(kLeastBytes)) return false;
  frames_.push_back({id, frame});
  return true;
}

uint64_t Paths::next_ping_ns(const Work& work) const {
  if (work.pinged_ns == 0) return 0;
  return work.pinged_ns + (loaded(work) ? kLoadedPingNs : kIdlePingNs);
}

uint64_t Paths::deadline_of(PathId id) const {
  const Path& path = paths_[id];
  const Work& work = work_[id];
  switch (path.phase) {
    case PathPhase::kFree:
      return kNever;
    case PathPhase::kCandidate:
    case PathPhase::kValidating: {
      const uint64_t challenge = work.validation.next_challenge_ns();
      return path.configured ? challenge : std::min(challenge, work.since_ns + kCandidateNs);
    }
    case PathPhase::kActive:
      return std::min({work.answered_ns + kSilentNs, next_ping_ns(work), work.mtu.next_deadline(loaded(work))});
  }
  return kNever;
}

uint64_t Paths::next_deadline() const {
  uint64_t next = kNever;
  for (PathId id = 0; id < kMaxPaths; ++id) next = std::min(next, deadline_of(id));
  return next;
}

void Paths::advance(uint64_t now) {
  for (PathId id = 0; id < kMaxPaths; ++id) {
    if (now < deadline_of(id)) continue;
    if (paths_[id].phase == PathPhase::kActive) {
      advance_active(now, id);
    } else {
      advance_validation(now, id);
    }
  }
}

void Paths::advance_validation(uint64_t now, PathId id) {
  Path& path = paths_[id];
  Work& work = work_[id];
  if (!path.configured && now >= work.since_ns + kCandidateNs) {
    vacate(id);
    seat_wanted(now, false);
    return;
  }
  if (now < work.validation.next_challenge_ns()) return;
  const uint64_t nonce = nonces_.next();
  path.phase = PathPhase::kValidating;
  // Without credit this try is lost, like one that the network drops.
  send(id, Challenge{nonce}, path.configured);
  work.validation.challenged(now, nonce);
}

void Paths::advance_active(uint64_t now, PathId id) {
  Path& path = paths_[id];
  Work& work = work_[id];
  if (now >= work.answered_ns + kSilentNs) {
    path.phase = PathPhase::kValidating;
    work.since_ns = now;
    work.validation.start(now, true);
    // It was proven once.
    work.validation.earn(PathValidation::kTries * kLeastBytes);
    changes_.push_back({Change::Kind::kLost, id});
    advance_validation(now, id);
    return;
  }
  if (work.mtu.expire(now, path.last_received_ns)) note_mtu(id);
  if (const auto size = work.mtu.probe_due(now, loaded(work))) {
    const uint64_t token = nonces_.next();
    send(id, Ping{token, static_cast<uint16_t>(*size - kMessageOverhead)});
    work.mtu.sent(now, *size, token, work.round_trip.timeout_ns());
    ping(now, id);  // its answer tells whether the path or the size lost the probe
  }
  if (now >= next_ping_ns(work)) ping(now, id);
}

void Paths::ping(uint64_t now, PathId id) {
  const uint64_t token = nonces_.next();
  send(id, Ping{token});
  work_[id].pings.add(now, token);
  work_[id].pinged_ns = now;
  work_[id].bytes = 0;
}

}  // namespace weft::bond
