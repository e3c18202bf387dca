// The internet between the hosts of the bond's tests, demo and bench: a router whose every port is the uplink of a
// host, a TUN interface in that host's network namespace. What a host sends passes its own uplink's `up` direction,
// then the `down` direction of the uplink that has the destination's address. Each direction is a link of the simulator
// (native/sim/link.h), so that both impair alike, here in real time.
//
//   impair_relay [SEED]
//
// Commands are lines on stdin, at any time; each is answered by one line of JSON on stdout: {}, {"error": ...}, or what
// `stats` gives. It ends with its stdin; the interfaces end with it.
//
//   port NAME NETNS INTERFACE ADDRESS...    a new uplink; the caller gives it its addresses and brings it up
//   set NAME up|down|both KEY=VALUE...      keys: those of kSettings below
//   nat NAME on|off|rebind                  UDP source ports are mapped; rebind: all mappings are forgotten
//   cable NAME in|out                       out: the interface has no carrier
//   stats                                   counters of each direction; how late the relay itself was
#include <arpa/inet.h>
#include <poll.h>
#include <sched.h>
#include <sys/prctl.h>
#include <time.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "relay/ip_packet.h"
#include "relay/port_nat.h"
#include "relay/uplink_tun.h"
#include "sim/link.h"
#include "sim/loop.h"

namespace {

using weft::relay::Address;
using weft::relay::IpPacket;
using weft::sim::Datagram;
using weft::sim::Link;
using weft::sim::Loop;
using weft::sim::Shape;

// It wakes at most this often: finer, and its own load would impair more than it does on purpose.
constexpr uint64_t kTickNs = 100'000;
constexpr int kReadsPerPort = 256;
constexpr uint64_t kLateNs = 1'000'000;

// Milliseconds, Mbit/s and probabilities by their names in commands.
struct Setting {
  const char* name;
  double Shape::*field;
  double unit;
};
constexpr Setting kSettings[] = {
    {"delay", &Shape::delay_ms, 1},
    {"jitter", &Shape::jitter_ms, 1},
    {"rate", &Shape::rate_bps, 1e6},
    {"queue", &Shape::queue_ms, 1},
    {"loss", &Shape::loss, 1},
    {"burst_begin", &Shape::burst_begin, 1},
    {"burst_end", &Shape::burst_end, 1},
    {"burst_loss", &Shape::burst_loss, 1},
    {"policer", &Shape::policer_bps, 1e6},
    {"policer_burst", &Shape::policer_burst_bytes, 1},
    {"duplicate", &Shape::duplicate, 1},
};
struct Switch {
  const char* name;
  bool Shape::*field;
};
constexpr Switch kSwitches[] = {{"reorder", &Shape::jitter_reorders}, {"black_hole", &Shape::black_hole}};

uint64_t monotonic_ns() {
  timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return static_cast<uint64_t>(t.tv_sec) * weft::sim::kSecond + static_cast<uint64_t>(t.tv_nsec);
}

struct Lateness {
  uint64_t packets = 0, late = 0, worst_ns = 0;

  void count(uint64_t ns) {
    ++packets;
    if (ns > kLateNs) ++late;
    worst_ns = std::max(worst_ns, ns);
  }
};

struct Port {
  weft::relay::UplinkTun tun;
  weft::relay::PortNat nat;
  bool translates = false;
  bool gone = false;
  std::unique_ptr<Link> up, down;
};

class Relay {
 public:
  explicit Relay(uint64_t seed) : seed_(seed), began_(monotonic_ns()), buffer_(65'536) {}

  // Until stdin ends.
  void run() {
    for (;;) {
      const uint64_t woke = monotonic_ns();
      loop_.run_until(virtual_time(woke));
      std::vector<pollfd> waiting = {{STDIN_FILENO, POLLIN, 0}};
      for (const auto& [name, port] : ports_) waiting.push_back({port->gone ? -1 : port->tun.fd(), POLLIN, 0});
      wait(waiting);
      if (waiting[0].revents != 0 && !read_commands()) return;
      loop_.run_until(virtual_time(monotonic_ns()));
      for (auto& [name, port] : ports_) receive(*port);
      loop_.run_until(virtual_time(monotonic_ns()));
      rest_until(woke + kTickNs);
    }
  }

 private:
  uint64_t virtual_time(uint64_t ns) const { return ns - began_ + weft::sim::kStart; }

  void wait(std::vector<pollfd>& waiting) const {
    const uint64_t next = loop_.next(), now = virtual_time(monotonic_ns());
    const uint64_t ns = next > now ? next - now : 0;
    const timespec limit = {static_cast<time_t>(ns / weft::sim::kSecond), static_cast<long>(ns % weft::sim::kSecond)};
    ppoll(waiting.data(), waiting.size(), next == weft::sim::kNever ? nullptr : &limit, nullptr);
  }

  static void rest_until(uint64_t ns) {
    if (monotonic_ns() >= ns) return;
    const timespec t = {static_cast<time_t>(ns / weft::sim::kSecond), static_cast<long>(ns % weft::sim::kSecond)};
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, nullptr);
  }

