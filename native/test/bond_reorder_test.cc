// The ring of bulk: order, holes, what waits, and agreement with a model of 64-bit numbers that never wrap.
#include "bond/reorder.h"

#include <gtest/gtest.h>

#include <cstring>
#include <map>
#include <random>
#include <vector>

#include "util/clock.h"

namespace weft::bond {
namespace {

constexpr uint64_t kMs = kNanosPerMilli;
constexpr uint64_t kSlots = Reorder::kSlots;

// A ring whose packets contain their order.
class Ring {
 public:
  explicit Ring(uint64_t base = 0) : base_(base) {}

  // Orders are given and delivered as distances from `base`.
  void receive(uint64_t n, uint64_t now = 0) {
    uint64_t text = n;
    reorder.receive(now, base_ + n, {reinterpret_cast<uint8_t*>(&text), sizeof text}, released_);
    collect();
  }
  void place(uint64_t n, uint64_t now = 0) {
    reorder.place(now, base_ + n, released_);
    collect();
  }
  uint64_t give_up_below(uint64_t n, uint64_t now = 0) {
    const uint64_t missing = reorder.give_up_below(now, base_ + n, released_);
    collect();
    return missing;
  }
  uint64_t next() const { return reorder.next() - base_; }
  uint64_t end() const { return reorder.end() - base_; }
  // What came out since the last call.
  std::vector<uint64_t> take() { return std::exchange(out_, {}); }

  Reorder reorder;

 private:
  void collect() {
    for (const Released::Packet& packet : released_.packets()) {
      uint64_t n;
      ASSERT_EQ(packet.length, sizeof n);
      std::memcpy(&n, packet.data, sizeof n);
      out_.push_back(n);
    }
    released_.clear();
  }

