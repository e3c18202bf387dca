// How the tables that all packets read are changed without a lock a packet: in a section during which no packet is on
// its way. Whoever enters raises a flag, which new leaders respect, takes every lane's leadership and waits for the
// units that were taken before.
#pragma once

#include <atomic>
#include <functional>
#include <mutex>
#include <vector>

#include "engine/ticket_line.h"

namespace weft::engine {

// What orders the threads of one lane.
struct LaneOrder {
  std::mutex leader;  // held while a unit is taken, and while the lane sleeps
  TicketLine outbound;
  TicketLine inbound;
  std::atomic<bool> sleeping{false};  // the leader is about to sleep; it looks at wanted() after setting this
  std::function<void()> wake;         // ends that sleep
};

class ExclusiveSection {
 public:
  // Before any thread runs.
  void add(LaneOrder& lane) { lanes_.push_back(&lane); }

  // A leader that sees it gives its leadership back.
  bool wanted() const { return wanted_.load() != 0; }
  // Who wants to lead waits, so that a section is not put off for ever; sections end.
  void wait_while_wanted() const {
    for (uint32_t n = wanted_.load(); n != 0; n = wanted_.load()) wanted_.wait(n);
  }

  // Runs `change` while nothing else runs. Not from within a unit, nor from `change`.
  void run(const std::function<void()>& change);

 private:
  std::vector<LaneOrder*> lanes_;
  std::mutex mutex_;                 // one section at a time
  std::atomic<uint32_t> wanted_{0};  // by how many threads
};

}  // namespace weft::engine
