// A call in one direction: datagrams of one size at a steady rate, marked EF (RFC 3246) unless told otherwise. What a
// listener would notice is measured: delay, loss, order, silence. Both ends run on one machine and share its clock, so
// that the delay is that of one way.
//
//   udp_call send ADDRESS PORT --seconds S [--size BYTES] [--pps RATE] [--dscp N]
//   udp_call receive ADDRESS PORT [--series]
//       Until SIGTERM; prints "ready" on stderr once the port is open, and one JSON object at its end. With --series
//       each datagram's time of sending in ms since the first, and its delay in ms.
//
// A datagram begins with its number from 0 and the time of its sending, ns since 1970, little-endian.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string_view>
#include <vector>

#include "util/bytes.h"

namespace {

constexpr uint32_t kHeader = 16;
constexpr uint32_t kMaxSize = 1400;
constexpr uint64_t kNanosPerSecond = 1'000'000'000;

volatile sig_atomic_t stopped = 0;

struct Options {
  double seconds = 10;
  uint32_t size = 172;  // RTP with 20 ms of G.711
  double pps = 50;
  int dscp = 46;
  bool series = false;
};

[[noreturn]] void fail(const char* what) {
  std::fprintf(stderr, "udp_call: %s: %s\n", what, std::strerror(errno));
  std::exit(1);
}

uint64_t to_ns(const timespec& t) {
  return static_cast<uint64_t>(t.tv_sec) * kNanosPerSecond + static_cast<uint64_t>(t.tv_nsec);
}

uint64_t now_ns(clockid_t clock) {
  timespec t;
  clock_gettime(clock, &t);
  return to_ns(t);
}

int open_socket() {
  const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) fail("socket");
  return fd;
}

int run_sender(const sockaddr_in& to, const Options& options) {
  const int fd = open_socket();
  const int traffic_class = options.dscp << 2;
  setsockopt(fd, IPPROTO_IP, IP_TOS, &traffic_class, sizeof traffic_class);
  if (connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof to) < 0) fail("connect");
  // The call must be steady though the tunnel and a bulk stream use all CPU there is.
  const sched_param priority = {.sched_priority = 1};
  sched_setscheduler(0, SCHED_RR, &priority);
  prctl(PR_SET_TIMERSLACK, 1UL);

  uint8_t bytes[kMaxSize] = {};
  const uint64_t start = now_ns(CLOCK_MONOTONIC);
  const auto count = static_cast<uint64_t>(options.seconds * options.pps);
  uint64_t number = 0;
  for (; number < count && stopped == 0; ++number) {
    const uint64_t due = start + static_cast<uint64_t>(static_cast<double>(number) * 1e9 / options.pps);
    const timespec t = {static_cast<time_t>(due / kNanosPerSecond), static_cast<long>(due % kNanosPerSecond)};
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, nullptr);
    weft::store_le64(bytes, number);
    weft::store_le64(bytes + 8, now_ns(CLOCK_REALTIME));
    send(fd, bytes, options.size, 0);
  }
  std::printf("{\"sent\": %lu}\n", number);
  return 0;
}

struct Sample {
  uint64_t number, sent_ns, received_ns;
};

// When the kernel had it, not when this process was scheduled.
uint64_t arrival_ns(msghdr& message) {
  for (cmsghdr* c = CMSG_FIRSTHDR(&message); c != nullptr; c = CMSG_NXTHDR(&message, c)) {
    if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_TIMESTAMPNS) continue;
    return to_ns(weft::load<timespec>(CMSG_DATA(c)));
  }
  return now_ns(CLOCK_REALTIME);
}

std::vector<Sample> receive_all(int fd) {
  std::vector<Sample> samples;
  while (stopped == 0) {
    pollfd waiting = {fd, POLLIN, 0};
    if (poll(&waiting, 1, 200) <= 0) continue;
    uint8_t bytes[kMaxSize];
    alignas(cmsghdr) uint8_t control[128];
    iovec part = {bytes, sizeof bytes};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    const ssize_t n = recvmsg(fd, &message, MSG_DONTWAIT);
    if (n < static_cast<ssize_t>(kHeader)) continue;
    samples.push_back({weft::load_le64(bytes), weft::load_le64(bytes + 8), arrival_ns(message)});
  }
  return samples;
}

