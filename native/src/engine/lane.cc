#include "engine/lane.h"

#include <algorithm>

namespace weft::engine {
namespace {

// Beside those of NetworkWatch.
constexpr io::Ready kUdp4 = 4;
constexpr io::Ready kUdp6 = 8;
constexpr uint32_t kTunShift = 8;  // a bit for each queue of the TUN

// What a turn may take of one kind, so that the others need not wait long.
constexpr uint32_t kTurnReceives = 4;  // bursts
constexpr uint32_t kTurnPackets = 64;
constexpr uint32_t kTurnBytes = 64 * 1024;
constexpr uint32_t kHandOverBytes = 8 * 1024;  // of a unit

bool is_due(uint64_t time) { return time != UINT64_MAX && time <= now_ns(); }

}  // namespace

Lane::Lane(State& state, NetworkWatch& network, ExclusiveSection& section, uint32_t index, uint32_t threads)
    : state_(state),
      network_(network),
      section_(section),
      index_(index),
      threads_(threads),
      queues_(state.tun, index),
      writer_(queues_, state.counters),
      outbound_(state, queues_, writer_, index),
      inbound_(state, outbound_, queues_),
      next_socket_(kUdp4) {
  order_.wake = [this] { poller_.wake(); };
  section_.add(order_);
}

int Lane::open() {
  if (const int code = poller_.open(); code != 0) return code;
  for (uint32_t i = 0; i < queues_.count(); ++i) {
    if (const int code = poller_.add(queues_.fd(i), io::Ready{1} << (kTunShift + i)); code != 0) return code;
  }
  return 0;
}

void Lane::stop() {
  stopping_ = true;
  poller_.wake();
}

int Lane::on_sockets_replaced() {
  ready_ = 0;  // closing took the old ones out of the poller
  if (state_.sockets.empty()) return 0;
  net::UdpSockets& sockets = state_.sockets[index_];
  int code = 0;
  if (sockets.v4().is_open()) code = poller_.add(sockets.v4().fd(), kUdp4);
  if (code == 0 && sockets.v6().is_open()) code = poller_.add(sockets.v6().fd(), kUdp6);
  return code;
}

// --- a unit ---------------------------------------------------------------------------------------------------------

// Units that were read ahead refer to what an exclusive section may change: the lead is kept until they are delivered.
void Lane::turn(Units& units) {
  std::unique_lock leader(order_.leader);
  while (leader.owns_lock() && !must_step_back()) work(units, leader);
  deliver_line(units.inbound);
}

void Lane::work(Units& units, std::unique_lock<std::mutex>& leader) {
  switch (take(units)) {
    case Taken::kNothing:
      break;
    case Taken::kOutbound: {
      const TicketLine::Ticket ticket = order_.outbound.draw();
      if (hands_over(units.outbound.bytes())) leader.unlock();
      outbound_.seal(units.outbound);
      wait(order_.outbound, ticket);
      outbound_.send(units.outbound);
      order_.outbound.release();
      give_way(units.cpu, units.outbound.bytes(), units.outbound.bytes());
      break;
    }
    case Taken::kInbound: {
      InboundUnit& unit = units.inbound.front();
      const TicketLine::Ticket ticket = order_.inbound.draw();
      if (hands_over(unit.bytes())) leader.unlock();
      inbound_.open(unit);
      wait(order_.inbound, ticket);
      inbound_.deliver(unit);
      order_.inbound.release();
      give_way(units.cpu, unit.bytes(), unit.authentic_bytes());
      units.inbound.pop();
      break;
    }
    case Taken::kBonds: {
      // In turn with both directions. What has come already is not to be reported missing.
      deliver_line(units.inbound);
      const TicketLine::Ticket outbound = order_.outbound.draw();
      const TicketLine::Ticket inbound = order_.inbound.draw();
      order_.outbound.wait(outbound);
      order_.inbound.wait(inbound);
      advance_bonds();
      order_.inbound.release();
      order_.outbound.release();
      give_way(units.cpu, 0, 0);
      break;
    }
  }
}

void Lane::advance_bonds() {
  state_.bonds.clear();  // what others expect meanwhile stays
  for (peer::Peer* peer : state_.bonds.peers) {
    const uint64_t due = peer->bond_due_ns.load();
    if (due > now_ns()) {
      state_.bonds.expect(due);
      continue;
    }
    std::lock_guard guard(peer->bond->mutex);
    const uint64_t now = now_ns();
    inbound_.advance_bond(*peer, now);
    outbound_.advance_bond(*peer, now);
  }
}

// To wake another thread costs about as much as the work on some kilobytes: only for more than that.
bool Lane::hands_over(uint32_t bytes) const {
  return threads_ > 1 && (bytes >= kHandOverBytes || may_have_more()) && now_ns() >= alone_until_;
}

// A thread that has no CPU, or that an uplink holds up, holds up all that took later units. More threads do not help
// then: better one for a while.
void Lane::wait(TicketLine& line, TicketLine::Ticket ticket) {
  constexpr uint64_t kUnitNs = kNanosPerMilli;  // several times what one takes
  constexpr uint64_t kAloneNs = 50 * kNanosPerMilli;
  if (line.serves(ticket)) return;
  const uint64_t from = now_ns();
  line.wait(ticket);
  if (const uint64_t now = now_ns(); now > from + (threads_ - 1) * kUnitNs) alone_until_ = now + kAloneNs;
}

// The other end, an application or ping may wait for this CPU. A real-time thread must always let them.
void Lane::give_way(CpuShare& cpu, uint32_t bytes, uint32_t trusted_bytes) {
  if (!cpu.is_real_time() && (bytes < CpuShare::kMuch || must_step_back())) return;
  if (cpu.worked(now_ns(), bytes, trusted_bytes)) state_.counters.count(Stat::kGaveWay);
}

// --- what is next, by the leader ------------------------------------------------------------------------------------

Lane::Taken Lane::take(Units& units) {
  for (;;) {
    switch (turn_) {
      case Turn::kUdp:
        if (take_inbound(units.inbound)) return Taken::kInbound;
        next_turn(Turn::kBonds);
        break;
      case Turn::kBonds:
        next_turn(Turn::kSparse);
        if (bonds_due()) return Taken::kBonds;
        break;
      case Turn::kSparse:
        if (take_sparse(units.outbound)) return Taken::kOutbound;
        break;
      case Turn::kBulk:
        if (take_bulk(units.outbound)) return Taken::kOutbound;
        next_turn(Turn::kPoll);
        break;
      case Turn::kPoll:
        poll(units);
        if ((!may_have_more() && units.inbound.empty() && !bonds_due()) || must_step_back()) return Taken::kNothing;
        next_turn(Turn::kUdp);
        break;
    }
  }
}

// While the interface is down nothing can leave, and nothing comes.
uint64_t Lane::next_of_bonds() const { return state_.sockets.empty() ? bond::kNever : state_.bonds.next(); }

bool Lane::bonds_due() const { return index_ == 0 && is_due(next_of_bonds()); }

void Lane::next_turn(Turn turn) {
  turn_ = turn;
  spent_units_ = spent_packets_ = spent_bytes_ = 0;
}

bool Lane::take_inbound(InboundLine& line) {
  if (spent_units_ >= kTurnReceives) return false;
  const bool both = (ready_ & kUdp4) != 0 && (ready_ & kUdp6) != 0;
  const io::Ready first = std::exchange(next_socket_, next_socket_ ^ kUdp4 ^ kUdp6);
  bool passed = receive(line, first);
  passed = receive(line, next_socket_) || passed;
  // What passed the others may already have an answer among what is sparse: bulk gives way, every other time.
  gave_way_ = passed && !gave_way_;
  if (gave_way_ || line.empty()) return false;
  // A unit of many receives is a socket's turn.
  spent_units_ += line.front().large() ? 1 : both ? kTurnReceives / 2 : kTurnReceives;
  return true;
}

// A unit. Behind a burst all there is, if there is room: to deliver it takes several times as long as to read the next
// one, and a small packet of another flow is not to wait for that. Returns whether such passed.
bool Lane::receive(InboundLine& line, io::Ready bit) {
  bool passed = false;
  for (uint32_t i = 0; i < Units::kReadAhead && (ready_ & bit) != 0; ++i) {
    if (line.full() || (!line.empty() && !line.front().large())) break;
    net::UdpSockets& sockets = state_.sockets[index_];
    InboundUnit& unit = line.next();
    net::UdpSocket& socket = bit == kUdp4 ? sockets.v4() : sockets.v6();
    inbound_.take(socket, unit, line.empty() ? InboundUnit::kDatagrams : Inbound::kReceivesAhead);
    if (unit.receives() != 0) {
      line.push();
      if (line.reads_ahead()) inbound_.open(unit);
      if (line.size() > 1 && inbound_.deliver_first(line)) passed = true;
      if (line.size() > 1 && unit.done()) line.pop_back();
    }
    if (unit.emptied()) {
      if (line.size() <= 1) ready_ &= ~bit;  // else it is asked again before the next is delivered
      break;
    }
  }
  return passed;
}

void Lane::deliver_line(InboundLine& line) {
  for (; !line.empty(); line.pop()) inbound_.deliver(line.front());
}

// Ends its turn itself: what comes next depends on whether anything sparse is left.
bool Lane::take_sparse(OutboundUnit& unit) {
  constexpr uint32_t kPatience = 32;  // no bulk passes them, but not for ever
  bool more = true;
  if (spent_packets_ < kTurnPackets && spent_bytes_ < kTurnBytes) {
    queues_.sparse_waiting();
    outbound_.take_sparse(unit);
    if (spend(unit)) return true;
    more = false;
  }
  const bool wait = more && ++sparse_rounds_ < kPatience;
  if (!wait) sparse_rounds_ = 0;
  next_turn(wait ? Turn::kPoll : Turn::kBulk);
  return false;
}

bool Lane::take_bulk(OutboundUnit& unit) {
  if (spent_bytes_ >= kTurnBytes) return false;
  outbound_.take_bulk(unit);
  return spend(unit);
}

bool Lane::spend(const OutboundUnit& unit) {
  spent_packets_ += unit.packets();
  spent_bytes_ += unit.bytes();
  // Not readable while the interface goes away.
  if (queues_.take_failed()) state_.deferred.post([this] { network_.on_ready(NetworkWatch::kLink); });
  return unit.packets() != 0;
}

// Asks the kernel who has packets, and waits for some if nobody is known to have any.
void Lane::poll(Units& units) {
  if (index_ == 0 && is_due(network_.next_check())) {
    state_.deferred.post([this] { network_.check_sources(); });
  }
  const io::Ready ready = may_have_more() || !units.inbound.empty() ? poller_.wait(0) : sleep(units.cpu);
  constexpr io::Ready kNetwork = NetworkWatch::kLink | NetworkWatch::kRoute;
  if ((ready & kNetwork) != 0) state_.deferred.post([this, ready] { network_.on_ready(ready); });
  ready_ |= ready & (kUdp4 | kUdp6);
  queues_.set_ready(ready >> kTunShift);
}

io::Ready Lane::sleep(CpuShare& cpu) {
  state_.counters.count(Stat::kWaits);
  const uint64_t from = now_ns();
  order_.sleeping = true;
  // After that: whoever brings the time nearer now wakes us.
  const io::Ready ready = poller_.wait(must_step_back() ? 0 : time_to_sleep());
  order_.sleeping = false;
  cpu.waited(from, now_ns());
  return ready;
}

uint64_t Lane::time_to_sleep() const {
  if (index_ != 0) return io::Poller::kForever;
  const uint64_t until = std::min(network_.next_check(), next_of_bonds());
  if (until == UINT64_MAX) return io::Poller::kForever;
  const uint64_t now = now_ns();
  return until > now ? until - now : 0;
}

}  // namespace weft::engine
