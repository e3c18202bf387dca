// Sends or counts numbered UDP datagrams: the load of bench/throughput and bench/soak, because one core of iperf3 sends
// fewer small datagrams than a tunnel carries.
//
//   udp_load send ADDRESS PORT --size BYTES --seconds S [--pps RATE]
//       Without --pps as fast as the socket takes them. Datagrams leave one by one for the kernel (sendmmsg, no
//       segmentation offload), as from any ordinary application. One that the kernel refuses counts as sent.
//   udp_load receive ADDRESS PORT [--quiet-ms MS]
//       Until SIGTERM, which says that the sender has ended, and on until nothing has come for --quiet-ms; prints
//       "ready" on stderr once the port is open.
//
// Both print one JSON object at their end. A datagram's first 8 bytes are its number from 0,
// little-endian; the receiver also tells where numbers are missing and when.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
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

constexpr uint32_t kBatch = 64;
constexpr uint32_t kMinSize = 8;
constexpr uint32_t kMaxSize = 65'507;
constexpr int kSocketBuffer = 8 << 20;  // what is lost must be the tunnel's loss, not ours
constexpr uint64_t kNanosPerSecond = 1'000'000'000;
// A paced sender wakes at most this often and sends what is due: finer, and its wake-ups would be the load.
constexpr uint64_t kTickNs = 100'000;
// What it may catch up after it was not scheduled, about a scheduler slice: more would test buffers, not the rate.
constexpr uint64_t kCatchUpNs = 3'000'000;
constexpr size_t kMaxGaps = 50'000;  // listed; all are counted

volatile sig_atomic_t stopped = 0;

struct Options {
  uint32_t size = 64;
  uint64_t pps = 0;  // 0: not paced
  double seconds = 2;
  int quiet_ms = 700;
};

[[noreturn]] void fail(const char* what) {
  std::fprintf(stderr, "udp_load: %s: %s\n", what, std::strerror(errno));
  std::exit(1);
}

uint64_t now_ns(clockid_t clock = CLOCK_MONOTONIC) {
  timespec t;
  clock_gettime(clock, &t);
  return static_cast<uint64_t>(t.tv_sec) * kNanosPerSecond + static_cast<uint64_t>(t.tv_nsec);
}

void sleep_until(uint64_t ns) {
  const timespec t = {static_cast<time_t>(ns / kNanosPerSecond), static_cast<long>(ns % kNanosPerSecond)};
  clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, nullptr);
}

int open_socket(int force_option, int option) {
  const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) fail("socket");
  if (setsockopt(fd, SOL_SOCKET, force_option, &kSocketBuffer, sizeof kSocketBuffer) < 0) {
    setsockopt(fd, SOL_SOCKET, option, &kSocketBuffer, sizeof kSocketBuffer);
  }
  return fd;
}

// ---- send

class Sender {
 public:
  Sender(const sockaddr_in& to, uint32_t size) : size_(size), bytes_(size_t{size} * kBatch) {
    fd_ = open_socket(SO_SNDBUFFORCE, SO_SNDBUF);
    if (connect(fd_, reinterpret_cast<const sockaddr*>(&to), sizeof to) < 0) fail("connect");
    for (uint32_t i = 0; i < kBatch; ++i) {
      parts_[i] = {bytes_.data() + size_t{size} * i, size};
      messages_[i] = {};
      messages_[i].msg_hdr.msg_iov = &parts_[i];
      messages_[i].msg_hdr.msg_iovlen = 1;
    }
  }
  ~Sender() { close(fd_); }
  Sender(const Sender&) = delete;
  Sender& operator=(const Sender&) = delete;

  void send(uint64_t count) {
    while (count > 0 && stopped == 0) {
      const auto n = static_cast<uint32_t>(std::min<uint64_t>(count, kBatch));
      for (uint32_t i = 0; i < n; ++i) weft::store_le64(bytes_.data() + size_t{size_} * i, sent_ + i);
      const int done = sendmmsg(fd_, messages_, n, 0);
      if (done <= 0 && errno != ENOBUFS && errno != EINTR && errno != ECONNREFUSED) fail("sendmmsg");
      if (done <= 0 && errno == EINTR) continue;
      // The first one was refused: it is lost like any other, and the next is tried.
      const uint64_t step = done > 0 ? static_cast<uint64_t>(done) : 1;
      if (done <= 0) ++refused_;
      sent_ += step;
      count -= step;
    }
  }

  uint64_t sent() const { return sent_; }
  uint64_t refused() const { return refused_; }

 private:
  uint32_t size_;
  int fd_;
  std::vector<uint8_t> bytes_;
  iovec parts_[kBatch];
  mmsghdr messages_[kBatch];
  uint64_t sent_ = 0;
  uint64_t refused_ = 0;
};

// Sends what is due by the schedule; `skipped` of it were so late that they are left out.
uint64_t send_paced(Sender& sender, uint64_t pps, uint64_t start, uint64_t end) {
  const auto due_at = [&](uint64_t ns) {
    return static_cast<uint64_t>(static_cast<double>(ns - start) * static_cast<double>(pps) / 1e9);
  };
  const uint64_t most = std::max<uint64_t>(1, due_at(start + kTickNs + kCatchUpNs));
  const uint64_t tick = std::max(kTickNs, kNanosPerSecond / pps);
  uint64_t skipped = 0;
  for (uint64_t wake = start; stopped == 0;) {
    const uint64_t now = now_ns();
    if (now >= end) break;
    const uint64_t owed = due_at(now) - sender.sent() - skipped;
    const uint64_t count = std::min(owed, most);
    skipped += owed - count;
    sender.send(count);
    wake = std::max(wake + tick, now_ns());
    sleep_until(std::min(wake, end));
  }
  return skipped;
}

