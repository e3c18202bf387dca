// Units taken in some order and worked on side by side are finished in that order. Also run under TSan: what a unit did
// before it was released is visible to the next without any other lock.
#include "engine/ticket_line.h"

#include <gtest/gtest.h>

#include <mutex>
#include <thread>
#include <vector>

namespace weft::engine {
namespace {

TEST(TicketLine, FinishesInTheOrderTaken) {
  constexpr uint32_t kThreads = 4;
  constexpr uint32_t kUnits = 2000;
  TicketLine line;
  std::mutex leader;
  uint32_t taken = 0;              // guarded by `leader`
  std::vector<uint32_t> finished;  // guarded by the line
  std::vector<std::thread> threads;
  for (uint32_t t = 0; t < kThreads; ++t) {
    threads.emplace_back([&] {
      for (;;) {
        std::unique_lock lock(leader);
        if (taken == kUnits) return;
        const uint32_t unit = taken++;
        const TicketLine::Ticket ticket = line.draw();
        lock.unlock();
        if (unit % 3 == 0) std::this_thread::yield();  // others overtake it
        line.wait(ticket);
        finished.push_back(unit);
        line.release();
      }
    });
  }
  for (std::thread& t : threads) t.join();
  ASSERT_EQ(finished.size(), kUnits);
  for (uint32_t i = 0; i < kUnits; ++i) ASSERT_EQ(finished[i], i);
}

TEST(TicketLine, DrainsWhenAllAreReleased) {
  TicketLine line;
  line.drain();  // nothing was drawn
  const TicketLine::Ticket first = line.draw();
  const TicketLine::Ticket second = line.draw();
  int finished = 0;
  std::thread holder([&] {
    for (const TicketLine::Ticket ticket : {first, second}) {
      line.wait(ticket);
      std::this_thread::yield();
      ++finished;
      line.release();
    }
  });
  line.drain();
  EXPECT_EQ(finished, 2);
  holder.join();
}

}  // namespace
}  // namespace weft::engine