  // ---- packets

  void receive(Port& port) {
    for (int i = 0; i < kReadsPerPort && !port.gone; ++i) {
      const ssize_t n = port.tun.read(buffer_);
      if (n < 0) port.gone = true;
      if (n <= 0) return;
      const std::span<uint8_t> bytes(buffer_.data(), static_cast<size_t>(n));
      IpPacket packet(bytes);
      // What the kernel says to the link by itself has no way to go.
      if (!packet || !routes_.contains(packet.destination())) continue;
      if (port.translates) port.nat.outbound(packet);
      Datagram datagram;
      datagram.length = static_cast<uint32_t>(n) - weft::sim::kUdpOverhead;
      datagram.bytes.assign(bytes.begin(), bytes.end());
      port.up->send(std::move(datagram));
    }
  }

  void route(Datagram&& datagram) {
    IpPacket packet(datagram.bytes);
    Port& port = *routes_.at(packet.destination());
    if (port.translates && !port.nat.inbound(packet)) return;
    port.down->send(std::move(datagram));
  }

  void deliver(const Port& port, const Datagram& datagram) {
    port.tun.write(datagram.bytes);
    lateness_.count(virtual_time(monotonic_ns()) - loop_.now());
  }

  // ---- commands

  bool read_commands() {
    char bytes[4096];
    const ssize_t n = ::read(STDIN_FILENO, bytes, sizeof bytes);
    if (n <= 0) return false;
    input_.append(bytes, static_cast<size_t>(n));
    for (size_t end; (end = input_.find('\n')) != std::string::npos; input_.erase(0, end + 1)) {
      std::istringstream line(input_.substr(0, end));
      std::vector<std::string> words;
      for (std::string word; line >> word;) words.push_back(word);
      if (!words.empty()) std::printf("%s\n", answer(words).c_str());
    }
    std::fflush(stdout);
    return true;
  }

  std::string answer(const std::vector<std::string>& words) {
    if (words[0] == "stats" && words.size() == 1) return statistics();
    const std::string mistake = execute(words);
    return mistake.empty() ? "{}" : "{\"error\": \"" + mistake + "\"}";
  }

  // Empty: done.
  std::string execute(const std::vector<std::string>& words) {
    if (words[0] == "port" && words.size() >= 5) return add_port(words);
    if (words.size() < 3) return "unknown command: " + words[0];
    const auto found = ports_.find(words[1]);
    if (found == ports_.end()) return "no such port: " + words[1];
    Port& port = *found->second;
    if (words[0] == "set" && words.size() >= 4) return set(port, words);
    if (words[0] == "nat") {
      port.translates = words[2] != "off";
      if (words[2] == "rebind") port.nat.rebind();
      return {};
    }
    if (words[0] == "cable") {
      const bool present = words[2] == "in";
      port.tun.set_carrier(present);
      port.up->shape.unplugged = port.down->shape.unplugged = !present;
      return {};
    }
    return "unknown command: " + words[0];
  }