int run_sender(const sockaddr_in& to, const Options& options) {
  Sender sender(to, options.size);
  prctl(PR_SET_TIMERSLACK, 1UL);
  const uint64_t start = now_ns();
  const uint64_t end = start + static_cast<uint64_t>(options.seconds * 1e9);
  uint64_t skipped = 0;
  if (options.pps > 0) {
    skipped = send_paced(sender, options.pps, start, end);
  } else {
    while (stopped == 0 && now_ns() < end) sender.send(kBatch);
  }
  const double seconds = static_cast<double>(now_ns() - start) / 1e9;
  std::printf("{\"sent\": %lu, \"refused\": %lu, \"skipped\": %lu, \"seconds\": %.6f}\n", sender.sent(),
              sender.refused(), skipped, seconds);
  return 0;
}

// ---- receive

// Numbers missing before `number` when it came; some of them may come later, out of order.
struct Gap {
  uint64_t number;
  uint64_t missing;
  uint64_t at_ms;  // wall clock
};

struct Count {
  uint64_t received = 0;
  uint64_t late = 0;  // out of order or twice: the number was below one that had come
  uint64_t next = 0;  // one above the highest number
  uint64_t gap_count = 0;
  uint64_t first_ns = 0;
  uint64_t last_ns = 0;
  std::vector<Gap> gaps;

  void take(uint64_t number) {
    ++received;
    if (number < next) {
      ++late;
      return;
    }
    if (number > next) {
      ++gap_count;
      if (gaps.size() < kMaxGaps) gaps.push_back({number, number - next, now_ns(CLOCK_REALTIME) / 1'000'000});
    }
    next = number + 1;
  }
};

Count receive_all(int fd, const Options& options) {
  Count count;
  uint8_t bytes[kBatch][64];  // the number is enough; the rest of a datagram is cut off
  iovec parts[kBatch];
  mmsghdr messages[kBatch] = {};
  for (uint32_t i = 0; i < kBatch; ++i) {
    parts[i] = {bytes[i], sizeof bytes[i]};
    messages[i].msg_hdr.msg_iov = &parts[i];
    messages[i].msg_hdr.msg_iovlen = 1;
  }
  for (;;) {
    const int n = recvmmsg(fd, messages, kBatch, MSG_DONTWAIT, nullptr);
    if (n > 0) {
      count.last_ns = now_ns();
      if (count.received == 0) count.first_ns = count.last_ns;
      for (int i = 0; i < n; ++i) {
        if (messages[i].msg_len >= kMinSize) count.take(weft::load_le64(bytes[i]));
      }
      continue;
    }
    if (n < 0 && errno != EAGAIN && errno != EINTR) fail("recvmmsg");
    pollfd waiting = {fd, POLLIN, 0};
    if (poll(&waiting, 1, options.quiet_ms) == 0 && stopped != 0) break;
  }
  return count;
}

int run_receiver(const sockaddr_in& at, const Options& options) {
  const int fd = open_socket(SO_RCVBUFFORCE, SO_RCVBUF);
  if (bind(fd, reinterpret_cast<const sockaddr*>(&at), sizeof at) < 0) fail("bind");
  std::fprintf(stderr, "ready\n");
  const Count count = receive_all(fd, options);
  close(fd);
  std::printf("{\"received\": %lu, \"late\": %lu, \"next\": %lu, \"seconds\": %.6f, \"gapCount\": %lu, \"gaps\": [",
              count.received, count.late, count.next, static_cast<double>(count.last_ns - count.first_ns) / 1e9,
              count.gap_count);
  for (size_t i = 0; i < count.gaps.size(); ++i) {
    const Gap& gap = count.gaps[i];
    std::printf("%s{\"number\": %lu, \"missing\": %lu, \"atMs\": %lu}", i == 0 ? "" : ", ", gap.number, gap.missing,
                gap.at_ms);
  }
  std::printf("]}\n");
  return 0;
}

[[noreturn]] void misuse() {
  std::fprintf(stderr,
               "usage: udp_load send ADDRESS PORT --size BYTES --seconds S [--pps RATE]\n"
               "       udp_load receive ADDRESS PORT [--quiet-ms MS]\n");
  std::exit(2);
}

Options parse_options(int argc, char** argv) {
  Options options;
  for (int i = 4; i < argc; i += 2) {
    const std::string_view name = argv[i];
    if (i + 1 == argc) misuse();
    char* end = argv[i + 1];
    const double value = std::strtod(argv[i + 1], &end);
    if (value <= 0 || *end != '\0') misuse();
    if (name == "--size" && value >= kMinSize && value <= kMaxSize) {
      options.size = static_cast<uint32_t>(value);
    } else if (name == "--pps" && value >= 1) {
      options.pps = static_cast<uint64_t>(value);
    } else if (name == "--seconds") {
      options.seconds = value;
    } else if (name == "--quiet-ms") {
      options.quiet_ms = static_cast<int>(value);
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
