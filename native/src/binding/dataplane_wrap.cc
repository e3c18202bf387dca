#include "binding/dataplane_wrap.h"

#include <cerrno>
#include <cstring>
#include <string>

#include "binding/bond_codec.h"
#include "binding/codec.h"
#include "util/clock.h"

namespace weft::binding {
namespace {

// An Error with `code` (the errno's name, as Node's own errors have) and `syscall`.
Napi::Error make_error(Napi::Env env, int code, const char* step) {
  Napi::Error error = Napi::Error::New(env, std::string(step) + ": " + std::strerror(code));
  error.Set("code", Napi::String::New(env, strerrorname_np(code)));
  error.Set("syscall", Napi::String::New(env, step));
  return error;
}

uint32_t id_argument(const Napi::CallbackInfo& info) {
  const uint32_t id = info[0].As<Napi::Number>().Uint32Value();
  if (id >= peer::kMaxPeers) throw Napi::RangeError::New(info.Env(), "peer id out of range");
  return id;
}

std::span<const uint8_t> bytes_argument(const Napi::CallbackInfo& info, size_t i) {
  const auto array = info[i].As<Napi::Uint8Array>();
  return {array.Data(), array.ByteLength()};
}

std::span<const uint8_t> bytes_argument(const Napi::CallbackInfo& info, size_t i, size_t size) {
  const auto bytes = bytes_argument(info, i);
  if (bytes.size() != size) throw Napi::RangeError::New(info.Env(), "wrong length of argument " + std::to_string(i));
  return bytes;
}

std::vector<uint8_t> copy(std::span<const uint8_t> bytes) { return {bytes.begin(), bytes.end()}; }

template <size_t N>
Napi::Array names(Napi::Env env, const std::array<const char*, N>& list) {
  Napi::Array out = Napi::Array::New(env, N);
  for (uint32_t i = 0; i < N; ++i) out.Set(i, Napi::String::New(env, list[i]));
  return out;
}

}  // namespace

Napi::Function DataPlaneWrap::define(Napi::Env env) {
  using W = DataPlaneWrap;
  return DefineClass(env, "DataPlane",
                     {
                         InstanceMethod<&W::now_ms>("nowMs"),
                         InstanceMethod<&W::listen>("listen"),
                         InstanceMethod<&W::unlisten>("unlisten"),
                         InstanceMethod<&W::set_firewall_mark>("setFirewallMark"),
                         InstanceMethod<&W::set_public_key>("setPublicKey"),
                         InstanceMethod<&W::set_cookie_secret>("setCookieSecret"),
                         InstanceMethod<&W::accept_gossip>("acceptGossip"),
                         InstanceMethod<&W::add_peer>("addPeer"),
                         InstanceMethod<&W::remove_peer>("removePeer"),
                         InstanceMethod<&W::set_endpoint>("setEndpoint"),
                         InstanceMethod<&W::update_allowed_ips>("updateAllowedIps"),
                         InstanceMethod<&W::install_keypair>("installKeypair"),
                         InstanceMethod<&W::clear_keypairs>("clearKeypairs"),
                         InstanceMethod<&W::drop_staged>("dropStaged"),
                         InstanceMethod<&W::send_keepalive>("sendKeepalive"),
                         InstanceMethod<&W::clear_source>("clearSource"),
                         InstanceMethod<&W::clear_unanswered>("clearUnanswered"),
                         InstanceMethod<&W::send_handshake>("sendHandshake"),
                         InstanceMethod<&W::handshake_received>("handshakeReceived"),
                         InstanceMethod<&W::send_datagram>("sendDatagram"),
                         InstanceMethod<&W::sync>("sync"),
                         InstanceMethod<&W::set_bond>("setBond"),
                         InstanceMethod<&W::set_bond_policy>("setBondPolicy"),
                         InstanceMethod<&W::bond_status>("bondStatus"),
                         InstanceMethod<&W::start>("start"),
                         InstanceMethod<&W::read>("read"),
                         InstanceMethod<&W::close>("close"),
                     });
}

DataPlaneWrap::DataPlaneWrap(const Napi::CallbackInfo& info) : Napi::ObjectWrap<DataPlaneWrap>(info) {
  const auto given = info[0].As<Napi::Object>();
  engine::DataPlane::Options options;
  options.name = given.Get("name").As<Napi::String>();
  options.tun_fd = given.Get("tunFd").As<Napi::Number>();
  options.mtu = given.Get("mtu").As<Napi::Number>();
  const std::string engine = given.Get("engine").As<Napi::String>();
  const uint32_t threads = given.Get("threads").As<Napi::Number>();
  if (engine == "multiqueue") {
    options.lanes = threads;
  } else if (engine == "workers") {
    options.threads = threads;
  }
  options.busy_poll_us = given.Get("busyPollUs").As<Napi::Number>();
  const std::string real_time = given.Get("realTime").As<Napi::String>();
  using RealTime = engine::DataPlane::RealTime;
  options.real_time = real_time == "always"      ? RealTime::kAlways
                      : real_time == "whileBusy" ? RealTime::kWhileBusy
                                                 : RealTime::kNever;
  options.io_uring = given.Get("ioUring").As<Napi::Boolean>();
  if (const auto error = dataplane_->open(options); error.code != 0) {
    throw make_error(info.Env(), error.code, error.step);
  }
  define_properties(info.Env(), info.This().As<Napi::Object>());
}

// Shared memory is exposed without a copy; the object outlives its views, as JavaScript holds both together.
void DataPlaneWrap::define_properties(Napi::Env env, Napi::Object self) {
  engine::Counters& counters = dataplane_->counters();
  const auto stats = dataplane_->stats();
  self.Set("interfaceName", Napi::String::New(env, dataplane_->interface_name()));
  self.Set("ioUringMissing", Napi::String::New(env, dataplane_->io_uring_missing()));
  self.Set("mtu", Napi::Number::New(env, dataplane_->initial_link().mtu));
  self.Set("isUp", Napi::Boolean::New(env, dataplane_->initial_link().up));
  self.Set("statsBuffer", Napi::ArrayBuffer::New(env, stats.data(), stats.size_bytes()));
  self.Set("dropsBuffer", Napi::ArrayBuffer::New(env, counters.drops.data(), sizeof counters.drops));
  self.Set("dropNames", names(env, engine::kDropNames));
  self.Set("engineBuffer", Napi::ArrayBuffer::New(env, counters.stats.data(), sizeof counters.stats));
  self.Set("engineNames", names(env, engine::kStatNames));
}

Napi::Value DataPlaneWrap::now_ms(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), to_millis(now_ns()));
}

