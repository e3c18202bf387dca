// How the kernel schedules the calling thread.
#pragma once

#include <cstdint>

namespace weft {

// struct sched_attr of sched_setattr(2), first version; which header has it depends on the C library.
struct SchedulingAttributes {
  uint32_t size = sizeof(SchedulingAttributes);
  uint32_t policy = 0;
  uint64_t flags = 0;
  int32_t nice = 0;
  uint32_t priority = 0;
  uint64_t runtime = 0;  // of ordinary threads: the time slice, in nanoseconds; 0: a kernel before 6.12 has none
  uint64_t deadline = 0;
  uint64_t period = 0;
};
static_assert(sizeof(SchedulingAttributes) == 48);

// Belongs to the thread that calls it.
class ThreadScheduling {
 public:
  enum class As {
    kFound,       // as it was, niceness and all
    kShortSlice,  // an ordinary thread with the shortest time slice that the kernel grants (Linux 6.12)
    kRealTime,    // SCHED_FIFO at its lowest priority
  };

  As as() const { return as_; }
  // Returns whether it is: kernel and rights may not allow it, and then it stays as it is. A thread that was found with
  // another policy than an ordinary one is left alone.
  bool become(As as);

 private:
  As as_ = As::kFound;
  SchedulingAttributes found_;  // while it is something else
};

}  // namespace weft
