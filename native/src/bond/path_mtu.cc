// One probe at a time; what is lost along with the whole path says nothing of sizes.
#include "bond/path_mtu.h"

#include <algorithm>

#include "bond/types.h"

namespace weft::bond {

void PathMtu::start(uint64_t now, uint32_t limit) {
  limit_ = std::max(limit, kBase);
  proven_ = kBase;
  refused_ = limit_ + 1;
  tries_ = 0;
  searched_ns_ = settled_ns_ = now;
  probe_ = {};
}

std::optional<uint32_t> PathMtu::probe_due(uint64_t now, bool loaded) const {
  if (now < next_deadline(loaded) || probe_.size != 0) return std::nullopt;
  return next_size();
}

uint32_t PathMtu::next_size() const {
  if (!searching()) return proven_;
  if (refused_ > limit_) return limit_;
  return proven_ + std::max(kStep, (refused_ - proven_) / 2 / kStep * kStep);
}

uint64_t PathMtu::next_deadline(bool loaded) const {
  if (limit_ == kBase) return kNever;
  if (probe_.size != 0) return probe_.overdue_ns;
  if (searching()) return settled_ns_;
  if (loaded) return settled_ns_ + kConfirmNs;
  return kNever;
}

void PathMtu::sent(uint64_t now, uint32_t size, uint64_t token, uint64_t timeout_ns) {
  probe_ = {size, token, now, now + timeout_ns};
}

bool PathMtu::answered(uint64_t now, uint64_t token) {
  if (probe_.size == 0 || probe_.token != token) return false;
  const uint32_t before = size();
  proven_ = std::max(proven_, probe_.size);
  probe_ = {};
  tries_ = 0;
  settled_ns_ = now;
  return size() != before;
}

bool PathMtu::expire(uint64_t now, uint64_t heard_ns) {
  if (!searching() && proven_ < limit_ && now >= searched_ns_ + kRaiseNs) {
    refused_ = limit_ + 1;
    searched_ns_ = now;
    return false;
  }
  if (probe_.size == 0 || now < probe_.overdue_ns) return false;
  const Probe lost = probe_;
  const uint32_t before = size();
  probe_ = {};
  settled_ns_ = now;
  if (heard_ns <= lost.sent_ns || ++tries_ < kTries) return false;
  tries_ = 0;
  searched_ns_ = now;
  if (lost.size > kBase) refused_ = lost.size;
  if (lost.size <= proven_) proven_ = kBase;
  return size() != before;
}

}  // namespace weft::bond
