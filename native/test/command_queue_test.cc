// Commands from one thread carried out on another. Also run under TSan.
#include "engine/command_queue.h"

#include <gtest/gtest.h>

#include <semaphore>
#include <thread>

namespace weft::engine {
namespace {

struct Worker {
  std::binary_semaphore woken{0};
  CommandQueue queue{[this] { woken.release(); }};
  std::atomic<bool> stopping{false};
  std::thread thread{[this] {
    while (!stopping) {
      woken.acquire();
      queue.apply();
    }
  }};

  ~Worker() {
    queue.post([this] { stopping = true; });
    thread.join();
  }
};

TEST(CommandQueue, CarriesOutInOrderOnTheOtherThread) {
  std::vector<int> done;
  std::thread::id where;
  {
    Worker worker;
    for (int i = 0; i < 1000; ++i) worker.queue.post([&, i] { done.push_back(i); });
    worker.queue.post_and_wait([&] { where = std::this_thread::get_id(); });
    EXPECT_EQ(where, worker.thread.get_id());
  }
  ASSERT_EQ(done.size(), 1000u);
  for (int i = 0; i < 1000; ++i) EXPECT_EQ(done[static_cast<size_t>(i)], i);
}

TEST(CommandQueue, WaitsForTheCommandItself) {
  Worker worker;
  int value = 0;
  for (int i = 1; i <= 1000; ++i) {
    worker.queue.post_and_wait([&] { value = i; });
    ASSERT_EQ(value, i);
  }
}

}  // namespace
}  // namespace weft::engine
