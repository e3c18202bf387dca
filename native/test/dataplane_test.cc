// Two data planes with real TUN devices and sockets in two network namespaces: a UDP message crosses the tunnel, staged
// packets wait for their key, rekeying loses nothing, commands race with traffic. Also run under TSan, as the only test
// in which all threads meet. Needs root; says so and skips otherwise.
#include "engine/dataplane.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
#include <string>
#include <thread>

namespace weft::engine {
namespace {

constexpr uint32_t kPeer = 9;
constexpr uint16_t kPort = 40'000;

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

void shell(const std::string& command) { ASSERT_EQ(std::system(command.c_str()), 0) << command; }

std::unique_ptr<peer::Keypair> keypair(uint32_t local, uint32_t remote, uint8_t send, uint8_t receive, bool initiator) {
  auto k = std::make_unique<peer::Keypair>();
  k->local_index = local;
  k->remote_index = remote;
  std::memset(k->send_key, send, sizeof k->send_key);
  std::memset(k->receive_key, receive, sizeof k->receive_key);
  k->initiator = initiator;
  k->created_ns = now_ns();
  return k;
}

net::Endpoint v4_endpoint(const char* address, uint16_t port) {
  net::Endpoint e;
  e.v4.sin_family = AF_INET;
  e.v4.sin_port = htons(port);
  inet_pton(AF_INET, address, &e.v4.sin_addr);
  return e;
}

// One end: namespace, data plane, and a UDP socket of an application behind the tunnel.
struct End {
  Namespace ns;
  DataPlane dataplane;
  UniqueFd application;
  uint16_t port = 0;

  void open(const char* tunnel_address, const char* peer_tunnel_address) {
    ns.enter();
    ASSERT_EQ(dataplane.open({.name = "wt0"}).code, 0);
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
    for (int i = 0; i < 500; ++i) {
      for (const Event& e : dataplane.control().take(100).events) {
        if (e.type == type) return true;
      }
      usleep(10'000);
    }
    return false;
  }
};

struct DataPlaneTest : testing::Test {
  std::unique_ptr<End> a, b;

  void SetUp() override {
    if (geteuid() != 0 || access("/dev/net/tun", R_OK | W_OK) != 0) GTEST_SKIP() << "needs root and /dev/net/tun";
    a = std::make_unique<End>();
    b = std::make_unique<End>();
    ASSERT_TRUE(a->ns.ok() && b->ns.ok());
    a->ns.enter();
    shell("ip link add va type veth peer name vb && ip link set vb netns " + b->ns.path() +
          " && ip address add 192.0.2.1/24 dev va && ip link set va up && ip link set lo up");
    b->ns.enter();
    shell("ip address add 192.0.2.2/24 dev vb && ip link set vb up && ip link set lo up");
    b->ns.leave();
    a->open("10.0.0.1", "10.0.0.2");
    b->open("10.0.0.2", "10.0.0.1");
  }

  void install(uint32_t generation) {
    const auto x = static_cast<uint8_t>(generation);
    const auto y = static_cast<uint8_t>(generation + 100);
    b->dataplane.install_keypair(kPeer, keypair(1000 + generation, 2000 + generation, y, x, false));
    a->dataplane.install_keypair(kPeer, keypair(2000 + generation, 1000 + generation, x, y, true));
    a->dataplane.send_keepalive(kPeer);
  }
};

TEST_F(DataPlaneTest, StagedPacketsCrossOnceThereIsAKey) {
  a->dataplane.set_endpoint(kPeer, v4_endpoint("192.0.2.2", b->port));
  for (uint32_t i = 0; i < 10; ++i) a->say(i);
  ASSERT_TRUE(a->await(EventType::kHandshakeNeeded));
  install(1);
  for (uint32_t i = 0; i < 10; ++i) EXPECT_EQ(b->hear(), i);
  EXPECT_TRUE(b->await(EventType::kKeypairConfirmed));
  // b was never told an endpoint: it learnt it from the first packet.
  b->say(77);
  EXPECT_EQ(a->hear(), 77u);
}

TEST_F(DataPlaneTest, RekeyingUnderTrafficLosesAndReordersNothing) {
  constexpr uint32_t kMessages = 3000;
  a->dataplane.set_endpoint(kPeer, v4_endpoint("192.0.2.2", b->port));
  install(1);
  a->say(kMessages);  // neighbours are found and the key is confirmed
  ASSERT_EQ(b->hear(), kMessages);
  std::thread sender([&] {
    for (uint32_t i = 0; i < kMessages; ++i) {
      a->say(i);
      if (i % 16 == 0) usleep(500);
    }
  });
  std::thread rekeyer([&] {
    for (uint32_t generation = 2; generation < 8; ++generation) {
      usleep(10'000);
      install(generation);
      EXPECT_TRUE(b->await(EventType::kKeypairConfirmed));
    }
  });
  uint32_t heard = 0;
  while (heard < kMessages && b->hear() == heard) ++heard;
  sender.join();
  rekeyer.join();
  EXPECT_EQ(heard, kMessages);
}

TEST_F(DataPlaneTest, CommandsRaceWithTraffic) {
  a->dataplane.set_endpoint(kPeer, v4_endpoint("192.0.2.2", b->port));
  install(1);
  std::thread sender([&] {
    for (uint32_t i = 0; i < 2000; ++i) a->say(i);
  });
  for (uint32_t i = 0; i < 200; ++i) {
    const uint32_t other = 100 + i;
    a->dataplane.add_peer(other);
    a->dataplane.set_endpoint(other, v4_endpoint("192.0.2.2", 9));
    a->dataplane.update_allowed_ips(other, {{4, 24, {198, 51, 100}}}, {});
    a->dataplane.send_keepalive(other);
    a->dataplane.set_firewall_mark(i);
    uint16_t port = 0;
    ASSERT_EQ(a->dataplane.listen(port), 0);
    a->dataplane.sync(i);
    a->dataplane.control().take(100);
    a->dataplane.remove_peer(other);
  }
  sender.join();
  a->dataplane.remove_peer(kPeer);
  EXPECT_TRUE(a->await(EventType::kPeerRemoved));
  a->dataplane.unlisten();
  a->dataplane.close();
}

}  // namespace
}  // namespace weft::engine
