// The latency class's own order, across the wrap of its 16 bits.
#include "bond/latency_order.h"

#include <gtest/gtest.h>

#include <cstring>
#include <deque>
#include <map>
#include <random>
#include <vector>

#include "bond/types.h"

namespace weft::bond {
namespace {

constexpr uint64_t kMs = kNanosPerMilli;
constexpr uint64_t kStart = 1000 * kNanosPerSecond;
using Numbers = std::vector<uint64_t>;

class Call {
 public:
  void receive(uint64_t now, uint64_t n) {
    uint64_t text = n;
    order.receive(now, static_cast<uint16_t>(n), {reinterpret_cast<uint8_t*>(&text), sizeof text}, released_);
    collect();
  }
  void expire(uint64_t now) {
    order.expire(now, released_);
    collect();
  }
  Numbers take() { return std::exchange(out_, {}); }

  LatencyOrder order;

 private:
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
};

TEST(BondLatencyOrder, InOrderAtOnceOlderNever) {
  Call call;
  call.receive(kStart, 10);
  call.receive(kStart, 11);
  call.receive(kStart, 13);
  EXPECT_EQ(call.take(), (Numbers{10, 11}));
  call.receive(kStart, 12);
  EXPECT_EQ(call.take(), (Numbers{12, 13}));
  call.receive(kStart, 9);
  EXPECT_EQ(call.take(), Numbers{});
  EXPECT_EQ(call.order.dropped(), 1u);
}

TEST(BondLatencyOrder, AheadWaitsTwentyMilliseconds) {
  Call call;
  call.receive(kStart, 0);
  EXPECT_EQ(call.order.next_deadline(), kNever);
  call.receive(kStart + 1 * kMs, 5);
  call.receive(kStart + 9 * kMs, 3);
  EXPECT_EQ(call.order.next_deadline(), kStart + 21 * kMs);  // of the first that came, whatever follows
  call.take();
  call.expire(kStart + 21 * kMs - 1);
  EXPECT_EQ(call.take(), Numbers{});
  call.expire(kStart + 21 * kMs);
  EXPECT_EQ(call.take(), (Numbers{3, 5}));
  call.receive(kStart + 22 * kMs, 4);
  EXPECT_EQ(call.take(), Numbers{});
}

TEST(BondLatencyOrder, WhoIsFarAheadWaitsForNobody) {
  Call call;
  call.receive(kStart, 0);
  call.receive(kStart, 2);
  call.receive(kStart, 2 + LatencyOrder::kSlots);
  EXPECT_EQ(call.take(), (Numbers{0, 2, 2 + LatencyOrder::kSlots}));
  EXPECT_EQ(call.order.waiting(), 0u);
}

TEST(BondLatencyOrder, ASenderThatBeganAnewIsHeard) {
  Call call;
  for (uint64_t n = 500; n < 510; ++n) call.receive(kStart, n);
  call.take();
  call.receive(kStart + 99 * kMs, 0);
  EXPECT_EQ(call.take(), Numbers{});
  call.receive(kStart + 100 * kMs, 1);
  call.receive(kStart + 120 * kMs, 2);
  EXPECT_EQ(call.take(), (Numbers{1, 2}));
}

// Row 16. Packets 1 ms apart over five wraps, of which some are lost, and some late by up to 30 ms. The model knows
// their true numbers: in order, none older than what went before, none later than 20 ms, nothing lost that came in
// time.
TEST(BondLatencyOrder, AgreesWithAModelThatNeverWraps) {
  std::mt19937_64 random(7);
  Call call;
  std::multimap<uint64_t, uint64_t> arrivals;  // time -> number
  for (uint64_t n = 0; n < 5 * 65536; ++n) {
    const uint64_t kind = random() % 100;
    if (kind < 2) continue;
    arrivals.emplace(kStart + n * kMs + (kind < 10 ? random() % (30 * kMs) : 0), n);
  }
  uint64_t next = 0;
  std::map<uint64_t, uint64_t> waiting;  // number -> arrival
  Numbers expected;
  auto run = [&] {
    for (auto it = waiting.begin(); it != waiting.end() && it->first == next; it = waiting.erase(it))
      expected.push_back(next++);
  };
  auto expire = [&](uint64_t now) {
    uint64_t due = 0;
    for (const auto& [n, since] : waiting) {
      if (now >= since + LatencyOrder::kHoldNs) due = n + 1;
    }
    while (!waiting.empty() && waiting.begin()->first < due) {
      expected.push_back(waiting.begin()->first);
      next = waiting.begin()->first + 1;
      waiting.erase(waiting.begin());
    }
    run();
  };
  for (const auto& [time, n] : arrivals) {
    while (call.order.next_deadline() <= time) {
      const uint64_t due = call.order.next_deadline();
      expire(due);
      call.expire(due);
    }
    if (n >= next) {
      waiting[n] = time;
      run();
    }
    call.receive(time, n);
    if (expected.size() > 1000) {
      ASSERT_EQ(call.take(), std::exchange(expected, {})) << "at " << n;
    }
  }
  EXPECT_EQ(call.take(), expected);
}

}  // namespace
}  // namespace weft::bond
