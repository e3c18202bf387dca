#include "sim/flows.h"

#include <algorithm>
#include <cmath>

namespace weft::sim {

TcpFlow::TcpFlow(const Ends& ends, Tcp kind, uint64_t seed)
    : ends_(ends),
      sender_(ends.loop, make_congestion_control(kind, seed), [this](const TcpBody& body) { emit(body); }),
      receiver_(ends.loop, [this](const TcpBody& body) { emit(body); }) {}

void TcpFlow::emit(const TcpBody& body) {
  uint32_t length = kAckLength;
  if (body.is_ack) {
    length += body.ranges * 8u + (body.ranges > 0 ? 4u : 0u);
  } else if (!body.syn) {
    length += kSegmentPayload;
  }
  const bool forward = ends_.forward != body.is_ack;
  InnerPacket packet = inner_packet(kTcp, 0, forward, ends_.number, length, noted_);
  notes_[noted_++ % kNotes] = body;
  const uint32_t header = (body.is_ack ? length : kAckLength) - 20;
  packet.head[32] = static_cast<uint8_t>(header / 4 << 4);
  packet.head[33] = static_cast<uint8_t>((body.syn ? 0x02 : 0) | (body.is_ack || !body.syn ? 0x10 : 0));
  (body.is_ack ? ends_.far : ends_.near)->send(packet);
}

void TcpFlow::receive(std::span<const uint8_t> packet, bool at_far) {
  const uint64_t note = note_of(packet);
  if (note + kNotes <= noted_) return;  // older than anything may be
  const TcpBody body = notes_[note % kNotes];
  if (body.is_ack) {
    if (!at_far) sender_.receive(body);
  } else if (at_far) {
    receiver_.receive(body);
  }
}

UdpFlow::UdpFlow(const Ends& ends, Kind kind, uint64_t seed)
    : ends_(ends), kind_(kind), random_(seed), alarm_(ends.loop, [this] { emit(); }) {}

void UdpFlow::start(uint64_t until) {
  until_ = until;
  emit();
}

void UdpFlow::emit() {
  const uint64_t now = ends_.loop.now();
  if (now >= until_) return;
  sent_at_.push_back(now);
  seen_.push_back(false);
  ends_.near->send(inner_packet(kUdp, kind_.traffic_class, ends_.forward, ends_.number, kind_.length, sent_++));
  const double interval = 1 / kind_.packets_per_second;
  alarm_.set(now + seconds(kind_.poisson ? random_.exponential(interval) : interval));
}

void UdpFlow::receive(std::span<const uint8_t> packet, bool at_far) {
  if (!at_far) return;
  const auto number = static_cast<uint32_t>(note_of(packet));
  if (seen_[number]) {
    ++duplicates_;
    return;
  }
  seen_[number] = true;
  bytes_ += kind_.length - 28;
  arrived_.push_back({sent_at_[number], ends_.loop.now(), number});
}

uint64_t UdpFlow::inversions(double from) const {
  const uint64_t begin = kStart + seconds(from);
  uint64_t count = 0;
  uint32_t highest = 0;
  for (const Arrived& each : arrived_) {
    if (each.number < highest && each.sent_at >= begin) ++count;
    highest = std::max(highest, each.number);
  }
  return count;
}

double UdpFlow::delay_ms(double quantile, double from, double to) const {
  const uint64_t begin = kStart + seconds(from), end = kStart + seconds(to);
  std::vector<double> delays;
  for (const Arrived& each : arrived_) {
    if (each.sent_at >= begin && each.sent_at < end) delays.push_back(to_ms(each.at - each.sent_at));
  }
  if (delays.empty()) return INFINITY;
  const auto index = static_cast<size_t>(quantile * static_cast<double>(delays.size() - 1));
  std::ranges::nth_element(delays, delays.begin() + static_cast<std::ptrdiff_t>(index));
  return delays[index];
}

double UdpFlow::lost_share(double from, double to) const {
  const uint64_t begin = kStart + seconds(from), end = kStart + seconds(to);
  uint64_t sent = 0, lost = 0;
  for (size_t i = 0; i < sent_at_.size(); ++i) {
    if (sent_at_[i] < begin || sent_at_[i] >= end) continue;
    ++sent;
    if (!seen_[i]) ++lost;
  }
  return sent == 0 ? 1 : static_cast<double>(lost) / static_cast<double>(sent);
}

double UdpFlow::longest_gap_ms(double from, double to) const {
  const uint64_t begin = kStart + seconds(from), end = kStart + seconds(to);
  uint64_t last = begin, longest = 0;
  for (const Arrived& each : arrived_) {
    if (each.at < begin || each.at >= end) continue;
    longest = std::max(longest, each.at - last);
    last = each.at;
  }
  return to_ms(std::max(longest, end - last));
}

}  // namespace weft::sim
