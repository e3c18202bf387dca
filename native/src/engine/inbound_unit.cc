#include "engine/inbound_unit.h"

#include <algorithm>
#include <numeric>

#include "util/clock.h"

namespace weft::engine {
namespace {

// A whole burst already: waiting for more would only add delay.
constexpr uint32_t kLargeReceive = 32 * 1024;

}  // namespace

void DataMessages::clear() {
  jobs.clear();
  origins.clear();
}

void DataMessages::add(const crypto::AeadJob& job, const Origin& origin) {
  jobs.push_back(job);
  origins.push_back(origin);
}

void InboundUnit::clear() {
  now_ = now_ns();
  receives_ = datagrams_ = bytes_ = 0;
  large_ = emptied_ = opened_ = flows_known_ = false;
}

uint32_t InboundUnit::authentic_bytes() const {
  const auto& jobs = messages_.jobs;
  return std::accumulate(jobs.begin(), jobs.end(), 0u,
                         [](uint32_t sum, const crypto::AeadJob& job) { return sum + (job.ok ? job.length : 0); });
}

// A burst is asked for alone, and a ring has nothing to save there.
uint32_t InboundUnit::receive(net::UdpSocket& socket, uint32_t count) {
  if (uring_ == nullptr || count == 1) return socket.receive(received_, receives_, count);
  const uint32_t got = uring_->receive(socket.fd(), received_.messages(receives_, count));
  received_.took(receives_, got);
  return got;
}

// Returns the length of the longest of the receives that came in.
uint32_t InboundUnit::took(uint32_t receives) {
  uint32_t longest = 1;
  for (uint32_t i = 0; i < receives; ++i) {
    const net::Received& received = received_[receives_++];
    datagrams_ += received.datagrams();
    bytes_ += received.length;
    longest = std::max(longest, received.length);
  }
  large_ = longest >= kLargeReceive;
  return longest;
}

InboundLine::InboundLine(io::Uring* uring, uint32_t room) {
  for (uint32_t i = 0; i < room; ++i) units_.emplace_back(uring);
}

void InboundLine::pop() {
  --size_;
  // Memory that is warm, and no more of it than there is a line.
  head_ = size_ == 0 ? 0 : (head_ + 1) % static_cast<uint32_t>(units_.size());
}

}  // namespace weft::engine
