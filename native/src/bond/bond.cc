// Joins the two halves and the table of paths by the frames between the two ends.
#include "bond/bond.h"

#include <algorithm>
#include <utility>
#include <variant>

namespace weft::bond {

Bond::Bond(uint64_t seed) : paths_(seed) {}

void Bond::set_candidates(uint64_t now, std::span<const net::Path> ways) {
  paths_.set_candidates(now, ways);
  take_from_paths(now);
}

void Bond::set_policy(uint64_t now, const Policy& policy) { sender_.set_policy(now, policy); }

void Bond::start_sending_session(SessionIndex session) {
  sender_.start_session(session);
  if (sending_session_ != session) paths_.session_started();
  sending_session_ = session;
}

PathId Bond::arrived(uint64_t now, const net::Path& way, uint32_t bytes, bool fresh) {
  const PathId path = paths_.arrived(now, way, bytes, fresh);
  take_from_paths(now);
  sender_.heard(now, path);
  return path;
}

void Bond::receive_frame(uint64_t now, PathId path, const net::Path& way, std::span<const uint8_t> plaintext) {
  const std::optional<DecodedFrame> decoded = decode_frame(plaintext);
  if (!decoded) return;
  if (path == kNoPath) path = paths_.find(way);
  const Frame& frame = decoded->frame;
  if (const auto* report = std::get_if<Report>(&frame)) {
    sender_.on_report(now, *report);
  } else if (const auto* nack = std::get_if<Nack>(&frame)) {
    sender_.on_nack(now, *nack);
  } else if (const auto* state = std::get_if<PathState>(&frame)) {
    receiver_.on_path_state(now, *state);
  } else if (path != kNoPath) {
    receiver_.set_remote_path(path, decoded->path);
    paths_.receive(now, path, decoded->path, frame);
    take_from_paths(now);
  }
}

void Bond::take_from_paths(uint64_t now) {
  for (const auto& [kind, id] : paths_.take_changes()) {
    using Kind = Paths::Change::Kind;
    const Paths::Path& path = paths_[id];
    switch (kind) {
      case Kind::kActive:
        sender_.add_path(now, id, path.rtt_ns, path.mtu);
        break;
      case Kind::kRtt:
        sender_.on_rtt(now, id, path.rtt_ns);
        break;
      case Kind::kMtu:
        sender_.set_mtu(id, path.mtu);
        break;
      case Kind::kLost:
        sender_.remove_path(now, id);
        break;
      case Kind::kGone:
        sender_.remove_path(now, id);
        receiver_.remove_path(id);
        break;
    }
  }
  for (const auto& [path, frame] : paths_.take_frames()) queue(only(path), path, frame);
}

void Bond::queue(PathSet paths, PathId path, const Frame& frame) {
  frames_.push_back({paths, encode_frame(path, frame)});
}

void Bond::queue_on_best(const Frame& frame) {
  const PathId best = sender_.best_path();
  if (best == kNoPath) return;
  PathId second = kNoPath;
  for (PathId id = 0; id < kMaxPaths; ++id) {
    if (id == best || !has(sender_.active(), id)) continue;
    if (second == kNoPath || paths_[id].rtt_ns < paths_[second].rtt_ns) second = id;
  }
  const auto paths = static_cast<PathSet>(only(best) | (second == kNoPath ? 0 : only(second)));
  queue(paths, kNoPath, frame);
}

// By every path: it goes before what it tells of.
void Bond::announce(uint64_t now) {
  if (const auto state = sender_.path_state_due(now)) queue(sender_.active(), kNoPath, *state);
}

uint64_t Bond::next_deadline() const {
  if (!frames_.empty()) return 0;
  return std::min({sender_.next_deadline(), receiver_.next_deadline(), paths_.next_deadline()});
}

void Bond::advance(uint64_t now, Released& released) {
  paths_.advance(now);
  take_from_paths(now);
  receiver_.expire(now, released);
  sender_.tick(now);
  announce(now);
  if (const auto report = receiver_.report_due(now)) {
    queue_on_best(*report);
    if (const auto nack = receiver_.nack_due(now)) queue_on_best(*nack);
  }
}

std::vector<OutgoingFrame> Bond::take_frames() { return std::exchange(frames_, {}); }

}  // namespace weft::bond
