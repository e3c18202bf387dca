// The line that keeps units of work in order between the threads of a lane: alone, and handed from thread to thread as
// workers do it. Writes JSON to stdout.
#include <atomic>
#include <cstdint>
#include <thread>
#include <vector>

#include "engine/ticket_line.h"
#include "measure.h"

namespace {

using weft::bench::Report;
using weft::engine::TicketLine;

void alone(Report& report) {
  constexpr size_t kUnits = 1024;
  TicketLine line;
  report.per_operation("ticket line, draw, wait, release by one thread", kUnits, [&] {
    for (size_t i = 0; i < kUnits; ++i) {
      line.wait(line.draw());
      line.release();
    }
  });
}

// Each thread takes every n-th ticket of a round, so every release has to reach another thread.
void handed_on(Report& report, uint32_t threads) {
  constexpr uint32_t kUnits = 64;
  TicketLine line;
  std::atomic<uint32_t> round{0}, finished{0};
  std::atomic<bool> stopped{false};
  std::vector<std::thread> workers;
  for (uint32_t id = 0; id < threads; ++id) {
    workers.emplace_back([&, id] {
      for (uint32_t done = 0;; ++done) {
        round.wait(done, std::memory_order_acquire);
        if (stopped.load(std::memory_order_acquire)) return;
        for (uint32_t i = id; i < kUnits; i += threads) {
          line.wait(done * kUnits + i);
          line.release();
        }
        if (finished.fetch_add(1, std::memory_order_acq_rel) + 1 == threads) finished.notify_one();
      }
    });
  }
  report.per_operation("ticket line, handed on between " + std::to_string(threads) + " threads", kUnits, [&] {
    for (uint32_t i = 0; i < kUnits; ++i) line.draw();
    finished.store(0, std::memory_order_relaxed);
    round.fetch_add(1, std::memory_order_release);
    round.notify_all();
    for (uint32_t now = finished.load(std::memory_order_acquire); now != threads;
         now = finished.load(std::memory_order_acquire)) {
      finished.wait(now, std::memory_order_acquire);
    }
  });
  stopped.store(true, std::memory_order_release);
  round.fetch_add(1, std::memory_order_release);
  round.notify_all();
  for (std::thread& worker : workers) worker.join();
}

}  // namespace

int main() {
  Report report;
  alone(report);
  for (const uint32_t threads : {2u, 4u}) handed_on(report, threads);
}
