// The table. How a path lives in it: paths_life.cc.
#include "bond/paths.h"

#include <algorithm>
#include <utility>

namespace weft::bond {

namespace {

// A configured way may leave the local side open.
bool leads(const net::Path& configured, const net::Path& way) {
  return !configured.source.set && configured.remote == way.remote;
}

}  // namespace

PathId Paths::find(const net::Path& way) const {
  PathId open = kNoPath;
  for (PathId id = 0; id < kMaxPaths; ++id) {
    if (paths_[id].phase == PathPhase::kFree) continue;
    if (paths_[id].way == way) return id;
    if (paths_[id].configured && leads(paths_[id].way, way)) open = id;
  }
  return open;
}

void Paths::set_candidates(uint64_t now, std::span<const net::Path> ways) {
  wanted_.clear();
  for (const net::Path& way : ways) {
    if (wanted_.size() < kMaxPaths && std::ranges::count(wanted_, way) == 0) wanted_.push_back(way);
  }
  for (PathId id = 0; id < kMaxPaths; ++id) {
    if (paths_[id].configured && std::ranges::count(wanted_, paths_[id].way) == 0) vacate(id);
  }
  seat_wanted(now, true);
}

void Paths::seat_wanted(uint64_t now, bool displacing) {
  const auto seat_of = [this](const net::Path& way) {
    return std::ranges::find_if(paths_,
                                [&way](const Path& path) { return path.phase != PathPhase::kFree && path.way == way; });
  };
  // First, so that none of them makes room for another.
  for (const net::Path& way : wanted_) {
    if (const auto seated = seat_of(way); seated != paths_.end()) seated->configured = true;
  }
  for (const net::Path& way : wanted_) {
    if (seat_of(way) != paths_.end()) continue;
    const PathId id = place_for_configured();
    if (id == kNoPath) return;
    if (paths_[id].phase != PathPhase::kFree) {
      if (!displacing) return;
      vacate(id);
    }
    occupy(now, id, way, true);
  }
}

void Paths::session_started() {
  for (PathId id = 0; id < kMaxPaths; ++id) {
    const PathPhase phase = paths_[id].phase;
    if (phase == PathPhase::kCandidate || phase == PathPhase::kValidating) work_[id].validation.encourage(0);
  }
}

PathId Paths::place_for_configured() {
  PathId longest_silent = kNoPath;
  for (PathId id = 0; id < kMaxPaths; ++id) {
    const Path& path = paths_[id];
    if (path.phase == PathPhase::kFree) return id;
    if (path.configured) continue;
    // Candidates go before what was proven.
    const auto rank = [this](PathId p) { return std::pair(paths_[p].phase, paths_[p].last_received_ns); };
    if (longest_silent == kNoPath || rank(id) < rank(longest_silent)) longest_silent = id;
  }
  return longest_silent;
}

PathId Paths::free_place() const {
  uint32_t uninvited = 0;
  PathId free = kNoPath, exhausted = kNoPath;
  for (PathId id = 0; id < kMaxPaths; ++id) {
    const Path& path = paths_[id];
    if (path.phase == PathPhase::kFree) {
      if (free == kNoPath) free = id;
    } else if (!path.configured && path.phase != PathPhase::kActive) {
      ++uninvited;
      if (work_[id].validation.exhausted()) exhausted = id;
    }
  }
  if (uninvited < kMaxUninvited && free != kNoPath) return free;
  return exhausted != kNoPath || uninvited >= kMaxUninvited ? exhausted : unanswering();
}

PathId Paths::unanswering() const {
  PathId last = kNoPath;
  for (PathId id = 0; id < kMaxPaths; ++id) {
    const bool waits = paths_[id].phase != PathPhase::kFree && paths_[id].phase != PathPhase::kActive;
    if (waits && paths_[id].configured && work_[id].validation.exhausted()) last = id;
  }
  return last;
}

void Paths::occupy(uint64_t now, PathId id, const net::Path& way, bool configured) {
  const uint32_t generation = paths_[id].generation + 1;
  paths_[id] = {.phase = PathPhase::kCandidate, .way = way, .configured = configured, .generation = generation};
  work_[id] = {};
  work_[id].since_ns = now;
  work_[id].validation.start(now, false);
}

void Paths::vacate(PathId id) {
  paths_[id] = {.way = {}, .generation = paths_[id].generation};
  work_[id] = {};
  std::erase_if(frames_, [id](const Outgoing& o) { return o.path == id; });
  changes_.push_back({Change::Kind::kGone, id});
}

PathId Paths::arrived(uint64_t now, const net::Path& way, uint32_t bytes, bool fresh) {
  const PathId known = find(way);
  if (!fresh) return known;
  if (known == kNoPath) {
    const PathId id = free_place();
    if (id == kNoPath) return kNoPath;
    if (paths_[id].phase != PathPhase::kFree) vacate(id);
    occupy(now, id, way, false);
    paths_[id].last_received_ns = now;
    work_[id].validation.earn(uint64_t{PathValidation::kAmplification} * bytes);
    return kNoPath;
  }
  paths_[known].last_received_ns = now;
  work_[known].bytes += bytes;
  if (paths_[known].phase != PathPhase::kActive) {
    work_[known].validation.earn(uint64_t{PathValidation::kAmplification} * bytes);
    work_[known].validation.encourage(now);
  }
  return known;
}

std::vector<Paths::Outgoing> Paths::take_frames() { return std::exchange(frames_, {}); }

std::vector<Paths::Change> Paths::take_changes() { return std::exchange(changes_, {}); }

}  // namespace weft::bond
