// The sender's way back: what the receiver reports, and what time alone tells.
#include <algorithm>
#include <bit>

#include "bond/sender.h"

namespace weft::bond {
namespace {

constexpr uint64_t kStepNs = 24 * kNanosPerMilli;      // reports come every 25 ms, and every 5 ms while there are holes
constexpr uint64_t kSilenceNs = 40 * kNanosPerMilli;   // a loaded path brings something more often than this
constexpr uint64_t kAtOnceNs = 20 * kNanosPerMilli;    // heard last no further apart: what befell one befell both
constexpr uint64_t kMarginNs = 6 * kNanosPerMilli;     // of a passage that is only known from round trips
constexpr uint64_t kCarriesNs = 150 * kNanosPerMilli;  // bulk left within: its mark is moving
constexpr uint64_t kRepairExtraNs = 13 * kNanosPerMilli;  // beyond a round trip, until a repair is there
constexpr uint64_t kHoldExtraNs = 120 * kNanosPerMilli;   // until a path's death is noticed
constexpr uint64_t kMostHoldNs = 250 * kNanosPerMilli;
constexpr double kSuffice = 0.4;     // of a lossy path's yield: with less, it is better than nothing
constexpr double kMuchLoss = 0.003;  // repairs go by two paths
constexpr uint64_t kMostEvacuated = 4096;
constexpr uint64_t kMostEvacuationWaitNs = 250 * kNanosPerMilli;
constexpr uint64_t kDecayEveryNs = 100 * kNanosPerMilli;
constexpr uint64_t kDecayAfterNs = kNanosPerSecond;  // without reports, under load
constexpr uint64_t kForgiveAfterNs = 2 * kNanosPerSecond;
constexpr uint64_t kMostReportUs = uint64_t{1}
                                   << 51;  // of the receiver's clock: in nanoseconds still far from wrapping
constexpr uint64_t kLeastNackNs = 2 * kNanosPerMilli;
constexpr uint64_t kFarNs = 200 * kNanosPerMilli;  // about what the receiver can hold a hole for
constexpr double kBurdenLoss = 0.005;
constexpr double kLittle = 0.2;
constexpr uint64_t kLittleForNs = 8 * kNanosPerSecond;  // a rate that a hiccup cut is back by then
constexpr double kFarGreater = 3;  // a far path's rate, to be preferred to a near one that loses packets
constexpr uint64_t kApartNs = 60 * kNanosPerSecond;
constexpr uint64_t kTellAgainNs = 60 * kNanosPerMilli;
constexpr uint64_t kTellEveryNs = 500 * kNanosPerMilli;
constexpr uint32_t kTellTimes = 2;  // a change is told so often again, as frames get lost

constexpr int64_t kFullQueueNs = 20 * static_cast<int64_t>(kNanosPerMilli);
constexpr double kAfterLoss = 0.95;  // of what was delivered while a full path lost packets

// What such a path loses is our own doing: too much was sent.
bool congested(uint64_t now, const SenderPath& path) {
  return path.rate.just_started(now, path.rtt_ns) || path.delay.recent_queue_ns() > kFullQueueNs;
}

bool far_behind(const SenderPath& far, const SenderPath& near) {
  return far.base_delay_ns > near.base_delay_ns + kFarNs;
}

// Whether it carries little beside the other: it never did more, or has not for a while.
bool carries_little(uint64_t now, const SenderPath& path, const SenderPath& beside) {
  const double little = kLittle * beside.rate.best_delivered();
  if (path.rate.rate() >= little) return false;
  return path.rate.best_delivered() < little || now - path.not_little_ns > kLittleForNs;
}

// What is far is worth its distance to a bulk flow if the near one loses packets and carries far less.
bool outdoes(uint64_t now, const SenderPath& far, const SenderPath& near) {
  if (near.judge.recent_loss() <= kBurdenLoss || near.rate.just_started(now, near.rtt_ns)) return false;
  const double rate = far.rate.best_delivered() > PathRate::kFloor ? far.rate.best_delivered() : far.rate.rate();
  return far_behind(far, near) && rate > kFarGreater * near.rate.best_delivered();
}

}  // namespace

// The difference of one-way delays is measured where bulk came by both; until then half the difference of round trips.
void Sender::refresh_delays() {
  int64_t reference = 0;
  const SenderPath* known = nullptr;
  for (PathId i = 0; i < kMaxPaths; ++i) {
    if (!has(validated_, i) || !paths_[i]->delay.known()) continue;
    if (!known || paths_[i]->delay.base() < known->delay.base()) known = paths_[i].get();
  }
  if (known) reference = known->delay.base() - static_cast<int64_t>(known->min_rtt_ns / 2);
  std::array<int64_t, kMaxPaths> base{};
  int64_t least = INT64_MAX;
  for (PathId i = 0; i < kMaxPaths; ++i) {
    if (!has(validated_, i)) continue;
    const SenderPath& p = *paths_[i];
    base[i] = p.delay.known() ? p.delay.base() : reference + static_cast<int64_t>(p.min_rtt_ns / 2);
    least = std::min(least, base[i]);
  }
  for (PathId i = 0; i < kMaxPaths; ++i) {
    if (!has(validated_, i)) continue;
    paths_[i]->base_delay_ns = static_cast<uint64_t>(base[i] - least);
    paths_[i]->delay_ns =
        paths_[i]->base_delay_ns + static_cast<uint64_t>(std::max<int64_t>(paths_[i]->delay.queue_ns(), 0));
  }
}

uint64_t Sender::fastest_rtt() const {
  uint64_t rtt = kNever;
  for (PathId i = 0; i < kMaxPaths; ++i) {
    if (has(usable_, i)) rtt = std::min(rtt, paths_[i]->min_rtt_ns);
  }
  return rtt == kNever ? 100 * kNanosPerMilli : rtt;
}

bool Sender::another_lives(PathId id) const {
  for (PathId i = 0; i < kMaxPaths; ++i) {
    if (i != id && has(validated_, i) && !has(excluded_, i) && policy_.role[i] != Role::kOff) return true;
  }
  return false;
}

bool Sender::others_suffice(PathId id) const {
  double others = 0;
  for (PathId i = 0; i < kMaxPaths; ++i) {
    if (i != id && has(validated_, i) && !has(excluded_, i) && policy_.role[i] != Role::kOff) {
      others += std::max(paths_[i]->rate.best_delivered(), paths_[i]->rate.starting() ? 0 : paths_[i]->rate.rate());
    }
  }
  return another_lives(id) && others > kSuffice * paths_[id]->rate.delivered();
}

void Sender::apply(uint64_t now, const Report& report, const PathReport& f) {
  SenderPath& path = *paths_[f.path];
  const uint64_t last_arrival = report.time_us - std::min(report.time_us, f.last_age_us);
  path.last_arrival_us = std::max(path.last_arrival_us, last_arrival);
  path.mark_age_ns = std::min(report.time_us, f.last_age_us) * 1000;
  path.received_bytes = f.bytes;
  path.reported = true;
  path.named_ns = now;
  // Without a mark in this session (it has just begun) the count would be ahead of what it is compared with.
  if (!f.has_highest) return;
  path.received = f.received;
  if (const auto order = ring_.order_of(report.session, f.highest); order && *order >= path.highest_order) {
    path.highest_order = *order;
    if (const auto left = path.pacer.log().left_at(*order)) path.mark_left_ns = std::max(path.mark_left_ns, *left);
  }
  for (uint8_t i = 0; i < std::min<uint8_t>(f.samples, PathReport::kMaxSamples); ++i) {
    const auto& sample = f.sample[i];
    if (sample.below_highest > f.highest || sample.age_us > report.time_us) continue;
    const auto order = ring_.order_of(report.session, f.highest - sample.below_highest);
    const SentPacket* packet = order ? ring_.find(*order) : nullptr;
    if (!packet || packet->resent > 0) continue;
    const auto left = path.pacer.log().left_at(*order);
    if (left)
      path.delay.add(now, static_cast<int64_t>((report.time_us - sample.age_us) * 1000) - static_cast<int64_t>(*left));
  }
}

void Sender::heard(uint64_t now, PathId id) {
  if (id < kMaxPaths && has(validated_, id)) paths_[id]->hearing.heard(now);
}

void Sender::on_report(uint64_t now, const Report& report) {
  if (report.time_us > kMostReportUs) return;
  if (report.time_us <= last_report_us_ && now - last_report_ns_ < kNanosPerSecond) return;  // overtaken by a newer one
  last_report_us_ = report.time_us;
  last_report_ns_ = now;
  for (uint8_t i = 0; i < std::min<uint8_t>(report.paths, kMaxPaths); ++i) {
    const PathReport& f = report.path[i];
    if (f.path < kMaxPaths && has(validated_, f.path)) apply(now, report, f);
  }
  exclude_silent(now, report);
  if (now - last_step_ns_ >= kStepNs) control_step(now, report);
}

void Sender::step_rate(uint64_t now, const Report& report, SenderPath& path, uint64_t sent) {
  double best_rate = 0;
  for (PathId i = 0; i < kMaxPaths; ++i) {
    if (has(usable_, i)) best_rate = std::max(best_rate, paths_[i]->rate.rate());
  }
  const double trust =
      path.pacer.rate() > 0 && path.rate.rate() > 0 ? std::min(1.0, path.pacer.rate() / path.rate.rate()) : 1;
  path.rate.step(
      {now, report.time_us, path.received_bytes, path.sent_bytes, waited_, best_rate, path.rtt_ns, trust, paced_},
      path.delay);
  if (path.exclusion.excluded()) return;
  if (congested(now, path)) return path.judge.forget_losses();
  const double judged = path.judge.step({now, sent, path.received, path.rate.rate(), path.rate.delivered(),
                                         path.rate.offered(), path.rtt_ns, path.rate.starting(), waited_});
  if (judged < path.rate.rate())
    path.rate.cut(now, judged);
  else
    path.rate.set(judged);
}

// One flow over both is worse than over the better one alone where a path is much farther, beyond what can be made
// equal, or loses packets and would add little: every loss is the whole flow's. Of two alone that are far apart the
// nearer stays, unless the other outdoes it.
void Sender::set_apart(uint64_t now) {
  for (PathId i = 0; i < kMaxPaths; ++i) {
    if (!has(validated_, i) || paths_[i]->apart_until_ns == 0 || now < paths_[i]->apart_until_ns) continue;
    paths_[i]->apart_until_ns = 0;
    paths_[i]->not_little_ns = now;
  }
  for (PathId i = 0; i < kMaxPaths; ++i) {
    double best = 0;
    for (PathId j = 0; j < kMaxPaths; ++j) {
      if (j != i && has(usable_, j)) best = std::max(best, paths_[j]->rate.best_delivered());
    }
    if (has(usable_, i) && paths_[i]->rate.rate() >= kLittle * best) paths_[i]->not_little_ns = now;
  }
  for (PathId i = 0; i < kMaxPaths; ++i) {
    for (PathId j = 0; j < kMaxPaths; ++j) {
      if (i == j || !has(usable_, i) || !has(ready_, j)) continue;
      SenderPath& better = *paths_[i];
      SenderPath& other = *paths_[j];
      const bool alone = (usable_ & ~only(j)) == only(i);
      if (alone && outdoes(now, other, better)) {
        other.apart_until_ns = 0;
        better.apart_until_ns = now + kApartNs;
        better.outdone = true;
        continue;
      }
      if (!has(usable_, j) || outdoes(now, better, other)) continue;
      const bool little = carries_little(now, other, better);
      const bool lossy =
          little && other.judge.recent_loss() > kBurdenLoss && !other.rate.just_started(now, other.rtt_ns);
      if (!lossy && !far_behind(other, better)) continue;
      other.apart_until_ns = now + kApartNs;
      other.outdone = false;
    }
  }
}

// A single path repairs nothing, as without a bond: it is not paced, and repairs would hide from TCP what its queue
// loses.
bool Sender::repairs() const { return policy_.repair && std::popcount(usable_) > 1; }

void Sender::control_step(uint64_t now, const Report& report) {
  last_step_ns_ = now;
  for (PathId i = 0; i < kMaxPaths; ++i) {
    if (has(validated_, i)) paths_[i]->delay.end_step(now);
  }
  refresh_delays();
  for (PathId i = 0; i < kMaxPaths; ++i) {
    if (!has(validated_, i) || !paths_[i]->reported) continue;
    SenderPath& path = *paths_[i];
    const uint64_t sent = path.pacer.log().count_until(path.highest_order).value_or(0);
    step_rate(now, report, path, sent);
    const bool lossy = path.exclusion.too_lossy(sent, path.received);
    const bool full = congested(now, path);
    if (full) path.full_ns = now;
    if (lossy && now - path.full_ns < Exclusion::kLossWindowNs) {
      // A queue that has gone meanwhile has been answered. Copies' losses cost nothing, and a rate below what is
      // offered would.
      if (full && policy_.mode != Mode::kRedundant) path.rate.cut(now, kAfterLoss * path.rate.delivered());
      path.exclusion.forget_losses();
    } else if (lossy && policy_.mode != Mode::kRedundant && others_suffice(i)) {
      exclude(now, i, Reason::kLoss);
    }
    if (path.exclusion.may_rejoin(now, path.last_arrival_us > path.arrival_at_exclusion_us)) rejoin(i);
  }
  set_apart(now);
  refresh();
  step_equaliser(now);
  waited_ = false;
}

void Sender::step_equaliser(uint64_t now) {
  Equaliser::Step step;
  step.now = now;
  step.waited_ns = last_wait_ns_;
  step.fast_rtt_ns = fastest_rtt();
  for (PathId i = 0; i < kMaxPaths; ++i) {
    if (!has(validated_, i)) continue;
    const SenderPath& p = *paths_[i];
    step.path[i] = {has(usable_, i),         p.rate.starting(),  p.base_delay_ns, p.rate.rate(),
                    p.rate.best_delivered(), p.rate.delivered(), p.rate.offered()};
  }
  equaliser_.step(step);
}

bool Sender::silent(uint64_t now, const Report& report, const PathReport& f) const {
  const SenderPath& path = *paths_[f.path];
  const uint64_t age_ns = std::min(f.last_age_us, report.time_us) * 1000;
  // There by this path, back by the quickest.
  const uint64_t around = (path.min_rtt_ns + fastest_rtt()) / 2;
  uint64_t from = now - std::min(now, age_ns + around);
  uint64_t until = now - std::min(now, around + path.rtt_ns - path.min_rtt_ns + kMarginNs);
  if (path.delay.known()) {
    // In our clock: when a packet left that came at a time of the receiver's, by the quickest and by the slowest
    // passage.
    const int64_t reported = static_cast<int64_t>(report.time_us * 1000);
    from = static_cast<uint64_t>(reported - static_cast<int64_t>(age_ns) - path.delay.base());
    until = static_cast<uint64_t>(reported - path.delay.longest()) - path.slack_ns();
  }
  if (from >= until) return false;
  return path.exclusion.too_silent(from, until, age_ns, kSilenceNs + 4 * static_cast<uint64_t>(path.delay.jitter_ns()));
}

void Sender::exclude_silent(uint64_t now, const Report& report) {
  PathSet silent_ones = 0, lively = 0;
  std::array<uint64_t, kMaxPaths> heard_ns{};  // how long ago
  for (uint8_t i = 0; i < std::min<uint8_t>(report.paths, kMaxPaths); ++i) {
    const PathReport& f = report.path[i];
    if (f.path >= kMaxPaths || !has(validated_, f.path) || has(excluded_, f.path)) continue;
    (silent(now, report, f) ? silent_ones : lively) |= only(f.path);
    heard_ns[f.path] = std::min(f.last_age_us, report.time_us) * 1000;
  }
  // The receiver has given up a path that it named before: its end of it is gone.
  for (PathId i = 0; i < kMaxPaths; ++i) {
    if (!has(validated_, i) || has(excluded_, i) || has(silent_ones | lively, i) || !paths_[i]->reported) continue;
    const uint64_t until = now - std::min(now, paths_[i]->rtt_ns + paths_[i]->slack_ns() + 10 * kNanosPerMilli);
    const uint64_t since = paths_[i]->named_ns;
    if (!paths_[i]->exclusion.too_silent(since, until, now - since, kSilenceNs)) continue;
    silent_ones |= only(i);
    heard_ns[i] = now - since;
  }
  // All at once: it is not the paths. One that was heard last when this one was may be no better.
  const auto heard_apart = [&](PathId id) {
    for (PathId i = 0; i < kMaxPaths; ++i) {
      const uint64_t apart = std::max(heard_ns[i], heard_ns[id]) - std::min(heard_ns[i], heard_ns[id]);
      if (has(lively, i) && apart > kAtOnceNs) return true;
    }
    return false;
  };
  for (PathId i = 0; i < kMaxPaths; ++i) {
    if (has(silent_ones, i) && heard_apart(i) && another_lives(i)) exclude(now, i, Reason::kSilent);
  }
}

void Sender::exclude(uint64_t now, PathId id, Reason reason) {
  paths_[id]->exclusion.exclude(now, reason);
  paths_[id]->arrival_at_exclusion_us = paths_[id]->last_arrival_us;
  refresh();
  evacuate(now, id, reason != Reason::kLoss);
}

void Sender::rejoin(PathId id) {
  SenderPath& path = *paths_[id];
  path.exclusion.rejoin();
  path.rate.restart(std::max(path.rate.best_delivered(), 4e6) / 2);
  path.judge.reset();
  refresh();
}

void Sender::evacuate(uint64_t now, PathId id, bool outstanding) {
  if (usable_ == 0 || has(usable_, id)) return;
  SenderPath& path = *paths_[id];
  const PathLog& log = path.pacer.log();
  evacuated_.clear();
  if (outstanding) {
    const uint64_t came = log.count_until(path.highest_order).value_or(log.left());
    for (uint64_t n = std::max(came + 1, log.left() > kMostEvacuated ? log.left() - kMostEvacuated : 1);
         n <= log.left(); ++n) {
      evacuated_.push_back(log.nth(n));
    }
  }
  path.pacer.take_waiting(now, evacuated_);
  for (const uint64_t order : evacuated_) {
    SentPacket* packet = ring_.find(order);
    if (!packet || packet->path != id) continue;
    std::array<PathView, kMaxPaths> views;
    for (PathId i = 0; i < kMaxPaths; ++i) {
      if (has(usable_, i)) views[i] = view(now, *paths_[i], packet->length);
    }
    const Choice choice = choose_path(views, usable_, Class::kBulk, 0);
    if (choice.path == kNoPath || choice.wait_ns > kMostEvacuationWaitNs) return;
    resend(now, order, *packet, choice.path);
  }
}

void Sender::resend(uint64_t now, uint64_t order, SentPacket& packet, PathId by) {
  if (packet.left_ns == kNever) packet.left_ns = now;
  if (packet.resent < 255) ++packet.resent;
  packet.resent_ns = now;
  paths_[by]->pacer.place_repair(order, packet.length);
  ++paths_[packet.path]->repaired_packets;
}

PathId Sender::next_best(PathId best) const {
  PathId next = kNoPath;
  for (PathId i = 0; i < kMaxPaths; ++i) {
    if (i != best && has(usable_, i) && (next == kNoPath || paths_[i]->delay_ns < paths_[next]->delay_ns)) next = i;
  }
  return next;
}

void Sender::on_nack(uint64_t now, const Nack& nack) {
  if (!repairs()) return;
  // Each may name thousands, and an honest receiver sends one every 5 ms.
  if (now < last_nack_ns_ + kLeastNackNs) return;
  last_nack_ns_ = now;
  const PathId by = best_path();
  const PathId second = paths_[by]->judge.recent_loss() > kMuchLoss ? next_best(by) : kNoPath;
  const uint64_t rtt = fastest_rtt();
  for (const Nack::Range& range : nack.ranges) {
    for (uint32_t i = 0; i < range.count; ++i) {
      const auto order = ring_.order_of(nack.session, range.first + i);
      SentPacket* packet = order ? ring_.find(*order) : nullptr;
      if (!packet || !paths_[packet->path]) continue;
      const SenderPath& origin = *paths_[packet->path];
      const Repair::Origin seen{origin.mark_left_ns, origin.slack_ns(),
                                static_cast<uint64_t>(origin.delay.recent_queue_ns()), origin.mark_age_ns};
      switch (repair_.judge(now, *packet, seen, rtt)) {
        case Repair::Verdict::kResend:
          if (packet->resent == 0) ++paths_[packet->path]->lost_packets;
          repair_.spend();
          resend(now, *order, *packet, by);
          if (second != kNoPath) {
            // A repair that is lost as well comes too late.
            repair_.spend();
            paths_[second]->pacer.place_repair(*order, packet->length);
          }
          break;
        case Repair::Verdict::kRefuse:
          if (packet->resent == 0 && !packet->given_up) ++paths_[packet->path]->lost_packets;
          packet->given_up = true;
          break;
        case Repair::Verdict::kWait:
          break;
      }
    }
  }
}

void Sender::tick(uint64_t now) {
  if (now - last_decay_ns_ < kDecayEveryNs) return;
  last_decay_ns_ = now;
  const bool loaded = last_taken_ns_ != 0 && now - last_taken_ns_ < kNanosPerSecond;
  const bool deaf = last_report_ns_ != 0 && now - last_report_ns_ > kDecayAfterNs;
  // Where there is no bulk to copy (the end that only acknowledges) pings are the only proof.
  const bool probed = last_probe_ns_ != 0 && now - last_probe_ns_ < kNanosPerSecond;
  bool changed = false;
  for (PathId i = 0; i < kMaxPaths; ++i) {
    if (!has(validated_, i)) continue;
    SenderPath& path = *paths_[i];
    if (loaded && deaf) {
      path.rate.decay(now);
      changed = true;
    }
    const bool forgiven =
        loaded && deaf && now - last_report_ns_ > kForgiveAfterNs && path.exclusion.reason() == Reason::kLoss;
    if (forgiven || (!probed && path.exclusion.may_rejoin_idle(now))) rejoin(i);
  }
  if (changed) refresh();
}

PathState Sender::describe(uint64_t now) const {
  PathState s;
  uint64_t most_delay = 0, least_delay = kNever;
  for (PathId i = 0; i < kMaxPaths; ++i) {
    if (!has(validated_, i)) continue;
    const SenderPath& p = *paths_[i];
    const bool carried_lately = p.carried_bulk && now - p.last_bulk_ns < kCarriesNs;
    const bool carries = has(usable_, i) && (carried_lately || p.pacer.log().waiting());
    s.path[s.paths++] = {i, carries, static_cast<uint32_t>(p.slack_ns() / 1000)};
    if (!has(usable_, i)) continue;
    most_delay = std::max(most_delay, p.delay_ns);
    least_delay = std::min(least_delay, p.delay_ns);
  }
  const uint64_t difference = least_delay == kNever ? 0 : most_delay - least_delay;
  const uint64_t repair = repairs() ? std::min(fastest_rtt() + kRepairExtraNs, kMostHoldNs) : 0;
  s.repair_us = static_cast<uint32_t>(repair / 1000);
  s.hold_us = static_cast<uint32_t>(std::min(difference + repair + kHoldExtraNs, kMostHoldNs) / 1000);
  return s;
}

std::optional<PathState> Sender::path_state_due(uint64_t now) {
  if (last_taken_ns_ == 0) return std::nullopt;
  const auto differs = [](uint32_t a, uint32_t b) {
    return std::max(a, b) - std::min(a, b) > 1000 + std::max(a, b) / 4;
  };
  PathState s = describe(now);
  bool changed = s.paths != told_.paths || differs(s.hold_us, told_.hold_us) || differs(s.repair_us, told_.repair_us);
  for (uint8_t i = 0; !changed && i < s.paths; ++i) {
    changed = s.path[i].path != told_.path[i].path || s.path[i].carries_bulk != told_.path[i].carries_bulk ||
              differs(s.path[i].slack_us, told_.path[i].slack_us);
  }
  const uint64_t since = now - told_ns_;
  if (changed)
    told_again_ = kTellTimes;
  else if (told_again_ > 0 && since >= kTellAgainNs)
    --told_again_;
  else if (since < kTellEveryNs || idle(now))
    return std::nullopt;
  s.sequence = told_.sequence + 1;
  told_ = s;
  told_ns_ = now;
  return s;
}

}  // namespace weft::bond
