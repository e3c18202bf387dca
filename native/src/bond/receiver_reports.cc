// The receiver's half of the telemetry: when a report is due, what is listed as missing.
#include <algorithm>

#include "bond/receiver.h"

namespace weft::bond {

namespace {

constexpr uint64_t kWaitingIntervalNs = 5 * kNanosPerMilli;
constexpr uint64_t kLoadedIntervalNs = 25 * kNanosPerMilli;
constexpr uint64_t kIdleIntervalNs = kNanosPerSecond;
// Reports go on for so long when nothing comes any more: that it does not may be the news (a dead path).
constexpr uint64_t kAfterwardsNs = 300 * kNanosPerMilli;
constexpr uint64_t kSilentAfterNs = 30 * kNanosPerSecond;
// What is missing is listed in full so often, so that a second repair can be asked for; in between only what a path has
// passed within the last reports.
constexpr uint64_t kFullNackIntervalNs = 25 * kNanosPerMilli;
constexpr uint64_t kRecentNs = 12 * kNanosPerMilli;

}  // namespace

// With one path there is nothing that its sender could decide.
bool Receiver::several_paths() const { return std::ranges::count(remote_of_, kNoPath) + 1 < int64_t{kMaxPaths}; }

uint64_t Receiver::next_report() const {
  if (data_ns_ == 0 || !several_paths()) return kNever;
  if (reorder_.waiting() != 0) return reported_ns_ + kWaitingIntervalNs;
  if (unreported_ || reported_ns_ < data_ns_ + kAfterwardsNs) return reported_ns_ + kLoadedIntervalNs;
  // After the last packet ever more rarely: a path that went silent is to be noticed by what the reports no longer say.
  const uint64_t quiet = reported_ns_ - std::min(reported_ns_, data_ns_);
  const uint64_t due = reported_ns_ + std::clamp(quiet, kLoadedIntervalNs, kIdleIntervalNs);
  return due < data_ns_ + kSilentAfterNs ? due : kNever;
}

std::optional<Report> Receiver::report_due(uint64_t now) {
  if (now < next_report()) return std::nullopt;
  reported_ns_ = now;
  unreported_ = false;
  nack_due_ = reorder_.has_holes();
  if (now + kIdleIntervalNs >= data_ns_ + kSilentAfterNs) reorder_.trim();

  Report report;
  report.session = sessions_.newest();
  report.time_us = now / 1000;
  report.next = sessions_.counter_in_newest(reorder_.next());
  report.buffered = reorder_.waiting() + latency_.waiting();
  for (PathId i = 0; i < kMaxPaths; ++i) {
    if (std::ranges::count(remote_of_, i) == 0) continue;
    report.path[report.paths++] = remote_[i].tally.report(now, i, report.session);
  }
  return report;
}

std::optional<Nack> Receiver::nack_due(uint64_t now) {
  if (!nack_due_) return std::nullopt;
  nack_due_ = false;
  const auto extent = sessions_.extent_from(reorder_.next());
  if (!extent) return std::nullopt;
  Nack nack;
  nack.session = extent->session;
  uint64_t listed_below = ahead(extent->base, reorder_.next()) > 0 ? extent->base : reorder_.next();
  const uint64_t end = ahead(extent->end, reorder_.end()) < 0 ? extent->end : reorder_.end();
  for (Stretch stretch : suspects(now)) {
    if (ahead(stretch.first, listed_below) < 0) stretch.first = listed_below;
    if (ahead(stretch.end, end) > 0) stretch.end = end;
    list_missing(stretch, extent->base, nack);
    if (ahead(stretch.end, listed_below) > 0) listed_below = stretch.end;
  }
  return nack.ranges.empty() ? std::nullopt : std::optional(std::move(nack));
}

std::vector<Receiver::Stretch> Receiver::suspects(uint64_t now) {
  const uint64_t next = reorder_.next(), end = reorder_.end();
  if (now >= full_nack_ns_ + kFullNackIntervalNs) {
    full_nack_ns_ = now;
    return {{next, end}};
  }
  std::vector<Stretch> stretches;
  uint64_t passed_by_all = end;
  const PathSet paths = carrying(now);
  for (PathId i = 0; i < kMaxPaths; ++i) {
    if (!has(paths, i)) continue;
    const PathMark& mark = remote_[i].tally.mark();
    if (!mark.has_passed(next)) {
      passed_by_all = next;
      continue;
    }
    const uint64_t lookback = kRecentNs + remote_[i].slack_ns;
    const uint64_t before = mark.highest_at(now - std::min(now, lookback)).value_or(next);
    if (ahead(mark.highest(), passed_by_all) < 0) passed_by_all = mark.highest();
    stretches.push_back({ahead(before, next) > 0 ? before : next, mark.highest()});
  }
  if (paths != 0) stretches.push_back({next, passed_by_all});
  std::ranges::sort(stretches, [](const Stretch& a, const Stretch& b) { return ahead(a.first, b.first) < 0; });
  return stretches;
}

void Receiver::list_missing(const Stretch& stretch, uint64_t base, Nack& nack) {
  uint64_t room = Nack::kMaxCounters;
  for (const Nack::Range& range : nack.ranges) room -= range.count;
  uint64_t first = stretch.first;
  while (ahead(stretch.end, first) > 0 && room != 0 && nack.ranges.size() < Nack::kMaxRanges) {
    first = reorder_.first_missing(first, stretch.end);
    if (first == stretch.end) return;
    const uint64_t count = std::min(reorder_.first_present(first, stretch.end) - first, room);
    nack.ranges.push_back({first - base, static_cast<uint16_t>(count)});
    room -= count;
    for (uint64_t i = 0; i < count; ++i) nacked_.add(first++);
  }
}

}  // namespace weft::bond