void print_summary(const std::vector<Sample>& samples, bool series) {
  std::vector<double> delays;
  std::vector<bool> seen;
  uint64_t inversions = 0, copies = 0, highest = 0, silence = 0;
  for (size_t i = 0; i < samples.size(); ++i) {
    const Sample& each = samples[i];
    delays.push_back(static_cast<double>(static_cast<int64_t>(each.received_ns - each.sent_ns)) / 1e6);
    if (seen.size() <= each.number) seen.resize(each.number + 1);
    if (seen[each.number]) {
      ++copies;
    } else if (i > 0 && each.number < highest) {
      ++inversions;
    }
    seen[each.number] = true;
    highest = std::max(highest, each.number);
    if (i > 0 && each.received_ns > samples[i - 1].received_ns) {
      silence = std::max(silence, each.received_ns - samples[i - 1].received_ns);
    }
  }
  std::vector<double> sorted = delays;
  std::ranges::sort(sorted);
  const auto quantile = [&](double q) {
    return sorted.empty() ? 0.0 : sorted[static_cast<size_t>(q * static_cast<double>(sorted.size() - 1))];
  };
  const auto missing = static_cast<uint64_t>(std::ranges::count(seen, false));
  std::printf(
      "{\"received\": %zu, \"missing\": %lu, \"copies\": %lu, \"inversions\": %lu, \"longestSilenceMs\": %.3f, "
      "\"delayMs\": {\"min\": %.3f, \"p50\": %.3f, \"p99\": %.3f, \"max\": %.3f}",
      samples.size(), missing, copies, inversions, static_cast<double>(silence) / 1e6, quantile(0), quantile(0.5),
      quantile(0.99), quantile(1));
  if (series) {
    std::printf(", \"startMs\": %.3f, \"series\": [",
                samples.empty() ? 0.0 : static_cast<double>(samples[0].sent_ns) / 1e6);
    for (size_t i = 0; i < samples.size(); ++i) {
      const auto since = static_cast<double>(static_cast<int64_t>(samples[i].sent_ns - samples[0].sent_ns)) / 1e6;
      std::printf("%s[%.1f, %.2f]", i == 0 ? "" : ", ", since, delays[i]);
    }
    std::printf("]");
  }
  std::printf("}\n");
}

int run_receiver(const sockaddr_in& at, const Options& options) {
  const int fd = open_socket();
  const int on = 1;
  setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on);
  if (bind(fd, reinterpret_cast<const sockaddr*>(&at), sizeof at) < 0) fail("bind");
  std::fprintf(stderr, "ready\n");
  print_summary(receive_all(fd), options.series);
  return 0;
}

[[noreturn]] void misuse() {
  std::fprintf(stderr,
               "usage: udp_call send ADDRESS PORT --seconds S [--size BYTES] [--pps RATE] [--dscp N]\n"
               "       udp_call receive ADDRESS PORT [--series]\n");
  std::exit(2);
}

Options parse_options(int argc, char** argv) {
  Options options;
  for (int i = 4; i < argc; ++i) {
    const std::string_view name = argv[i];
    if (name == "--series") {
      options.series = true;
      continue;
    }
    if (++i == argc) misuse();
    char* end = argv[i];
    const double value = std::strtod(argv[i], &end);
    if (value < 0 || *end != '\0') misuse();
    if (name == "--seconds") {
      options.seconds = value;
    } else if (name == "--size" && value >= kHeader && value <= kMaxSize) {
      options.size = static_cast<uint32_t>(value);
    } else if (name == "--pps" && value > 0) {
      options.pps = value;
    } else if (name == "--dscp" && value < 64) {
      options.dscp = static_cast<int>(value);
    } else {
      misuse();
    }
  }
  return options;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 4) misuse();
  const std::string_view role = argv[1];
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(std::atoi(argv[3])));
  if (inet_pton(AF_INET, argv[2], &address.sin_addr) != 1 || address.sin_port == 0) misuse();
  const Options options = parse_options(argc, argv);

  struct sigaction action = {};
  action.sa_handler = [](int) { stopped = 1; };
  sigaction(SIGTERM, &action, nullptr);
  sigaction(SIGINT, &action, nullptr);
  if (role == "send") return run_sender(address, options);
  if (role == "receive") return run_receiver(address, options);
  misuse();
}
