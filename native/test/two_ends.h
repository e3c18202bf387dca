// Two data planes with real TUN devices in two network namespaces, for the tests of the engine as a whole. Needs root.
#pragma once

#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
#include <memory>
#include <string>

#include "engine/dataplane.h"

namespace weft::engine {

inline constexpr uint32_t kPeer = 9;
inline constexpr uint16_t kPort = 20'000;  // below those that the kernel gives out

// A fresh namespace, entered by the calling thread; leave() returns to the first one.
class Namespace {
 public:
  Namespace() : home_(open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC)) {
    ok_ = unshare(CLONE_NEWNET) == 0;
    own_.reset(open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
    leave();
  }
  bool ok() const { return ok_; }
  void enter() const { setns(own_.get(), CLONE_NEWNET); }
  void leave() const { setns(home_.get(), CLONE_NEWNET); }
  std::string path() const { return "/proc/" + std::to_string(getpid()) + "/fd/" + std::to_string(own_.get()); }

 private:
  UniqueFd home_;
  UniqueFd own_;
  bool ok_ = false;
};

inline void shell(const std::string& command) { ASSERT_EQ(std::system(command.c_str()), 0) << command; }

inline std::unique_ptr<peer::Keypair> keypair(uint32_t local, uint32_t remote, uint8_t send, uint8_t receive,
                                              bool initiator) {
  auto k = std::make_unique<peer::Keypair>();
  k->local_index = local;
  k->remote_index = remote;
  std::memset(k->send_key, send, sizeof k->send_key);
  std::memset(k->receive_key, receive, sizeof k->receive_key);
  k->initiator = initiator;
  k->created_ns = now_ns();
  return k;
}

inline net::Endpoint v4_endpoint(const char* address, uint16_t port) {
  net::Endpoint e;
  e.v4.sin_family = AF_INET;
  e.v4.sin_port = htons(port);
  inet_pton(AF_INET, address, &e.v4.sin_addr);
  return e;
}

// By ECT(0): where this machine is slow CoDel then marks packets, which it would drop otherwise.
inline void prefer_marks(int socket) {
  constexpr int kEct0 = 2;
  setsockopt(socket, IPPROTO_IP, IP_TOS, &kEct0, sizeof kEct0);
}

struct Engine {
  const char* name;
  uint32_t lanes;
  uint32_t threads;
  bool io_uring = false;
};

// One end: namespace, data plane, and a UDP socket of an application behind the tunnel.
struct End {
  Namespace ns;
  DataPlane dataplane;
  UniqueFd application;
  uint16_t port = 0;

  void open(const char* tunnel_address, const char* peer_tunnel_address, const Engine& engine) {
    ns.enter();
    const DataPlane::Options options{
        .name = "wt0", .lanes = engine.lanes, .threads = engine.threads, .io_uring = engine.io_uring};
    ASSERT_EQ(dataplane.open(options).code, 0);
    if (!dataplane.io_uring_missing().empty()) std::fprintf(stderr, "%s\n", dataplane.io_uring_missing().c_str());
    shell("ip address add " + std::string(tunnel_address) + "/24 dev wt0 && ip link set wt0 up");
    ASSERT_EQ(dataplane.listen(port), 0);
    application.reset(socket(AF_INET, SOCK_DGRAM, 0));
    const net::Endpoint local = v4_endpoint(tunnel_address, kPort);
    ASSERT_EQ(bind(application.get(), &local.any, local.size()), 0);
    const net::Endpoint remote = v4_endpoint(peer_tunnel_address, kPort);
    ASSERT_EQ(connect(application.get(), &remote.any, remote.size()), 0);
    const timeval timeout{5, 0};
    setsockopt(application.get(), SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
    constexpr int kReceiveBuffer = 32 << 20;  // the reader may be slow, under sanitizers
    setsockopt(application.get(), SOL_SOCKET, SO_RCVBUFFORCE, &kReceiveBuffer, sizeof kReceiveBuffer);
    prefer_marks(application.get());
    ns.leave();
    Prefix prefix{4, 32, {}};
    inet_pton(AF_INET, peer_tunnel_address, prefix.address);
    dataplane.add_peer(kPeer);
    dataplane.update_allowed_ips(kPeer, {prefix}, {});
    dataplane.start();
  }
  void say(uint32_t number) { ASSERT_EQ(send(application.get(), &number, sizeof number, 0), 4); }
  uint32_t hear() {
    uint32_t number = UINT32_MAX;
    return recv(application.get(), &number, sizeof number, 0) == sizeof number ? number : UINT32_MAX;
  }
  // Waits for an event of the control queue.
  bool await(EventType type) {
    for (int i = 0; i < 5000; ++i) {
      for (const Event& e : dataplane.control().take(100).events) {
        if (e.type == type) return true;
      }
      usleep(1'000);
    }
    return false;
  }
};

// Puts new keys into both ends, the responder first, as it has them first.
inline void install_keys(End& a, End& b, uint32_t generation) {
  const auto x = static_cast<uint8_t>(generation);
  const auto y = static_cast<uint8_t>(generation + 100);
  b.dataplane.install_keypair(kPeer, keypair(1000 + generation, 2000 + generation, y, x, false));
  b.dataplane.sync(generation);
  ASSERT_TRUE(b.await(EventType::kSynced));
  a.dataplane.install_keypair(kPeer, keypair(2000 + generation, 1000 + generation, x, y, true));
  a.dataplane.send_keepalive(kPeer);
}

}  // namespace weft::engine
