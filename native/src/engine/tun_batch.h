// Inbound, last step: what a unit has for the host's stack, written to the TUN as it comes, or by io_uring all at once.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/counters.h"
#include "engine/tun_queues.h"
#include "io/uring.h"
#include "tun/gro_merge.h"

namespace weft::engine {

class TunBatch : public tun::TunSink {
 public:
  TunBatch(TunQueues& queues, Counters& counters) : queues_(queues), counters_(counters) {}

  // Around the writes of one unit, whose packets stay in memory until flush(). `uring` null: a system call each.
  void begin(io::Uring* uring) { uring_ = queues_.write_fd() >= 0 ? uring : nullptr; }
  void write(const iovec* iov, int count) override;
  // Writes what waits.
  void flush();

 private:
  void clear();

  TunQueues& queues_;
  Counters& counters_;
  io::Uring* uring_ = nullptr;
  std::vector<tun::VirtioHeader> headers_;  // by write
  std::vector<uint32_t> counts_;            // the same: iovecs
  std::vector<iovec> iovecs_;               // of all writes
};

}  // namespace weft::engine
