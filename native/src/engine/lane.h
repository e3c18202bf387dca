// A lane: sockets and TUN queues that are read in order, and the threads that serve them. One of them leads: it waits,
// and takes the next unit. Then it gives the lead to another and finishes its unit, in turn with those taken before
// (leader/follower). With one thread a lane that is run to completion.
//
// The order within a round: the sockets, what bonds have to do by now (the first lane; after the sockets, so that
// nothing that has come already is reported missing when this machine was slow), then what is sparse in the TUN, then
// its bulk, then the kernel is asked who has more. While sparse packets are left no bulk passes them, as they may be of
// the same flow.
#pragma once

#include <memory>
#include <utility>

#include "engine/exclusive_section.h"
#include "engine/inbound.h"
#include "engine/network_watch.h"
#include "engine/outbound.h"
#include "engine/state.h"
#include "engine/tun_queues.h"
#include "io/poller.h"
#include "io/uring.h"
#include "util/cpu_share.h"

namespace weft::engine {

// What a thread works with.
struct Units {
  // `ring` null: without io_uring. `alone`: the lane has no other thread, and its sockets may be read on before what
  // was taken is delivered. `real_time`: the thread may be a real-time one.
  Units(std::unique_ptr<io::Uring> ring, bool alone, bool real_time)
      : uring(std::move(ring)), outbound(uring.get()), inbound(uring.get(), alone ? kReadAhead : 1), cpu(real_time) {}

  static constexpr uint32_t kReadAhead = 16;

  std::unique_ptr<io::Uring> uring;
  OutboundUnit outbound;
  InboundLine inbound;
  CpuShare cpu;
};

class Lane {
 public:
  // `threads`: how many will serve it.
  Lane(State& state, NetworkWatch& network, ExclusiveSection& section, uint32_t index, uint32_t threads);

  // Returns 0 or an errno.
  int open();

  // Units and waits by the calling thread, until it has given the lead to another and finished its own, or leaders are
  // to step back.
  void turn(Units& units);
  // Ends the wait of the leader. From any thread.
  void wake() { poller_.wake(); }
  // The same, if it is asleep.
  void rouse() {
    if (order_.sleeping) poller_.wake();
  }
  // From any thread: whoever leads from now on does not wait.
  void stop();

  // In an exclusive section. Returns 0 or an errno.
  int on_sockets_replaced();
  Outbound& outbound() { return outbound_; }
  Inbound& inbound() { return inbound_; }
  io::Poller& poller() { return poller_; }

 private:
  enum class Taken : uint8_t { kNothing, kOutbound, kInbound, kBonds };
  // Whose turn in a round it is.
  enum class Turn : uint8_t { kUdp, kBonds, kSparse, kBulk, kPoll };

  // ICMP answers for the host's stack.
  struct TunWriter : tun::TunSink {
    TunWriter(TunQueues& lane_queues, Counters& counts) : queues(lane_queues), counters(counts) {}
    void write(const iovec* iov, int count) override {
      if (!queues.write(iov, count)) counters.drop(Drop::kTunWriteFailed);
    }
    TunQueues& queues;
    Counters& counters;
  };

  void work(Units& units, std::unique_lock<std::mutex>& leader);
  Taken take(Units& units);
  bool take_inbound(InboundLine& line);
  bool receive(InboundLine& line, io::Ready bit);
  void deliver_line(InboundLine& line);
  bool take_sparse(OutboundUnit& unit);
  bool take_bulk(OutboundUnit& unit);
  bool spend(const OutboundUnit& unit);
  void next_turn(Turn turn);
  void give_way(CpuShare& cpu, uint32_t bytes, uint32_t trusted_bytes);
  void poll(Units& units);
  io::Ready sleep(CpuShare& cpu);
  uint64_t time_to_sleep() const;
  bool bonds_due() const;
  uint64_t next_of_bonds() const;
  void advance_bonds();
  bool hands_over(uint32_t bytes) const;
  void wait(TicketLine& line, TicketLine::Ticket ticket);
  // What is to be changed comes before packets that arrive after it.
  bool must_step_back() const { return section_.wanted() || state_.has_changes() || stopping_; }
  bool may_have_more() const { return ready_ != 0 || queues_.ready(); }

  State& state_;
  NetworkWatch& network_;
  ExclusiveSection& section_;
  const uint32_t index_;
  const uint32_t threads_;
  LaneOrder order_;
  std::atomic<uint64_t> alone_until_{0};  // nobody hands the lead over until then
  std::atomic<bool> stopping_{false};
  io::Poller poller_;
  TunQueues queues_;
  TunWriter writer_;
  Outbound outbound_;
  Inbound inbound_;

  // Of the leader.
  io::Ready ready_ = 0;    // sockets that may have something
  io::Ready next_socket_;  // of both
  bool gave_way_ = false;  // the sockets' last turn ended before it had begun
  Turn turn_ = Turn::kPoll;
  uint32_t spent_units_ = 0;  // in this turn
  uint32_t spent_packets_ = 0;
  uint32_t spent_bytes_ = 0;
  uint32_t sparse_rounds_ = 0;  // in a row that ended with sparse packets left
};

}  // namespace weft::engine
