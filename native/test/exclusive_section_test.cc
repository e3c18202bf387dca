// Units read a table without a lock while sections change it: no unit ever sees a change half made, and neither side
// waits for ever. Also run under TSan.
#include "engine/exclusive_section.h"

#include <gtest/gtest.h>

#include <array>
#include <semaphore>
#include <thread>
#include <vector>

namespace weft::engine {
namespace {

constexpr uint32_t kLanes = 2;
constexpr uint32_t kThreads = 2;  // a lane

struct ExclusiveSectionTest : testing::Test {
  ExclusiveSection section;
  std::array<LaneOrder, kLanes> lanes;
  // Equal whenever a unit looks.
  uint64_t left = 0;
  uint64_t right = 0;

  ExclusiveSectionTest() {
    for (LaneOrder& lane : lanes) {
      lane.wake = [] {};
      section.add(lane);
    }
  }

  // As a lane's thread does. False: leaders are to step back.
  bool run_unit(LaneOrder& lane, std::atomic<uint64_t>& torn) {
    section.wait_while_wanted();
    std::unique_lock leader(lane.leader);
    if (section.wanted()) return false;
    const TicketLine::Ticket ticket = lane.outbound.draw();
    leader.unlock();
    if (left != right) ++torn;
    lane.outbound.wait(ticket);
    if (left != right) ++torn;
    lane.outbound.release();
    return true;
  }
};

TEST_F(ExclusiveSectionTest, NoUnitRunsDuringAChange) {
  constexpr uint32_t kUnits = 1000;     // of each thread
  constexpr uint32_t kEveryUnits = 20;  // it makes a change
  std::atomic<uint64_t> torn = 0;
  std::vector<std::thread> threads;
  for (uint32_t t = 0; t < kLanes * kThreads; ++t) {
    threads.emplace_back([&, &lane = lanes[t % kLanes]] {
      for (uint32_t done = 0; done < kUnits;) {
        if (!run_unit(lane, torn)) continue;
        if (++done % kEveryUnits != 0) continue;
        section.run([&] {
          ++left;
          std::this_thread::yield();
          ++right;
        });
      }
    });
  }
  for (std::thread& t : threads) t.join();
  EXPECT_EQ(torn, 0u);
  EXPECT_EQ(left, kLanes * kThreads * kUnits / kEveryUnits);
  EXPECT_FALSE(section.wanted());
}

TEST_F(ExclusiveSectionTest, WaitsForUnitsThatWereTaken) {
  LaneOrder& lane = lanes[0];
  const TicketLine::Ticket ticket = lane.inbound.draw();
  std::thread changer([&] { section.run([&] { ++left; }); });
  while (!section.wanted()) std::this_thread::yield();
  lane.inbound.wait(ticket);
  EXPECT_EQ(left, 0u);
  lane.inbound.release();
  changer.join();
  EXPECT_EQ(left, 1u);
}

TEST_F(ExclusiveSectionTest, WakesALeaderThatSleeps) {
  LaneOrder& lane = lanes[1];
  std::binary_semaphore woken{0};
  std::binary_semaphore asleep{0};
  lane.wake = [&] { woken.release(); };
  std::thread sleeper([&] {
    std::lock_guard leader(lane.leader);
    lane.sleeping = true;
    asleep.release();
    if (!section.wanted()) woken.acquire();
    lane.sleeping = false;
  });
  asleep.acquire();
  section.run([&] { ++left; });
  sleeper.join();
  EXPECT_EQ(left, 1u);
}

}  // namespace
}  // namespace weft::engine
