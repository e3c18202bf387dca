#include "binding/control_channel.h"

namespace weft::binding {

void ControlChannel::open(Napi::Env env, const Napi::Function& on_readable, engine::ControlQueue& queue) {
  constexpr size_t kUnlimited = 0;
  constexpr size_t kOneThread = 1;
  function_ = Napi::ThreadSafeFunction::New(env, on_readable, "weft control channel", kUnlimited, kOneThread);
  open_ = true;
  queue.on_readable([this] { function_.NonBlockingCall(); });
}

void ControlChannel::close() {
  if (!open_) return;
  open_ = false;
  function_.Abort();
}

}  // namespace weft::binding
