// From the control plane to the engine thread: what is to be done between two rounds, in order.
#pragma once

#include <atomic>
#include <functional>
#include <mutex>
#include <vector>

namespace weft::engine {

using Command = std::function<void()>;

class CommandQueue {
 public:
  // `wake` ends the engine thread's sleep.
  explicit CommandQueue(std::function<void()> wake) : wake_(std::move(wake)) {}

  // From any thread.
  void post(Command command);
  // The same, and returns when the command has been carried out. Only while the engine thread runs.
  void post_and_wait(const Command& command);

  // Carries out what has been posted. From the engine thread.
  void apply();

 private:
  std::function<void()> wake_;
  std::mutex mutex_;
  std::vector<Command> commands_;
  std::atomic<bool> pending_{false};
};

}  // namespace weft::engine
