#include "bond/sender.h"

#include <algorithm>
#include <bit>

namespace weft::bond {
namespace {

constexpr uint64_t kMostWaitNs = 120 * kNanosPerMilli;
constexpr uint64_t kMostWaitStartingNs = 500 * kNanosPerMilli;
constexpr uint64_t kDemandNs = 2 * kNanosPerMilli;      // bulk waits as long: the path is full
constexpr uint64_t kProbeWaitNs = 20 * kNanosPerMilli;  // a copy that would wait longer is not worth it
constexpr uint64_t kCopyWaitNs = 50 * kNanosPerMilli;
constexpr uint32_t kProbeEvery = 16;
// And so often: what is left may carry little, and a better path could never prove itself.
constexpr uint64_t kProbeEveryNs = 25 * kNanosPerMilli;
constexpr uint32_t kMostQueuedBytes = SenderPath::kBulkStore * 3 / 4;  // the rest is for repair
constexpr uint64_t kMostQueued = kRemembered / 4;
constexpr uint64_t kIdleNs = 2 * kNanosPerSecond;
// In latency mode another path takes over if it is faster by a fifth and this.
constexpr uint64_t kSwitchNs = 5 * kNanosPerMilli;
// A path that a call leaves for a faster one has a longer queue than the last report told.
constexpr uint64_t kMovedNs = 20 * kNanosPerMilli;
constexpr uint64_t kMostLateNs = 500 * kNanosPerMilli;   // what is older was lost, or has come
constexpr uint64_t kMoveEveryNs = 100 * kNanosPerMilli;  // packets of two sizes may take two paths in turn
constexpr uint8_t kMostAgain = 2;                        // whatever the reports say

// One run: datagrams that touch each other in memory, of one size but for the last.
constexpr uint32_t kMostSegments = 64;
constexpr uint32_t kMostRunBytes = 65'507;

}  // namespace

Sender::Sender() {
  policy_.weight.fill(100);
  evacuated_.reserve(4096);
}
Sender::~Sender() = default;

void Sender::add_path(uint64_t now, PathId id, uint64_t rtt_ns, uint32_t mtu) {
  if (!paths_[id]) paths_[id] = std::make_unique<SenderPath>();
  if (has(validated_, id)) {
    paths_[id]->mtu = mtu;
    return;
  }
  paths_[id]->begin(rtt_ns, mtu);
  validated_ |= only(id);
  refresh_delays();
  refresh();
  if (idle(now)) step_equaliser(now);
}

void Sender::remove_path(uint64_t now, PathId id) {
  if (!has(validated_, id)) return;
  validated_ &= static_cast<PathSet>(~only(id));
  paths_[id]->validated = false;
  paths_[id]->exclusion.rejoin();
  refresh();
  evacuate(now, id, true);
}

void Sender::on_rtt(uint64_t now, PathId id, uint64_t rtt_ns) {
  if (!has(validated_, id)) return;
  SenderPath& path = *paths_[id];
  path.rtt_ns = rtt_ns;
  path.min_rtt_ns =
      path.min_rtt_ns == 0 || rtt_ns < path.min_rtt_ns ? rtt_ns : path.min_rtt_ns + (rtt_ns - path.min_rtt_ns) / 256;
  path.exclusion.on_pong();
  refresh_delays();
  // Before there is traffic this is all that tells what flows will meet.
  if (idle(now)) step_equaliser(now);
}

void Sender::set_mtu(PathId id, uint32_t bytes) {
  if (paths_[id]) paths_[id]->mtu = bytes;
}

void Sender::set_policy(uint64_t now, const Policy& policy) {
  policy_ = policy;
  for (uint8_t& weight : policy_.weight) weight = weight == 0 ? 100 : std::clamp<uint8_t>(weight, 10, 100);
  classes_.set_rules(policy_.rules);
  const PathSet before = usable_;
  refresh();
  for (PathId i = 0; i < kMaxPaths; ++i) {
    if (has(before, i) && !has(usable_, i)) evacuate(now, i, false);
  }
}

void Sender::start_session(SessionIndex session) { ring_.start_session(session); }

PathSet Sender::tier(Role role, bool alive_only) const {
  PathSet set = 0;
  for (PathId i = 0; i < kMaxPaths; ++i) {
    if (has(validated_, i) && policy_.role[i] == role && !(alive_only && has(excluded_, i))) set |= only(i);
  }
  return set;
}

PathSet Sender::apart() const {
  PathSet set = 0;
  for (PathId i = 0; i < kMaxPaths; ++i) {
    if (has(validated_, i) && paths_[i]->apart_until_ns != 0) set |= only(i);
  }
  return set;
}

void Sender::refresh() {
  excluded_ = 0;
  for (PathId i = 0; i < kMaxPaths; ++i) {
    if (has(validated_, i) && paths_[i]->exclusion.excluded()) excluded_ |= only(i);
  }
  usable_ = 0;
  for (const bool alive_only : {true, false}) {
    for (const Role role : {Role::kPinned, Role::kNormal, Role::kBackup}) {
      if (usable_ == 0) usable_ = tier(role, alive_only);
    }
  }
  ready_ = usable_;
  if (policy_.mode == Mode::kAggregate && (usable_ & ~apart()) != 0) usable_ &= static_cast<PathSet>(~apart());
  if (policy_.mode == Mode::kLatency && usable_ != 0) {
    PathId best = kNoPath;
    for (PathId i = 0; i < kMaxPaths; ++i) {
      if (has(usable_, i) && (best == kNoPath || paths_[i]->delay_ns < paths_[best]->delay_ns)) best = i;
    }
    const bool keep = chosen_ != kNoPath && has(usable_, chosen_) &&
                      paths_[best]->delay_ns + paths_[best]->delay_ns / 5 + kSwitchNs > paths_[chosen_]->delay_ns;
    if (!keep) chosen_ = best;
    usable_ = only(chosen_);
  }
  quick_ = usable_;
  for (PathId i = 0; i < kMaxPaths; ++i) {
    if (policy_.mode == Mode::kAggregate && has(ready_ & apart(), i) && paths_[i]->outdone) quick_ |= only(i);
  }
  // Alone, a path is as fast as the host and TCP make it. One beside it that is to come back is still being measured
  // against it.
  const bool awaits = policy_.mode == Mode::kAggregate && (usable_ & excluded_) == 0 && excluded_ != 0;
  paced_ = std::popcount(usable_) > 1 || awaits;
  for (PathId i = 0; i < kMaxPaths; ++i) {
    if (!has(validated_, i)) continue;
    paths_[i]->pacer.set_paced(paced_ || !has(usable_, i));
    PathRate& rate = paths_[i]->rate;
    const bool untried = rate.starting() && rate.best_delivered() == 0;
    if (untried && paths_[i]->base_delay_ns > 0) rate.set(std::min(rate.rate(), PathRate::kInitialOther));
    paths_[i]->pacer.set_rate(rate.pacing() * policy_.weight[i] / 100);
  }
}

Class Sender::classify(uint64_t now, std::span<const uint8_t> ip, uint32_t length) {
  classes_.set_early_bulk(equaliser_.wants_early() && policy_.mode == Mode::kAggregate);
  classes_.set_keep_bulk(equaliser_.padding());
  const auto verdict = classes_.classify(now, ip, length);
  if (verdict.early_bulk && verdict.begins) equaliser_.on_early_flow(now);
  if (verdict.cls == Class::kBulk && !verdict.early_bulk) equaliser_.on_established_bulk(now);
  return verdict.cls;
}

PathView Sender::view(uint64_t now, const SenderPath& path, uint32_t bytes) const {
  PathView v;
  v.wait_ns = path.pacer.wait_ns(now);
  v.serialization_ns = path.pacer.serialization_ns(bytes);
  v.delay_ns = path.delay_ns;
  v.full = path.pacer.queued_bytes() + bytes > kMostQueuedBytes || path.pacer.log().waiting_count() > kMostQueued;
  return v;
}

PathSet Sender::copies(uint64_t now, Class cls, uint32_t bytes, PathId chosen) {
  PathSet candidates = 0;
  uint64_t most_wait = kCopyWaitNs;
  if (policy_.mode == Mode::kRedundant) {
    candidates = usable_;
  } else if (cls == Class::kBulk && excluded_ != 0 &&
             (bulk_count_ % kProbeEvery == 0 || now - last_probe_ns_ >= kProbeEveryNs)) {
    last_probe_ns_ = now;
    candidates = excluded_;
    most_wait = kProbeWaitNs;
  } else if (cls != Class::kBulk && paths_[chosen]->hearing.suspect(now)) {
    if (const PathId by = stand_in(chosen); by != kNoPath) {
      if (cls == Class::kLatency) rescue_calls(chosen, by);
      candidates = only(by);
    }
  } else if (cls == Class::kLatency && paths_[chosen]->begins(now)) {
    if (const PathId by = next_best(chosen); by != kNoPath) candidates = only(by);
  }
  candidates &= static_cast<PathSet>(~only(chosen));
  PathSet set = 0;
  for (PathId i = 0; candidates != 0 && i < kMaxPaths; ++i) {
    if (!has(candidates, i) || policy_.role[i] == Role::kOff || bytes > paths_[i]->mtu) continue;
    const PathView v = view(now, *paths_[i], bytes);
    if (cls != Class::kBulk || (!v.full && v.wait_ns <= most_wait)) set |= only(i);
  }
  return set;
}

PathId Sender::stand_in(PathId id) const {
  if (policy_.role[id] == Role::kPinned) return kNoPath;
  PathId best = kNoPath;
  for (const PathSet set : {usable_, static_cast<PathSet>(validated_ & ~excluded_)}) {
    for (PathId i = 0; i < kMaxPaths; ++i) {
      if (i == id || !has(set, i) || policy_.role[i] == Role::kOff) continue;
      if (best == kNoPath || paths_[i]->delay_ns < paths_[best]->delay_ns) best = i;
    }
    if (best != kNoPath) break;
  }
  return best;
}

void Sender::rescue_calls(PathId id, PathId by) {
  SenderPath& path = *paths_[id];
  if (path.rescued_ns == path.hearing.last_ns()) return;
  path.rescued_ns = path.hearing.last_ns();
  send_calls_again(id, by, path.rescued_ns - std::min(path.rescued_ns, path.rtt_ns));
}

void Sender::move_calls(uint64_t now, PathId to) {
  const PathId from = call_count_ == 0 ? to : calls_[(call_count_ - 1) % kCallPackets].path;
  if (from == to || !has(validated_, from) || now - moved_ns_ < kMoveEveryNs) return;
  uint64_t late = kMostLateNs;
  if (!has(excluded_, from)) {
    if (paths_[from]->delay_ns <= paths_[to]->delay_ns) return;
    late = 2 * (paths_[from]->delay_ns - paths_[to]->delay_ns) + kMovedNs;
  }
  moved_ns_ = now;
  send_calls_again(from, to, now - std::min({now, late, kMostLateNs}));
}

void Sender::send_calls_again(PathId id, PathId by, uint64_t since) {
  for (uint32_t n = call_count_ > kCallPackets ? call_count_ - kCallPackets : 0; n != call_count_; ++n) {
    CallPacket& call = calls_[n % kCallPackets];
    if (call.path != id || call.taken_ns <= since || call.again == kMostAgain) continue;
    ++call.again;
    paths_[by]->pacer.place_priority(call.order);
  }
}

std::optional<Placement> Sender::choose(uint64_t now, Class cls, uint32_t wire_bytes) {
  const PathSet from = cls == Class::kBulk ? usable_ : quick_;
  std::array<PathView, kMaxPaths> views;
  for (PathId i = 0; i < kMaxPaths; ++i) {
    if (has(from, i)) views[i] = view(now, *paths_[i], wire_bytes);
  }
  const Choice choice = choose_path(views, from, cls, paced_ ? equaliser_.pad_ns() : 0);
  if (choice.path == kNoPath) {
    ++wait_drops_;
    return std::nullopt;
  }
  if (cls == Class::kBulk) {
    ++bulk_count_;
    repair_.earn();
    if (choice.wait_ns > kDemandNs) {
      waited_ = true;
      last_wait_ns_ = now;
    }
    if (choice.wait_ns > (paths_[choice.path]->rate.starting() ? kMostWaitStartingNs : kMostWaitNs)) {
      ++wait_drops_;
      return std::nullopt;
    }
  }
  if (cls == Class::kLatency) move_calls(now, choice.path);
  return Placement{cls, choice.path, now + choice.pad_ns, copies(now, cls, wire_bytes, choice.path)};
}

uint16_t Sender::next_latency_sequence() { return latency_sequence_++; }

uint8_t* Sender::take(uint64_t now, const Placement& placement, uint64_t counter, uint32_t wire_bytes,
                      uint8_t traffic_class) {
  SenderPath& path = *paths_[placement.path];
  uint64_t order;
  SentPacket& packet = ring_.add(counter, order);
  CiphertextStore& store = path.store(placement.cls);
  packet.position = store.allocate(wire_bytes);
  packet.left_ns = kNever;
  packet.length = static_cast<uint16_t>(wire_bytes);
  packet.path = placement.path;
  packet.cls = placement.cls;
  packet.traffic_class = traffic_class;
  for (PathId i = 0; i < kMaxPaths; ++i) {
    if (i != placement.path && !has(placement.copies, i)) continue;
    Pacer& pacer = paths_[i]->pacer;
    if (placement.cls == Class::kBulk)
      pacer.place_bulk(order, wire_bytes, placement.leave_ns);
    else
      pacer.place_priority(order);
  }
  if (placement.cls == Class::kLatency) calls_[call_count_++ % kCallPackets] = {order, now, placement.path};
  last_taken_ns_ = now;
  return store.find(packet.position, wire_bytes);
}

void Sender::skip(uint64_t counter) { ring_.skip(counter); }

void Sender::left(uint64_t now, PathId id, Pacer::Kind kind, uint64_t, SentPacket& packet) {
  SenderPath& path = *paths_[id];
  path.sent_bytes += packet.length;
  ++path.sent_packets;
  path.exclusion.left().add(now);
  if (packet.path != id || kind == Pacer::Kind::kRepair) return;
  packet.left_ns = now;
  if (kind == Pacer::Kind::kBulk) {
    path.last_bulk_ns = now;
    path.carried_bulk = true;
  }
}

void Sender::pump_path(uint64_t now, PathId id, Wire& wire) {
  Pacer& pacer = paths_[id]->pacer;
  const uint8_t* run = nullptr;
  uint32_t run_bytes = 0, segment = 0, count = 0, last = 0;
  uint8_t traffic_class = 0;
  bool refused = false;
  const auto flush = [&] {
    if (count > 0) refused |= !wire.send(id, run, run_bytes, segment, count, traffic_class);
    count = run_bytes = 0;
  };
  uint64_t order;
  Pacer::Kind kind;
  while (pacer.due(now, order, kind)) {
    SentPacket* packet = ring_.find(order);
    const uint32_t length = packet ? packet->length : 0;
    pacer.leave(now, kind, length);
    const uint8_t* data = packet ? paths_[packet->path]->store(packet->cls).find(packet->position, length) : nullptr;
    if (!data) continue;  // overwritten while it waited: it is lost
    const bool joins = count > 0 && data == run + run_bytes && last == segment && length <= segment &&
                       packet->traffic_class == traffic_class && count < kMostSegments &&
                       run_bytes + length <= kMostRunBytes;
    if (!joins) {
      flush();
      run = data;
      segment = length;
      traffic_class = packet->traffic_class;
    }
    run_bytes += length;
    last = length;
    ++count;
    left(now, id, kind, order, *packet);
  }
  flush();
  if (refused && !paths_[id]->exclusion.excluded() && another_lives(id)) exclude(now, id, Reason::kRefused);
}

void Sender::pump(uint64_t now, Wire& wire) {
  for (PathId i = 0; i < kMaxPaths; ++i) {
    if (has(validated_, i)) pump_path(now, i, wire);
  }
}

uint64_t Sender::next_deadline() const {
  uint64_t deadline = kNever;
  for (PathId i = 0; i < kMaxPaths; ++i) {
    if (has(validated_, i)) deadline = std::min(deadline, paths_[i]->pacer.next_deadline());
  }
  // Without reports tick() acts; with them it is told by them.
  const bool deaf = last_taken_ns_ > last_report_ns_ && last_decay_ns_ < last_taken_ns_ + kNanosPerSecond;
  if (last_taken_ns_ != 0 && (excluded_ != 0 || deaf)) {
    deadline = std::min(deadline, std::max(last_decay_ns_, last_report_ns_) + 100 * kNanosPerMilli);
  }
  return deadline;
}

PathId Sender::best_path() const {
  PathId best = kNoPath;
  for (const PathSet set : {usable_, validated_}) {
    for (PathId i = 0; i < kMaxPaths; ++i) {
      if (has(set, i) && (best == kNoPath || paths_[i]->delay_ns < paths_[best]->delay_ns)) best = i;
    }
    if (best != kNoPath) break;
  }
  return best;
}

PathSet Sender::active() const { return usable_; }

bool Sender::idle(uint64_t now) const { return last_taken_ns_ == 0 || now - last_taken_ns_ > kIdleNs; }

PathStatus Sender::status(uint64_t, PathId id) const {
  PathStatus s;
  if (!paths_[id]) return s;
  const SenderPath& path = *paths_[id];
  s.sent_packets = path.sent_packets;
  s.sent_bytes = path.sent_bytes;
  s.lost_packets = path.lost_packets;
  s.repaired_packets = path.repaired_packets;
  if (!has(validated_, id)) return s;
  if (policy_.role[id] == Role::kOff)
    s.reason = Reason::kOff;
  else if (path.exclusion.excluded())
    s.reason = path.exclusion.reason();
  else if (has(usable_, id))
    s.reason = Reason::kActive;
  else
    s.reason = path.apart_until_ns != 0 ? Reason::kApart : Reason::kStandby;
  s.rate_bps = path.rate.rate();
  s.delivered_bps = path.rate.delivered();
  s.offered_bps = path.rate.offered();
  s.queue_delay_ms = static_cast<double>(path.delay.queue_ns()) / 1e6;
  s.delay_difference_ms = static_cast<double>(path.delay_ns) / 1e6;
  s.jitter_ms = static_cast<double>(path.delay.jitter_ns()) / 1e6;
  s.loss = path.judge.recent_loss();
  s.capped = path.judge.capped();
  return s;
}

}  // namespace weft::bond
