#include "util/thread_scheduling.h"

#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

namespace weft {
namespace {

constexpr uint64_t kShortestSliceNs = 100'000;

bool get(SchedulingAttributes& attributes) {
  return syscall(SYS_sched_getattr, 0, &attributes, sizeof attributes, 0) == 0;
}

bool set(const SchedulingAttributes& attributes) { return syscall(SYS_sched_setattr, 0, &attributes, 0) == 0; }

// As somebody may have set it meanwhile. To lower it again would need a right.
void update_niceness(SchedulingAttributes& attributes) {
  errno = 0;
  const int nice = getpriority(PRIO_PROCESS, static_cast<id_t>(gettid()));
  if (errno == 0) attributes.nice = nice;
}

bool is_ordinary(const SchedulingAttributes& attributes) {
  return attributes.policy == SCHED_OTHER || attributes.policy == SCHED_BATCH;
}

SchedulingAttributes real_time(SchedulingAttributes attributes) {
  attributes.policy = SCHED_FIFO;
  attributes.priority = static_cast<uint32_t>(sched_get_priority_min(SCHED_FIFO));
  attributes.nice = 0;
  attributes.runtime = 0;
  return attributes;
}

SchedulingAttributes with_slice(SchedulingAttributes attributes, uint64_t ns) {
  attributes.runtime = ns;
  return attributes;
}

}  // namespace

bool ThreadScheduling::become(As as) {
  if (as == as_) return true;
  if (as_ == As::kFound && (!get(found_) || !is_ordinary(found_))) return false;
  update_niceness(found_);
  switch (as) {
    case As::kFound:
      if (!set(found_)) return false;
      break;
    case As::kShortSlice:
      // A kernel that knows no slices takes the value, and forgets it.
      if (found_.runtime == 0 || !set(with_slice(found_, kShortestSliceNs))) return false;
      break;
    case As::kRealTime:
      if (!set(real_time(found_))) return false;
  }
  as_ = as;
  return true;
}

}  // namespace weft
