// The receiving end of a simulated TCP flow: delayed acknowledgements (RFC 5681, 4.2), at once when out of order.
#pragma once

#include <deque>
#include <functional>
#include <map>

#include "sim/loop.h"
#include "sim/tcp_wire.h"

namespace weft::sim {

class TcpReceiver {
 public:
  TcpReceiver(Loop& loop, std::function<void(const TcpBody&)> acknowledge)
      : acknowledge_(std::move(acknowledge)), loop_(loop), alarm_(loop, [this] { send_ack(); }) {}

  void receive(const TcpBody& data);

  uint32_t in_order() const { return next_; }  // segments that the application has
  uint64_t arrived() const { return arrived_; }
  uint64_t duplicates() const { return duplicates_; }
  // Segments that came after a later one.
  uint64_t inversions() const { return inversions_; }

 private:
  void insert(uint32_t segment);
  void send_ack(bool syn = false);

  std::function<void(const TcpBody&)> acknowledge_;
  Loop& loop_;
  Alarm alarm_;
  uint32_t next_ = 0, highest_ = 0;
  uint64_t arrived_ = 0, duplicates_ = 0, inversions_ = 0;
  std::map<uint32_t, uint32_t> islands_;  // begin -> end, above next_
  std::deque<uint32_t> recent_;           // a segment of each island, the latest changed first
  uint32_t unacked_ = 0;
  uint64_t echo_ = 0;
  bool dsack_ = false;
  uint32_t dsack_segment_ = 0;
};

}  // namespace weft::sim
