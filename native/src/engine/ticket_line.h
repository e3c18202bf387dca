// Keeps the order in which units of one direction were taken: each draws a ticket when it is taken, is worked on by its
// thread beside others, and is finished when all before it are.
#pragma once

#include <atomic>
#include <cstdint>

namespace weft::engine {

inline constexpr size_t kCacheLine = 64;

class TicketLine {
 public:
  using Ticket = uint32_t;

  // By one thread at a time: the leader of the lane.
  Ticket draw() { return drawn_++; }

  // Whether every ticket before this one has been released.
  bool serves(Ticket ticket) const { return serving_.load(std::memory_order_acquire) == ticket; }

  // Returns when every ticket before this one has been released. What their holders did before that is visible.
  void wait(Ticket ticket) const {
    // The one before is most often at its last system call.
    constexpr int kSpins = 100;
    for (int i = 0; i < kSpins; ++i) {
      if (serves(ticket)) return;
      relax();
    }
    for (Ticket now = serving_.load(std::memory_order_acquire); now != ticket;
         now = serving_.load(std::memory_order_acquire)) {
      serving_.wait(now, std::memory_order_acquire);
    }
  }

  // By the holder of the ticket being served.
  void release() {
    serving_.fetch_add(1, std::memory_order_release);
    serving_.notify_all();
  }

  // Returns when every ticket drawn has been released. By the leader, so that no more are drawn.
  void drain() const { wait(drawn_); }

 private:
  static void relax() {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    asm volatile("yield");
#endif
  }

  // Counters wrap together; only equality matters.
  alignas(kCacheLine) std::atomic<Ticket> serving_{0};
  alignas(kCacheLine) Ticket drawn_ = 0;
};

}  // namespace weft::engine
