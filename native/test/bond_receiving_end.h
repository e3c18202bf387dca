// A receiving end for tests: packets that contain their number go in, numbers come out.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <utility>
#include <vector>

#include "bond/receiver.h"

namespace weft::bond {

constexpr uint64_t kMs = kNanosPerMilli;
constexpr uint64_t kStart = 1000 * kNanosPerSecond;
using Numbers = std::vector<uint64_t>;

class ReceivingEnd {
 public:
  static constexpr SessionIndex kSession = 77;

  // The sender numbers its paths as we do.
  explicit ReceivingEnd(PathId paths = 2) {
    for (PathId i = 0; i < paths; ++i) receiver.set_remote_path(i, i);
    receiver.start_session(kSession);
  }

  // Of `counter`, by a path. The packet's number is its counter.
  void bulk(uint64_t now, PathId path, uint64_t counter, SessionIndex session = kSession) {
    receive(now, {.path = path, .session = session, .counter = counter}, counter);
  }
  void sparse(uint64_t now, PathId path, uint64_t counter) {
    receive(now, {.path = path, .session = kSession, .counter = counter, .cls = Class::kSparse}, counter);
  }
  void latency(uint64_t now, PathId path, uint64_t counter, uint16_t sequence) {
    receive(
        now,
        {.path = path, .session = kSession, .counter = counter, .cls = Class::kLatency, .latency_sequence = sequence},
        counter);
  }
  void control(uint64_t now, PathId path, uint64_t counter) {
    receiver.receive(now, {.path = path, .session = kSession, .counter = counter, .wire_bytes = 64}, released_);
    collect();
  }
  void copy(uint64_t now, PathId path, uint64_t counter) {
    receiver.duplicate(now, path, kSession, counter, Class::kBulk, 1000);
  }
  void expire(uint64_t now) {
    receiver.expire(now, released_);
    collect();
  }
  // Both paths carry bulk.
  void state(uint64_t now, uint32_t hold_us, uint32_t slack_us = 0, uint32_t repair_us = 0, PathSet carrying = 3) {
    PathState s{.sequence = ++state_sequence_, .hold_us = hold_us, .repair_us = repair_us, .paths = 2};
    for (PathId i = 0; i < 2; ++i) {
      s.path[i] = {.path = i, .carries_bulk = (carrying >> i & 1) != 0, .slack_us = slack_us};
    }
    receiver.on_path_state(now, s);
  }
  // What the clock does until then: nothing but deadlines.
  void run_until(uint64_t end) {
    for (uint64_t due = receiver.next_deadline(); due <= end; due = receiver.next_deadline()) {
      const uint64_t now = std::max(due, last_);
      expire(now);
      if (receiver.report_due(now)) receiver.nack_due(now);
      last_ = now;
      ASSERT_GT(receiver.next_deadline(), now) << "work is left that is never done";
    }
    last_ = end;
  }
  // When the next packet comes out by the clock alone; kNever: none does.
  uint64_t when_released() {
    while (out_.empty() && receiver.next_deadline() != kNever) run_until(std::max(last_, receiver.next_deadline()));
    return out_.empty() ? kNever : last_;
  }
  Numbers take() { return std::exchange(out_, {}); }

  Receiver receiver;

 private:
  void receive(uint64_t now, Arrival arrival, uint64_t number) {
    arrival.wire_bytes = 1000;
    arrival.packet = {reinterpret_cast<uint8_t*>(&number), sizeof number};
    receiver.receive(now, arrival, released_);
    last_ = std::max(last_, now);
    collect();
  }
  void collect() {
    for (const Released::Packet& packet : released_.packets()) {
      uint64_t n;
      std::memcpy(&n, packet.data, sizeof n);
      out_.push_back(n);
    }
    released_.clear();
  }

  Released released_;
  Numbers out_;
  uint32_t state_sequence_ = 0;
  uint64_t last_ = 0;
};

}  // namespace weft::bond
