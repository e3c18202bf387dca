// How the rate of a path is found, against a link with a queue.
#include "bond/path_rate.h"

#include <gtest/gtest.h>

#include <random>

#include "util/clock.h"

namespace weft::bond {
namespace {

constexpr uint64_t kMs = kNanosPerMilli;

// A link that is offered `demand`, or as much as the rate allows, in steps of 25 ms.
struct LinkModel {
  PathRate rate;
  PathDelay delay;
  double capacity = 40e6, queue_bits = 0, most_queue_ms = 0;
  uint64_t now = 1000 * kNanosPerSecond;
  double sent = 0, received = 0;
  int64_t base_ns = 10 * kMs;

  // Nothing begins at full speed: what the path takes without a queue is seen first.
  LinkModel() { run(0.1, 1e6, false); }

  void run(double seconds, double demand, bool waited = true) {
    for (int i = 0; i < seconds * 40; ++i) {
      const double offered = std::min(demand, rate.pacing()) * 0.025;
      const double room = capacity * 0.025, all = queue_bits + offered;
      const double out = std::min(all, room);
      const double before = queue_bits;
      queue_bits = std::min(all - out, capacity * 0.1);
      sent += offered / 8;
      received += out / 8;
      now += 25 * kMs;
      most_queue_ms = std::max(most_queue_ms, queue_bits / capacity * 1e3);
      // A report has up to 8 samples.
      for (int n = 1; n <= 8 && out > 0; ++n) {
        delay.add(now, base_ns + static_cast<int64_t>((before + (queue_bits - before) * n / 8) / capacity * 1e9));
      }
      delay.end_step(now);
      PathRate::Step step;
      step.now = now;
      step.report_time_us = now / 1000;
      step.received_bytes = static_cast<uint64_t>(received);
      step.sent_bytes = static_cast<uint64_t>(sent);
      step.waited = waited;
      step.best_rate = 40e6;
      step.rtt_ns = 20 * kMs;
      rate.step(step, delay);
    }
  }
};

TEST(PathRate, FindsTheCapacityWithinASecondAndStaysThere) {
  for (const double capacity : {4e6, 40e6, 300e6}) {
    LinkModel link;
    link.capacity = capacity;
    link.run(1, 1e12);
    EXPECT_NEAR(link.rate.rate() / capacity, 1, 0.15) << capacity;
    link.most_queue_ms = 0;
    const double before = link.received;
    link.run(10, 1e12);
    EXPECT_GT((link.received - before) * 8 / 10, 0.95 * capacity);
    EXPECT_LT(link.most_queue_ms, 25) << capacity;
  }
}

TEST(PathRate, FollowsACapacityThatChanges) {
  LinkModel link;
  link.run(3, 1e12);
  link.capacity = 10e6;
  link.run(3, 1e12);
  EXPECT_NEAR(link.rate.rate() / 10e6, 1, 0.15);
  link.capacity = 40e6;
  link.run(6, 1e12);
  EXPECT_NEAR(link.rate.rate() / 40e6, 1, 0.15);
}

// "The idle link locked at zero by its own telemetry."
TEST(PathRate, IdlenessChangesNothing) {
  LinkModel link;
  link.run(3, 1e12);
  const double before = link.rate.rate();
  link.run(600, 0, false);
  EXPECT_GE(link.rate.rate(), 0.95 * before);
}

TEST(PathRate, AnUnusedPathIsBelievedInAgainWhileOthersAreFull) {
  LinkModel link;
  link.run(3, 1e12);
  link.rate.cut(link.now, 1e6);
  link.run(3, 0, true);
  EXPECT_GT(link.rate.rate(), 2.5e6);
  EXPECT_LE(link.rate.rate(), 80e6);
}

TEST(PathRate, APathThatBecameLongerIsNotTakenForAFullOne) {
  LinkModel link;
  link.run(3, 1e12);
  link.base_ns = 40 * kMs;
  link.run(6, 1e12);
  EXPECT_GT(link.rate.rate(), 0.8 * 40e6);
}

// Too little to cut for, too much to grow with: what a hiccup left of the rate would be kept as long as the least delay
// is remembered.
TEST(PathRate, APathThatBecameALittleLongerIsNotHeldBackForLong) {
  for (const int64_t longer : {3 * kMs + kMs / 10, 4 * kMs, 5 * kMs + kMs / 2}) {
    LinkModel link;
    link.run(3, 1e12);
    link.base_ns += longer;
    link.rate.cut(link.now, 8e6);
    link.most_queue_ms = 0;
    link.run(8, 1e12);
    EXPECT_GT(link.rate.rate(), 0.8 * 40e6) << longer;
    EXPECT_LT(link.most_queue_ms, 25) << longer;
  }
}

TEST(PathRate, ALittleLongerWithJitterIsNotHeldBackEither) {
  LinkModel link;
  link.run(3, 1e12);
  link.rate.cut(link.now, 8e6);
  for (int step = 0; step < 8 * 40; ++step) {
    link.base_ns = (step % 10 == 0 ? 17 : 15) * kMs;
    link.run(0.025, 1e12);
  }
  EXPECT_GT(link.rate.rate(), 0.8 * 40e6);
}

// A rate that is kept down by others (LossJudge) may be a little too high for as long as they like.
TEST(PathRate, AStandingQueueOfOursIsNotTakenForALongerPath) {
  for (const double cap : {1.01, 1.015, 1.02, 1.025, 1.03}) {
    LinkModel link;
    link.run(3, 1e12);
    for (int step = 0; step < 20 * 40; ++step) {
      link.rate.set(std::min(link.rate.rate(), cap * link.capacity));
      link.run(0.025, 1e12);
      ASSERT_EQ(link.delay.base(), link.base_ns) << cap << ", step " << step;
    }
  }
}

TEST(PathRate, AQueueOfOthersThatShrinksIsNotTakenForALongerPath) {
  LinkModel link;
  link.run(3, 1e12);
  link.rate.cut(link.now, 8e6);
  const int64_t base = link.base_ns;
  for (int64_t queue = 5'900'000; queue > 3'000'000; queue -= 60'000) {
    link.base_ns = base + queue;
    link.run(0.025, 1e12);
  }
  EXPECT_EQ(link.delay.base(), base);
}

TEST(PathRate, NothingIsHeldBackWhileNothingIsSent) {
  LinkModel link;
  link.run(3, 1e12);
  link.rate.cut(link.now, 8e6);
  const int64_t base = link.base_ns;
  link.base_ns += 4 * kMs;
  link.run(0.3, 1e12);
  link.run(30, 0, false);
  link.run(0.3, 1e12);
  EXPECT_EQ(link.delay.base(), base);
}

TEST(PathRate, WithoutReportsHopeFallsBackToWhatWasDelivered) {
  LinkModel link;
  link.run(3, 1e12);
  for (int i = 0; i < 50; ++i) link.rate.decay(link.now += 100 * kMs);
  EXPECT_NEAR(link.rate.rate() / 40e6, 1, 0.1);
}

TEST(PathRate, TheReceiverMayBeginAnew) {
  LinkModel link;
  link.run(3, 1e12);
  link.received = 0;
  link.run(2, 1e12);
  EXPECT_NEAR(link.rate.rate() / 40e6, 1, 0.15);
  EXPECT_LT(link.rate.delivered(), 60e6);
}

TEST(PathDelay, DriftOfTheClocksDoesNotBecomeAQueue) {
  PathDelay delay;
  int64_t base = -5'000'000'000;  // their clock is behind
  for (uint64_t ms = 0; ms < 20 * 60'000; ms += 25) {
    delay.add(ms * kMs, base + static_cast<int64_t>(ms) * 50);  // 50 ppm
    delay.end_step(ms * kMs);
    ASSERT_LT(delay.queue_ns(), 4 * static_cast<int64_t>(kMs));
  }
}

// At half a megabit a packet comes every 24 ms: the least of one or two has nearly all of the jitter.
TEST(PathDelay, JitterOfASlowPathDoesNotBecomeAQueue) {
  PathDelay delay;
  std::minstd_rand random;
  int highs = 0;
  for (uint64_t step = 0; step < 4000; ++step) {
    const uint64_t now = step * 25 * kMs;
    delay.add(now, static_cast<int64_t>(random() % (20 * kMs)));
    delay.end_step(now);
    highs += delay.fresh() && delay.queue_ns() > static_cast<int64_t>(6 * kMs) ? 1 : 0;
  }
  EXPECT_LT(highs, 40);  // 1 % of the steps
}

}  // namespace
}  // namespace weft::bond
