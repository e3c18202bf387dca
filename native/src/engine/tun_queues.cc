#include "engine/tun_queues.h"

#include <algorithm>
#include <bit>

namespace weft::engine {

bool TunQueues::read(uint32_t queue, std::span<uint8_t> buffer, uint32_t& length) {
  if ((ready_ >> queue & 1) == 0) return false;
  const tun::ReadStatus status = tun_.read(first_ + queue, buffer, length);
  if (status == tun::ReadStatus::kPacket) return true;
  failed_ |= status == tun::ReadStatus::kFailed;
  ready_ &= ~(1u << queue);
  return false;
}

// Where the program says that this was all, nobody asks the kernel for more: the poller tells of what comes now.
void TunQueues::left(uint32_t number) {
  if (++queues_[number].left == tun_.steering()->entered(first_ + number)) ready_ &= ~(1u << number);
}

bool TunQueues::read_sparse(std::span<uint8_t> buffer, Packet& packet) {
  packet.congested = false;
  const bool had = (ready_ >> kSparse & 1) != 0;
  if (read(kSparse, buffer, packet.length)) {
    if (tun_.steering() != nullptr) left(kSparse);
    return true;
  }
  if (had && tun_.steering() != nullptr) level(kSparse);
  return false;
}

uint32_t TunQueues::sparse_waiting() {
  if (tun_.steering() == nullptr) return 0;
  const uint64_t waiting = tun_.steering()->entered(first_ + kSparse) - queues_[kSparse].left;
  if (waiting != 0) set_ready(1u << kSparse);
  return static_cast<uint32_t>(std::min(waiting, kRingPackets));
}

// Queues that have become active wait their turn among the new.
void TunQueues::line_up() {
  for (uint32_t open = ready_ & ~(1u << kSparse); open != 0; open &= open - 1) {
    const auto number = static_cast<uint32_t>(std::countr_zero(open));
    Queue& queue = queues_[number];
    if (queue.turn != Turn::kNone) continue;
    queue.turn = Turn::kNew;
    queue.deficit = kQuantum;
    new_.push(number);
  }
}

bool TunQueues::read_bulk(uint64_t now, std::span<uint8_t> buffer, Packet& packet) {
  line_up();
  while (!new_.empty() || !old_.empty()) {
    const bool from_new = !new_.empty();
    Line& line = from_new ? new_ : old_;
    const uint32_t number = line.front();
    Queue& queue = queues_[number];
    if (queue.deficit <= 0) {
      queue.deficit += kQuantum;
      line.pop();
      queue.turn = Turn::kOld;
      old_.push(number);
      continue;
    }
    if (!read(number, buffer, packet.length)) {
      line.pop();
      queue_empty(number, from_new);
      continue;
    }
    queue.deficit -= static_cast<int32_t>(packet.length);
    packet.congested = judge(number, packet.length, now);
    return true;
  }
  return false;
}

void TunQueues::queue_empty(uint32_t number, bool was_new) {
  Queue& queue = queues_[number];
  level(number);
  // A queue that was new gets one more turn among the old, so that it cannot come back as new at once (RFC 8290 4.2).
  if (was_new && !old_.empty()) {
    queue.turn = Turn::kOld;
    old_.push(number);
  } else {
    queue.turn = Turn::kNone;
  }
}

// The program also counts packets that the kernel then had no room for. Of a queue just seen empty: levels the count
// where it is sure that nothing is on its way in.
void TunQueues::level(uint32_t number) {
  Queue& queue = queues_[number];
  constexpr uint64_t kSettledNs = kNanosPerMilli;
  const tun::Steering& steering = *tun_.steering();
  const uint64_t entered = steering.entered(first_ + number);
  if (entered != queue.left && now_ns() > steering.entry_time(first_ + number, entered - 1) + kSettledNs) {
    queue.left = entered;
  }
}

// Whether the packet just read should carry CoDel's signal. Small ones are left alone: to drop one hurts
// more than it helps.
bool TunQueues::judge(uint32_t number, uint32_t length, uint64_t now) {
  Queue& queue = queues_[number];
  const tun::Steering& steering = *tun_.steering();
  const uint64_t entered = steering.entered(first_ + number);
  // Nor can more be waiting than a ring holds.
  queue.left = std::max(queue.left, entered - std::min(entered, kRingPackets));
  if (queue.left >= entered) return false;
  const uint64_t entry = steering.entry_time(first_ + number, queue.left);
  left(number);
  const bool standing = entered > queue.left;
  const bool small = length <= sizeof(tun::VirtioHeader) + tun::Steering::kSmallPacket;
  return queue.codel.should_signal(now, now > entry ? now - entry : 0, standing, !small);
}

}  // namespace weft::engine