Napi::Value DataPlaneWrap::listen(const Napi::CallbackInfo& info) {
  auto port = static_cast<uint16_t>(info[0].As<Napi::Number>().Uint32Value());
  if (const int error = dataplane_->listen(port); error != 0) throw make_error(info.Env(), error, "bind");
  return Napi::Number::New(info.Env(), port);
}

void DataPlaneWrap::unlisten(const Napi::CallbackInfo&) { dataplane_->unlisten(); }

void DataPlaneWrap::set_firewall_mark(const Napi::CallbackInfo& info) {
  dataplane_->set_firewall_mark(info[0].As<Napi::Number>().Uint32Value());
}

void DataPlaneWrap::set_public_key(const Napi::CallbackInfo& info) {
  dataplane_->set_public_key(info[0].IsNull() ? std::span<const uint8_t>{} : bytes_argument(info, 0, 32));
}

void DataPlaneWrap::accept_gossip(const Napi::CallbackInfo& info) {
  dataplane_->accept_gossip(info[0].IsNull() ? std::span<const uint8_t>{} : bytes_argument(info, 0, 32));
}

void DataPlaneWrap::set_cookie_secret(const Napi::CallbackInfo& info) {
  dataplane_->set_cookie_secret(bytes_argument(info, 0, 32));
}

void DataPlaneWrap::add_peer(const Napi::CallbackInfo& info) { dataplane_->add_peer(id_argument(info)); }

void DataPlaneWrap::remove_peer(const Napi::CallbackInfo& info) { dataplane_->remove_peer(id_argument(info)); }

void DataPlaneWrap::set_endpoint(const Napi::CallbackInfo& info) {
  dataplane_->set_endpoint(id_argument(info), decode_endpoint(bytes_argument(info, 1, kEndpointSize).data()));
}

void DataPlaneWrap::update_allowed_ips(const Napi::CallbackInfo& info) {
  dataplane_->update_allowed_ips(id_argument(info), decode_prefixes(bytes_argument(info, 1)),
                                 decode_prefixes(bytes_argument(info, 2)));
}

