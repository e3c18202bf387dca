#include "sim/tcp_receiver.h"

#include <algorithm>

namespace weft::sim {
namespace {

constexpr uint32_t kQuickAcks = 16;  // the first segments are acknowledged at once, as in Linux
constexpr uint64_t kAckDelay = 40 * kMilli;

}  // namespace

void TcpReceiver::insert(uint32_t segment) {
  uint32_t begin = segment, end = segment + 1;
  auto after = islands_.upper_bound(segment);
  if (after != islands_.begin()) {
    auto before = std::prev(after);
    if (before->second == segment) {
      begin = before->first;
      islands_.erase(before);
    }
  }
  if (after != islands_.end() && after->first == end) {
    end = after->second;
    islands_.erase(after);
  }
  islands_[begin] = end;
  std::erase_if(recent_, [&](uint32_t known) { return known >= begin && known < end; });
  recent_.push_front(segment);
  if (recent_.size() > 8) recent_.pop_back();
}

void TcpReceiver::receive(const TcpBody& data) {
  if (data.syn) {
    echo_ = data.stamp;
    send_ack(true);
    return;
  }
  ++arrived_;
  const uint32_t segment = data.segment;
  if (segment < highest_) ++inversions_;
  highest_ = std::max(highest_, segment);
  const auto island = islands_.upper_bound(segment);
  const bool known = segment < next_ || (island != islands_.begin() && std::prev(island)->second > segment);
  bool at_once = !islands_.empty();
  // The stamp of the earliest segment that the acknowledgement covers (RFC 7323, 4.1).
  if (unacked_ == 0 || segment != next_) echo_ = data.stamp;
  if (known) {
    ++duplicates_;
    dsack_ = true;
    dsack_segment_ = segment;
    at_once = true;
  } else if (segment == next_) {
    ++next_;
    if (!islands_.empty() && islands_.begin()->first == next_) {
      next_ = islands_.begin()->second;
      islands_.erase(islands_.begin());
      std::erase_if(recent_, [&](uint32_t other) { return other < next_; });
    }
  } else {
    insert(segment);
    at_once = true;
  }
  ++unacked_;
  if (at_once || unacked_ >= 2 || next_ < kQuickAcks) {
    send_ack();
  } else {
    alarm_.set(loop_.now() + kAckDelay);
  }
}

void TcpReceiver::send_ack(bool syn) {
  TcpBody ack;
  ack.syn = syn;
  ack.is_ack = true;
  ack.ack = next_;
  ack.stamp = loop_.now();
  ack.echo = echo_;
  if (dsack_) {
    ack.dsack = true;
    ack.range[ack.ranges++] = {dsack_segment_, dsack_segment_ + 1};
  }
  for (const uint32_t segment : recent_) {
    if (ack.ranges == ack.range.size()) break;
    const auto island = std::prev(islands_.upper_bound(segment));
    ack.range[ack.ranges++] = {island->first, island->second};
  }
  dsack_ = false;
  unacked_ = 0;
  alarm_.set(kNever);
  acknowledge_(ack);
}

}  // namespace weft::sim
