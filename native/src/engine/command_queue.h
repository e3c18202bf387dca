// What is to be done in the engine's exclusive sections, in order: the control plane's commands, and what packets leave
// to be done after them.
#pragma once

#include <atomic>
#include <functional>
#include <mutex>
#include <vector>

namespace weft::engine {

using Command = std::function<void()>;

class CommandQueue {
 public:
  // `wake` is called when there is something to carry out, after there was nothing.
  explicit CommandQueue(std::function<void()> wake) : wake_(std::move(wake)) {}

  // From any thread.
  void post(Command command);
  // The same, and returns when the command has been carried out. Only while the engine's threads run.
  void post_and_wait(const Command& command);

  bool pending() const { return pending_.load(std::memory_order_acquire); }
  // Carries out what has been posted. One thread at a time.
  void apply();

 private:
  std::function<void()> wake_;
  std::mutex mutex_;
  std::vector<Command> commands_;
  std::atomic<bool> pending_{false};
};

}  // namespace weft::engine