void DataPlaneWrap::install_keypair(const Napi::CallbackInfo& info) {
  auto keypair = std::make_unique<peer::Keypair>();
  keypair->local_index = info[1].As<Napi::Number>().Uint32Value();
  keypair->remote_index = info[2].As<Napi::Number>().Uint32Value();
  std::memcpy(keypair->send_key, bytes_argument(info, 3, sizeof keypair->send_key).data(), sizeof keypair->send_key);
  std::memcpy(keypair->receive_key, bytes_argument(info, 4, sizeof keypair->receive_key).data(),
              sizeof keypair->receive_key);
  keypair->initiator = info[5].As<Napi::Boolean>();
  keypair->created_ns = static_cast<uint64_t>(info[6].As<Napi::Number>().DoubleValue() * 1e6);
  dataplane_->install_keypair(id_argument(info), std::move(keypair));
}

void DataPlaneWrap::clear_keypairs(const Napi::CallbackInfo& info) { dataplane_->clear_keypairs(id_argument(info)); }

void DataPlaneWrap::drop_staged(const Napi::CallbackInfo& info) { dataplane_->drop_staged(id_argument(info)); }

void DataPlaneWrap::send_keepalive(const Napi::CallbackInfo& info) { dataplane_->send_keepalive(id_argument(info)); }

void DataPlaneWrap::clear_source(const Napi::CallbackInfo& info) { dataplane_->clear_source(id_argument(info)); }

void DataPlaneWrap::clear_unanswered(const Napi::CallbackInfo& info) {
  dataplane_->clear_unanswered(id_argument(info));
}

void DataPlaneWrap::send_handshake(const Napi::CallbackInfo& info) {
  dataplane_->send_handshake(id_argument(info), copy(bytes_argument(info, 1)));
}

void DataPlaneWrap::handshake_received(const Napi::CallbackInfo& info) {
  dataplane_->handshake_received(id_argument(info), decode_path(bytes_argument(info, 1, kPathSize).data()),
                                 info[2].As<Napi::Number>().Uint32Value());
}

void DataPlaneWrap::send_datagram(const Napi::CallbackInfo& info) {
  dataplane_->send_datagram(decode_path(bytes_argument(info, 0, kPathSize).data()), copy(bytes_argument(info, 1)));
}

void DataPlaneWrap::sync(const Napi::CallbackInfo& info) { dataplane_->sync(info[0].As<Napi::Number>().Uint32Value()); }

void DataPlaneWrap::set_bond(const Napi::CallbackInfo& info) {
  std::optional<std::vector<net::Path>> ways;
  if (!info[1].IsNull()) ways = decode_ways(bytes_argument(info, 1));
  dataplane_->set_bond(id_argument(info), std::move(ways));
}

void DataPlaneWrap::set_bond_policy(const Napi::CallbackInfo& info) {
  dataplane_->set_bond_policy(id_argument(info), decode_policy(bytes_argument(info, 1)));
}

Napi::Value DataPlaneWrap::bond_status(const Napi::CallbackInfo& info) {
  const auto snapshot = dataplane_->bond_snapshot(id_argument(info));
  if (!snapshot) return info.Env().Null();
  const auto bytes = encode_bond(*snapshot);
  return Napi::Buffer<uint8_t>::Copy(info.Env(), bytes.data(), bytes.size());
}

Napi::Value DataPlaneWrap::start(const Napi::CallbackInfo& info) {
  channel_.open(info.Env(), info[0].As<Napi::Function>(), dataplane_->control());
  const int error = dataplane_->start();
  return error == 0 ? info.Env().Undefined() : Napi::String::New(info.Env(), strerrorname_np(error));
}

Napi::Value DataPlaneWrap::read(const Napi::CallbackInfo& info) {
  const auto bytes = encode_batch(dataplane_->control().take(info[0].As<Napi::Number>().Uint32Value()));
  return Napi::Buffer<uint8_t>::Copy(info.Env(), bytes.data(), bytes.size());
}

void DataPlaneWrap::close(const Napi::CallbackInfo&) {
  dataplane_->close();
  dataplane_->control().on_readable({});
  channel_.close();
}

}  // namespace weft::binding