  uint64_t base_;
  Released released_;
  std::vector<uint64_t> out_;
};

using Numbers = std::vector<uint64_t>;

TEST(BondReorder, InOrderPassesThroughWithoutACopy) {
  Reorder reorder;
  Released released;
  uint8_t packet[100] = {};
  for (uint64_t i = 0; i < 1000; ++i) reorder.receive(0, i, packet, released);
  ASSERT_EQ(released.packets().size(), 1000u);
  for (const auto& p : released.packets()) EXPECT_EQ(p.data, packet);
  EXPECT_FALSE(reorder.has_holes());
}

TEST(BondReorder, WaitsForWhatIsMissing) {
  Ring ring;
  ring.receive(0);
  ring.receive(3);
  ring.receive(1);
  ring.receive(4);
  EXPECT_EQ(ring.take(), (Numbers{0, 1}));
  EXPECT_EQ(ring.reorder.waiting(), 2u);
  ring.receive(2);
  EXPECT_EQ(ring.take(), (Numbers{2, 3, 4}));
  EXPECT_EQ(ring.reorder.waiting(), 0u);
}

TEST(BondReorder, WhatWaitedOutlivesTheReceiveBuffer) {
  Reorder reorder;
  Released released;
  uint8_t buffer[3] = {1, 0, 0};
  reorder.receive(0, 0, buffer, released);
  buffer[0] = 3;
  reorder.receive(0, 2, buffer, released);
  buffer[0] = 2;
  reorder.receive(0, 1, buffer, released);
  ASSERT_EQ(released.packets().size(), 3u);
  EXPECT_EQ(released.packets()[2].data[0], 3);
}

TEST(BondReorder, GivingUpReleasesInOrder) {
  Ring ring;
  for (const uint64_t n : {0, 5, 2, 9}) ring.receive(n);
  ring.take();
  EXPECT_EQ(ring.give_up_below(4), 2u);  // 1 and 3
  EXPECT_EQ(ring.take(), (Numbers{2}));
  EXPECT_EQ(ring.next(), 4u);
  EXPECT_EQ(ring.give_up_below(9), 4u);  // 4, 6, 7, 8
  EXPECT_EQ(ring.take(), (Numbers{5, 9}));
  EXPECT_EQ(ring.give_up_below(20), 10u);
  EXPECT_EQ(ring.next(), 20u);
  EXPECT_EQ(ring.end(), 20u);
}

TEST(BondReorder, ALatePacketIsDeliveredAtOnceAndResetsNothing) {
  Ring ring;
  for (const uint64_t n : {0, 2, 5}) ring.receive(n);
  ring.give_up_below(2);
  ring.take();
  ring.receive(1);
  EXPECT_EQ(ring.take(), (Numbers{1}));
  EXPECT_EQ(ring.reorder.counts().late, 1u);
  EXPECT_EQ(ring.next(), 3u);
  EXPECT_EQ(ring.reorder.waiting(), 1u);
}

TEST(BondReorder, WhatOvertookTakesItsPlaceAndHoldsNothingUp) {
  Ring ring;
  ring.receive(0);
  ring.place(2);
  EXPECT_EQ(ring.reorder.waiting(), 0u);
  EXPECT_EQ(ring.reorder.placeholders(), 1u);
  ring.receive(1);
  ring.receive(3);
  EXPECT_EQ(ring.take(), (Numbers{0, 1, 3}));
  EXPECT_EQ(ring.reorder.placeholders(), 0u);
}

TEST(BondReorder, TheHoleIsAsOldAsTheFirstThatWaits) {
  Ring ring;
  ring.receive(0, 1 * kMs);
  ring.receive(9, 2 * kMs);
  ring.receive(5, 3 * kMs);  // before the other in order, but later
  EXPECT_EQ(ring.reorder.waiting_since(), 2 * kMs);
  EXPECT_EQ(ring.reorder.waiting_order(), 9u);
  ring.receive(20, 4 * kMs);
  ring.give_up_below(9, 5 * kMs);
  EXPECT_EQ(ring.reorder.waiting_since(), 4 * kMs);
  EXPECT_EQ(ring.reorder.waiting_order(), 20u);
  EXPECT_EQ(ring.reorder.counts().longest_hold_ns, 3 * kMs);
}

TEST(BondReorder, FarAheadReleasesTheOldest) {
  Ring ring;
  ring.receive(0);
  for (uint64_t n = 2; n < kSlots; ++n) ring.place(n);
  ring.receive(kSlots);  // the last that has room while 1 is missing
  EXPECT_EQ(ring.take(), (Numbers{0}));
  ring.receive(kSlots + 1);
  EXPECT_EQ(ring.take(), (Numbers{kSlots, kSlots + 1}));
  EXPECT_EQ(ring.reorder.counts().overflowed, 1u);
  ring.receive(100 * kSlots);
  ring.receive(uint64_t{1} << 62);
  EXPECT_EQ(ring.take(), (Numbers{100 * kSlots}));  // makes room for the other
  EXPECT_EQ(ring.reorder.waiting(), 1u);
}

TEST(BondReorder, MemoryOfWhatWaitsIsBounded) {
  Reorder reorder;
  Released released;
  std::vector<uint8_t> large(65'000);
  reorder.receive(0, 0, large, released);
  uint64_t order = 2;
  const uint64_t fit = Reorder::kMaxHeldBytes / large.size();
  for (uint64_t i = 0; i < fit; ++i, order += 2) reorder.receive(0, order, large, released);
  EXPECT_EQ(reorder.waiting(), fit);
  EXPECT_EQ(released.packets().size(), 1u);
  for (int i = 0; i < 100; ++i, order += 2) reorder.receive(0, order, large, released);
  EXPECT_EQ(reorder.waiting(), fit);
  EXPECT_EQ(released.packets().size(), 101u);
  EXPECT_EQ(reorder.counts().overflowed, 100u);
}

TEST(BondReorder, ScansFindTheEdgesOfHoles) {
  Ring ring;
  ring.receive(0);
  for (const uint64_t n : {10, 11, 12, 200, 5000}) ring.receive(n);
  const Reorder& reorder = ring.reorder;
  EXPECT_EQ(reorder.first_missing(1, 5001), 1u);
  EXPECT_EQ(reorder.first_present(1, 5001), 10u);
  EXPECT_EQ(reorder.first_missing(10, 5001), 13u);
  EXPECT_EQ(reorder.first_present(13, 5001), 200u);
  EXPECT_EQ(reorder.first_present(201, 4000), 4000u);
  EXPECT_EQ(reorder.first_missing(10, 12), 12u);
}

// Row 16: a ring index wraps every 2^17, orders at 2^64.
TEST(BondReorder, AgreesWithAModelThatNeverWraps) {
  for (const uint64_t base : {uint64_t{0}, kSlots - 300, UINT64_MAX - 200'000}) {
    std::mt19937_64 random(base);
    Ring ring(base);
    uint64_t next = 0, sent = 1;
    std::map<uint64_t, bool> model;  // true: a packet, false: a placeholder
    std::vector<uint64_t> late;
    Numbers expected;
    auto give_up = [&](uint64_t below) {
      while (!model.empty() && (model.begin()->first < below || model.begin()->first == next)) {
        next = model.begin()->first + 1;
        if (model.begin()->second) expected.push_back(next - 1);
        model.erase(model.begin());
      }
      next = std::max(next, below);
      for (auto it = model.begin(); it != model.end() && it->first == next; it = model.erase(it), ++next) {
        if (it->second) expected.push_back(next);
      }
    };
    auto arrive = [&](uint64_t n, bool packet) {
      if (n >= next + kSlots) give_up(n - kSlots + 1);
      if (n < next) {
        if (packet) expected.push_back(n);
      } else {
        model[n] = packet;
        if (n == next) give_up(n);
      }
      packet ? ring.receive(n) : ring.place(n);
    };
    arrive(0, true);
    for (int i = 0; i < 400'000; ++i) {
      const uint64_t kind = random() % 1000;
      if (kind < 20) {
        late.push_back(sent++);
      } else if (kind < 35 && !late.empty()) {
        const size_t pick = random() % late.size();
        arrive(late[pick], true);
        late.erase(late.begin() + static_cast<ptrdiff_t>(pick));
      } else if (kind < 37) {
        const uint64_t below = next + random() % 300;
        give_up(below);
        ring.give_up_below(below);
        sent = std::max(sent, below);
        std::erase_if(late, [&](uint64_t) { return random() % 2 == 0; });  // lost
      } else if (kind == 40 && random() % 200 == 0) {
        sent += random() % (2 * kSlots);
      } else {
        arrive(sent++, kind % 10 != 0);
      }
      ASSERT_EQ(ring.next(), next) << "step " << i << " of base " << base;
      if (expected.size() > 1000) {
        ASSERT_EQ(ring.take(), std::exchange(expected, {}));
      }
    }
    ASSERT_EQ(ring.take(), expected);
  }
}

}  // namespace
}  // namespace weft::bond
