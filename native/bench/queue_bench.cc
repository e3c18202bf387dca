// The queues between threads and those that packets wait in: commands down, handshakes and events up, packets staged
// for a key. Writes JSON to stdout.
#include <atomic>
#include <cstdint>
#include <thread>
#include <vector>

#include "engine/command_queue.h"
#include "engine/control_queue.h"
#include "measure.h"
#include "peer/staged_queue.h"

namespace {

using weft::bench::keep;
using weft::bench::Report;
using weft::engine::CommandQueue;
using weft::engine::ControlQueue;
using weft::engine::EventType;
using weft::peer::StagedQueue;

void commands(Report& report) {
  constexpr size_t kCommands = 32;
  uint64_t done = 0;
  CommandQueue queue([] {});
  report.per_operation("command queue, post and apply", kCommands, [&] {
    for (size_t i = 0; i < kCommands; ++i) queue.post([&done] { ++done; });
    queue.apply();
  });
  keep(done);
}

// There and back between two threads, both asleep in between, as a command waits for its answer.
void command_round_trip(Report& report) {
  std::atomic<uint32_t> woken{0};
  std::atomic<bool> stopped{false};
  CommandQueue queue([&] {
    woken.fetch_add(1, std::memory_order_release);
    woken.notify_one();
  });
  std::thread engine([&] {
    for (uint32_t seen = 0; !stopped.load(std::memory_order_acquire);) {
      woken.wait(seen, std::memory_order_acquire);
      seen = woken.load(std::memory_order_acquire);
      queue.apply();
    }
  });
  report.per_operation("command queue, post and wait for the other thread", 1, [&] { queue.post_and_wait([] {}); });
  queue.post([&] { stopped.store(true, std::memory_order_release); });
  engine.join();
}

void control(Report& report) {
  constexpr size_t kDatagrams = 32;  // of one read() of the control plane
  ControlQueue queue;
  const weft::net::Path path;
  const std::vector<uint8_t> initiation(148);
  report.per_operation("control queue, push and take an initiation", kDatagrams, [&] {
    for (size_t i = 0; i < kDatagrams; ++i) queue.push(path, initiation, false);
    keep(queue.take(kDatagrams).datagrams.size());
  });
  constexpr uint32_t kPeers = 1000;
  report.per_operation("control queue, an event of each of 1000 peers, and take", kPeers, [&] {
    for (uint32_t peer = 0; peer < kPeers; ++peer) queue.peer_event(EventType::kHandshakeNeeded, peer);
    keep(queue.take(kDatagrams).events.size());
  });
  queue.peer_event(EventType::kHandshakeNeeded, 1);
  report.per_operation("control queue, an event that is already there", kPeers, [&] {
    for (uint32_t i = 0; i < kPeers; ++i) queue.peer_event(EventType::kHandshakeNeeded, 1);
  });
}

void staged(Report& report) {
  const std::vector<uint8_t> packet(1430);
  const auto length = static_cast<uint32_t>(packet.size());
  StagedQueue queue;
  report.per_operation("staged queue, push and pop 1420 B", StagedQueue::kMaxPackets, [&] {
    for (uint32_t i = 0; i < StagedQueue::kMaxPackets; ++i) queue.push(packet.data(), length, 1);
    while (!queue.empty()) queue.pop();
  });
  report.per_operation("staged queue, push to a full one", StagedQueue::kMaxPackets, [&] {
    for (uint32_t i = 0; i < StagedQueue::kMaxPackets; ++i) keep(queue.push(packet.data(), length, 1));
  });
}

}  // namespace

int main() {
  Report report;
  commands(report);
  command_round_trip(report);
  control(report);
  staged(report);
}
