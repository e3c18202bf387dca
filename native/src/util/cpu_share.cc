#include "util/cpu_share.h"

#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace weft {
namespace {

constexpr uint64_t kShortestSliceNs = 100'000;  // that the kernel grants

// struct sched_attr of sched_setattr(2), first version; which header has it depends on the C library.
struct Attributes {
  uint32_t size = sizeof(Attributes);
  uint32_t policy = 0;
  uint64_t flags = 0;
  int32_t nice = 0;
  uint32_t priority = 0;
  uint64_t runtime = 0;
  uint64_t deadline = 0;
  uint64_t period = 0;
};
static_assert(sizeof(Attributes) == 48);

bool get(Attributes& attributes) {
  return syscall(SYS_sched_getattr, 0, &attributes, sizeof attributes, 0) == 0 &&
         (attributes.policy == SCHED_OTHER || attributes.policy == SCHED_BATCH);
}

// Returns the slice before; 0: it stays as it is. A kernel that knows no slices takes the value, and forgets it.
uint64_t set_slice(uint64_t ns) {
  Attributes attributes;
  if (!get(attributes)) return 0;
  const uint64_t before = attributes.runtime;
  attributes.runtime = ns;
  if (syscall(SYS_sched_setattr, 0, &attributes, 0) != 0) return 0;
  return get(attributes) && attributes.runtime == ns ? before : 0;
}

}  // namespace

bool CpuShare::worked(uint64_t now) {
  worked_ns_ = now;
  if (!possible_) return false;
  if (!busy_) {
    ordinary_slice_ns_ = set_slice(kShortestSliceNs);
    busy_ = possible_ = ordinary_slice_ns_ != 0;
  }
  if (!busy_ || now < since_ns_ + kTurnNs) return false;
  sched_yield();
  since_ns_ = now;
  return true;
}

void CpuShare::waited(uint64_t from, uint64_t now) {
  if (now >= from + kPauseNs) since_ns_ = now;
  if (!busy_ || now < worked_ns_ + kCalmNs) return;
  set_slice(ordinary_slice_ns_);
  busy_ = false;
}

}  // namespace weft
