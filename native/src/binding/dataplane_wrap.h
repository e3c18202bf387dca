// The data plane as a JavaScript object: arguments in, status out. Exceptions exist only here. src/dataplane/native.ts
// is its only user and checks what it passes.
#pragma once

#include <napi.h>

#include "binding/control_channel.h"
#include "engine/dataplane.h"

namespace weft::binding {

class DataPlaneWrap : public Napi::ObjectWrap<DataPlaneWrap> {
 public:
  static Napi::Function define(Napi::Env env);
  explicit DataPlaneWrap(const Napi::CallbackInfo& info);

 private:
  void define_properties(Napi::Env env, Napi::Object self);

  Napi::Value now_ms(const Napi::CallbackInfo& info);
  Napi::Value listen(const Napi::CallbackInfo& info);
  void unlisten(const Napi::CallbackInfo& info);
  void set_firewall_mark(const Napi::CallbackInfo& info);
  void set_public_key(const Napi::CallbackInfo& info);
  void set_cookie_secret(const Napi::CallbackInfo& info);
  void accept_gossip(const Napi::CallbackInfo& info);
  void add_peer(const Napi::CallbackInfo& info);
  void remove_peer(const Napi::CallbackInfo& info);
  void set_endpoint(const Napi::CallbackInfo& info);
  void update_allowed_ips(const Napi::CallbackInfo& info);
  void install_keypair(const Napi::CallbackInfo& info);
  void clear_keypairs(const Napi::CallbackInfo& info);
  void drop_staged(const Napi::CallbackInfo& info);
  void send_keepalive(const Napi::CallbackInfo& info);
  void clear_source(const Napi::CallbackInfo& info);
  void clear_unanswered(const Napi::CallbackInfo& info);
  void send_handshake(const Napi::CallbackInfo& info);
  void handshake_received(const Napi::CallbackInfo& info);
  void send_datagram(const Napi::CallbackInfo& info);
  void sync(const Napi::CallbackInfo& info);
  void set_bond(const Napi::CallbackInfo& info);
  void set_bond_policy(const Napi::CallbackInfo& info);
  Napi::Value bond_status(const Napi::CallbackInfo& info);
  Napi::Value start(const Napi::CallbackInfo& info);
  Napi::Value read(const Napi::CallbackInfo& info);
  void close(const Napi::CallbackInfo& info);

  ControlChannel channel_;  // outlives the thread that calls it
  std::unique_ptr<engine::DataPlane> dataplane_ = std::make_unique<engine::DataPlane>();
};

}  // namespace weft::binding
