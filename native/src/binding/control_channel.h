// Wakes the JavaScript thread when the control queue has something: the addon's only thread-safe function. It carries
// no data and is called at most once until the queue was read, so it needs no queue of its own.
#pragma once

#include <napi.h>

#include "engine/control_queue.h"

namespace weft::binding {

class ControlChannel {
 public:
  // Calls `on_readable` on the JavaScript thread. Keeps the process alive until close().
  void open(Napi::Env env, const Napi::Function& on_readable, engine::ControlQueue& queue);
  // After the data threads have ended.
  void close();

 private:
  Napi::ThreadSafeFunction function_;
  bool open_ = false;
};

}  // namespace weft::binding
