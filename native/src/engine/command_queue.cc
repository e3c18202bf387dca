#include "engine/command_queue.h"

#include <condition_variable>

namespace weft::engine {

void CommandQueue::post(Command command) {
  {
    std::lock_guard lock(mutex_);
    commands_.push_back(std::move(command));
  }
  if (!pending_.exchange(true, std::memory_order_acq_rel)) wake_();
}

void CommandQueue::post_and_wait(const Command& command) {
  std::mutex mutex;
  std::condition_variable changed;
  bool done = false;
  post([&] {
    command();
    std::lock_guard lock(mutex);
    done = true;
    changed.notify_one();
  });
  std::unique_lock lock(mutex);
  changed.wait(lock, [&] { return done; });
}

void CommandQueue::apply() {
  if (!pending_.exchange(false, std::memory_order_acq_rel)) return;
  std::vector<Command> commands;
  {
    std::lock_guard lock(mutex_);
    commands.swap(commands_);
  }
  for (const Command& command : commands) command();
}

}  // namespace weft::engine
