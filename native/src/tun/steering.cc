#include "tun/steering.h"

#include <linux/if_tun.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include <cstddef>

#include "util/bpf.h"

#ifndef TUNSETSTEERINGEBPF
#define TUNSETSTEERINGEBPF _IOR('T', 224, int)
#endif

namespace weft::tun {
namespace {

using namespace bpf;

// More small packets of one flow than this in a window (2^27 ns = 134 ms) are bulk.
constexpr int32_t kWindowShift = 27;
constexpr int32_t kWindowPackets = 64;
// A flow stays with the bulk so long after its last packet there: longer than a full queue of plain packets lasts,
// where an uplink of 12 Mbit/s or more holds the reader up.
constexpr uint64_t kBulkHoldNs = 1'000'000'000;

constexpr uint64_t kHashFactor = 0x9e3779b97f4a7c15;
constexpr int32_t kFlowHashShift = 51;  // the top 13 bits
constexpr int32_t kQueueHashShift = 40;
constexpr int32_t kLaneHashShift = 20;
constexpr int32_t kLaneHashBits = 20;

}  // namespace

// r6 the packet, r7 its length, r8 its flow's hash, r9 its flow's record, later its queue.
class SteeringProgram {
 public:
  SteeringProgram(int map_fd, uint32_t lanes) : map_fd_(map_fd), lanes_(static_cast<int32_t>(lanes)) {}

  int load() {
    a_.move(kR6, kR1);
    a_.load(kR7, BPF_W, kR6, offsetof(__sk_buff, len));
    hash_flow();
    choose_queue();
    if (lanes_ > 1) choose_lane();
    log_entry();
    a_.move(kR0, kR9);
    a_.exit();
    return a_.load_program(BPF_PROG_TYPE_SOCKET_FILTER);
  }

 private:
  using Shared = Steering::Shared;

  void mix_word(int32_t offset) {
    a_.load_packet(BPF_W, offset);
    mix();
  }
  void mix() {
    a_.multiply(kR8, 31);
    a_.add(kR8, kR0);
  }

  // r8 = hash of addresses and, where they can be seen, ports.
  void hash_flow() {
    const auto ipv6 = a_.label();
    const auto ports4 = a_.label();
    const auto ports6 = a_.label();
    const auto hashed = a_.label();
    a_.move(kR8, 0);
    a_.load_packet(BPF_B, 0);
    a_.shift_right(kR0, 4);
    a_.jump_if_equal(kR0, 6, ipv6);

    mix_word(12);
    mix_word(16);
    a_.load_packet(BPF_H, 6);
    a_.mask(kR0, 0x3fff);
    a_.jump_if_not_equal(kR0, 0, hashed);  // a fragment
    a_.load_packet(BPF_B, 9);
    a_.jump_if_equal(kR0, IPPROTO_TCP, ports4);
    a_.jump_if_not_equal(kR0, IPPROTO_UDP, hashed);
    a_.place(ports4);
    a_.load_packet(BPF_B, 0);
    a_.mask(kR0, 15);
    a_.shift_left(kR0, 2);
    a_.move(kR9, kR0);
    a_.load_packet(BPF_W, kR9, 0);
    mix();
    a_.jump(hashed);

    a_.place(ipv6);
    for (int32_t offset = 8; offset < 40; offset += 4) mix_word(offset);
    a_.load_packet(BPF_B, 6);
    a_.jump_if_equal(kR0, IPPROTO_TCP, ports6);
    a_.jump_if_not_equal(kR0, IPPROTO_UDP, hashed);
    a_.place(ports6);
    mix_word(40);

    a_.place(hashed);
    a_.load_immediate(kR1, kHashFactor);
    a_.multiply(kR8, kR1);
  }

