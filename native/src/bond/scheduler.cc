#include "bond/scheduler.h"

#include <algorithm>

#include "util/clock.h"

namespace weft::bond {
namespace {

// A path must be better than the fastest by this: it costs order.
constexpr uint64_t kSlowerNs = kNanosPerMilli;

}  // namespace

PathId fastest_path(const std::array<PathView, kMaxPaths>& views, PathSet usable) {
  PathId best = kNoPath;
  for (PathId i = 0; i < kMaxPaths; ++i) {
    if (has(usable, i) && (best == kNoPath || views[i].delay_ns < views[best].delay_ns)) best = i;
  }
  return best;
}

Choice choose_path(const std::array<PathView, kMaxPaths>& views, PathSet usable, Class cls, uint64_t pad_ns) {
  const PathId fastest = fastest_path(views, usable);
  Choice best;
  if (fastest == kNoPath) return best;
  const uint64_t target = views[fastest].delay_ns + pad_ns;
  uint64_t best_arrival = UINT64_MAX;
  for (PathId i = 0; i < kMaxPaths; ++i) {
    const PathView& v = views[i];
    if (!has(usable, i)) continue;
    uint64_t pad = 0, leave = 0;
    if (cls == Class::kBulk) {
      if (v.full) continue;
      pad = target > v.delay_ns ? std::min(pad_ns, target - v.delay_ns) : 0;
      leave = std::max(v.wait_ns, pad);
    }
    const uint64_t arrival = leave + v.serialization_ns + v.delay_ns + (i == fastest ? 0 : kSlowerNs);
    if (arrival < best_arrival) {
      best_arrival = arrival;
      best = {i, pad, leave - pad};
    }
  }
  return best;
}

}  // namespace weft::bond