  std::string add_port(const std::vector<std::string>& words) {
    if (ports_.contains(words[1])) return "port exists: " + words[1];
    std::vector<Address> addresses;
    for (size_t i = 4; i < words.size(); ++i) {
      Address address{};
      if (inet_pton(AF_INET, words[i].c_str(), address.data() + 12) == 1) {
        address[10] = address[11] = 0xff;
      } else if (inet_pton(AF_INET6, words[i].c_str(), address.data()) != 1) {
        return "no address: " + words[i];
      }
      addresses.push_back(address);
    }
    auto port = std::make_unique<Port>();
    if (std::string mistake = port->tun.create(words[2], words[3]); !mistake.empty()) return mistake;
    Port& kept = *port;
    Shape untouched;
    untouched.delay_ms = 0;
    kept.up = std::make_unique<Link>(loop_, ++seed_, untouched, [this](Datagram&& d) { route(std::move(d)); });
    kept.down = std::make_unique<Link>(loop_, ++seed_, untouched, [this, &kept](Datagram&& d) { deliver(kept, d); });
    for (const Address& address : addresses) routes_[address] = &kept;
    ports_[words[1]] = std::move(port);
    return {};
  }

  static std::string set(Port& port, const std::vector<std::string>& words) {
    const bool up = words[2] != "down", down = words[2] != "up";
    if (up && down && words[2] != "both") return "neither up, down nor both: " + words[2];
    for (size_t i = 3; i < words.size(); ++i) {
      if (up && !assign(port.up->shape, words[i])) return "no setting: " + words[i];
      if (down && !assign(port.down->shape, words[i])) return "no setting: " + words[i];
    }
    return {};
  }

  static bool assign(Shape& shape, const std::string& word) {
    const size_t equals = word.find('=');
    if (equals == std::string::npos) return false;
    const std::string name = word.substr(0, equals), text = word.substr(equals + 1);
    char* end = nullptr;
    const double value = std::strtod(text.c_str(), &end);
    if (text.empty() || *end != '\0' || value < 0) return false;
    for (const Setting& setting : kSettings) {
      if (name == setting.name) return shape.*setting.field = value * setting.unit, true;
    }
    for (const Switch& each : kSwitches) {
      if (name == each.name) return shape.*each.field = value != 0, true;
    }
    return false;
  }

  std::string statistics() {
    std::ostringstream out;
    out << "{\"ns\": " << loop_.now() - weft::sim::kStart << ", \"packets\": " << lateness_.packets
        << ", \"late\": " << lateness_.late << ", \"worstLateMs\": " << weft::sim::to_ms(lateness_.worst_ns)
        << ", \"ports\": {";
    const char* separator = "";
    for (const auto& [name, port] : ports_) {
      out << separator << '"' << name << "\": {\"up\": " << counters(*port->up)
          << ", \"down\": " << counters(*port->down) << '}';
      separator = ", ";
    }
    out << "}}";
    lateness_ = {};
    return out.str();
  }

  static std::string counters(const Link& link) {
    const Link::Counters& c = link.counters();
    std::ostringstream out;
    out << "{\"sent\": " << c.sent << ", \"delivered\": " << c.delivered
        << ", \"deliveredBytes\": " << c.delivered_bytes << ", \"queueDrops\": " << c.queue_drops
        << ", \"randomDrops\": " << c.random_drops << ", \"policerDrops\": " << c.policer_drops
        << ", \"holeDrops\": " << c.hole_drops << ", \"queueMs\": " << weft::sim::to_ms(link.queue_ns()) << '}';
    return out.str();
  }

  uint64_t seed_;
  uint64_t began_;
  Loop loop_;
  std::map<std::string, std::unique_ptr<Port>> ports_;
  std::map<Address, Port*> routes_;
  std::vector<uint8_t> buffer_;
  std::string input_;
  Lateness lateness_;
};

// The tunnels under test use all CPU there is: the relay must not wait behind them, or it would be an impairment nobody
// asked for. Without the right to it, it goes on as it is; `stats` tells how late it was.
void become_prompt() {
  const sched_param priority = {.sched_priority = 1};
  sched_setscheduler(0, SCHED_RR, &priority);
  prctl(PR_SET_TIMERSLACK, 1UL);
}

}  // namespace

int main(int argc, char** argv) {
  become_prompt();
  Relay(argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 1).run();
  return 0;
}