  // r9 = queue.
  void choose_queue() {
    const auto bulk = a_.label();
    const auto same_window = a_.label();
    const auto chosen = a_.label();
    a_.load_map_value(kR9, map_fd_, offsetof(Shared, flows));
    a_.move(kR1, kR8);
    a_.shift_right(kR1, kFlowHashShift);
    a_.multiply(kR1, sizeof(Steering::Flow));
    a_.add(kR9, kR1);
    a_.call(BPF_FUNC_ktime_get_boot_ns);

    a_.jump_if_greater(kR7, Steering::kSmallPacket, bulk);
    a_.load(kR1, BPF_DW, kR9, offsetof(Steering::Flow, bulk_until_ns));
    a_.jump_if_greater(kR1, kR0, bulk);
    a_.move(kR1, kR0);
    a_.shift_right(kR1, kWindowShift);
    a_.load(kR2, BPF_DW, kR9, offsetof(Steering::Flow, window));
    a_.load(kR3, BPF_DW, kR9, offsetof(Steering::Flow, packets));
    a_.jump_if_equal(kR1, kR2, same_window);
    a_.store(kR9, offsetof(Steering::Flow, window), kR1);
    a_.move(kR3, 0);
    a_.place(same_window);
    a_.add(kR3, 1);
    a_.store(kR9, offsetof(Steering::Flow, packets), kR3);
    a_.jump_if_greater(kR3, kWindowPackets, bulk);
    a_.move(kR9, Steering::kSparseQueue);
    a_.jump(chosen);

    a_.place(bulk);
    a_.load_immediate(kR1, kBulkHoldNs);
    a_.add(kR1, kR0);
    a_.store(kR9, offsetof(Steering::Flow, bulk_until_ns), kR1);
    a_.move(kR9, kR8);
    a_.shift_right(kR9, kQueueHashShift);
    a_.mask(kR9, Steering::kBulkQueues - 1);
    a_.add(kR9, 1);
    a_.place(chosen);
  }

  // r9 = that queue of the flow's lane.
  void choose_lane() {
    a_.move(kR1, kR8);
    a_.shift_right(kR1, kLaneHashShift);
    a_.mask(kR1, (1 << kLaneHashBits) - 1);
    a_.multiply(kR1, lanes_);
    a_.shift_right(kR1, kLaneHashBits);
    a_.multiply(kR1, Steering::kQueues);
    a_.add(kR9, kR1);
  }

  // Notes the time, in r0 still, as that of the packet's place in its queue.
  void log_entry() {
    a_.load_map_value(kR2, map_fd_, offsetof(Shared, counts));
    a_.move(kR1, kR9);
    a_.multiply(kR1, sizeof(Steering::Count));
    a_.add(kR2, kR1);
    a_.move(kR1, 1);
    a_.fetch_add(kR2, offsetof(Steering::Count, entered), kR1);
    a_.mask(kR1, Steering::kTimes - 1);
    a_.multiply(kR1, sizeof(uint64_t));
    a_.load_map_value(kR2, map_fd_, offsetof(Shared, times));
    a_.add(kR2, kR1);
    a_.move(kR1, kR9);
    a_.multiply(kR1, sizeof(Steering::Times));
    a_.add(kR2, kR1);
    a_.store(kR2, 0, kR0);
  }

  const int map_fd_;
  const int32_t lanes_;
  Assembler a_;
};

Steering::~Steering() {
  if (shared_ != nullptr) munmap(shared_, size_);
}

bool Steering::attach(int tun_fd, uint32_t lanes) {
  size_ = sizeof(Shared) + lanes * kQueues * sizeof(Times);
  bpf_attr attributes;
  std::memset(&attributes, 0, sizeof attributes);
  attributes.map_type = BPF_MAP_TYPE_ARRAY;
  attributes.key_size = sizeof(uint32_t);
  attributes.value_size = static_cast<uint32_t>(size_);
  attributes.max_entries = 1;
  attributes.map_flags = BPF_F_MMAPABLE;
  UniqueFd map(bpf::call(BPF_MAP_CREATE, attributes));
  if (!map) return false;
  void* memory = mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_SHARED, map.get(), 0);
  if (memory == MAP_FAILED) return false;
  shared_ = static_cast<Shared*>(memory);
  UniqueFd program(SteeringProgram(map.get(), lanes).load());
  const int program_fd = program.get();
  return program && ioctl(tun_fd, TUNSETSTEERINGEBPF, &program_fd) == 0;
}

}  // namespace weft::tun
