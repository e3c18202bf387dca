#include "engine/exclusive_section.h"

namespace weft::engine {

void ExclusiveSection::run(const std::function<void()>& change) {
  wanted_.fetch_add(1);
  {
    std::lock_guard one(mutex_);
    for (LaneOrder* lane : lanes_) {
      // The leader sets `sleeping` and then reads `wanted_`, here it is the other way round: one of both is seen.
      if (lane->sleeping.load()) lane->wake();
      lane->leader.lock();
    }
    for (LaneOrder* lane : lanes_) {
      lane->outbound.drain();
      lane->inbound.drain();
    }
    change();
    for (LaneOrder* lane : lanes_) lane->leader.unlock();
  }
  if (wanted_.fetch_sub(1) == 1) wanted_.notify_all();
}

}  // namespace weft::engine
