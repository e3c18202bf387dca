#include "sim/bonded_tunnel.h"

#include <algorithm>

#include "util/bytes.h"

namespace weft::sim {
namespace {

constexpr uint32_t kHeader = 16;
constexpr uint64_t kLeastSleep = 10 * kMicro;  // what a host's timers can do
constexpr uint16_t kFirstPort = 51'820;

// Bytes of a message:
//   0     1 = a control frame
//   1     bond::Class
//   2-3   latency sequence
//   4-7   session
//   8-15  counter; its upper two bytes: the plaintext's length
constexpr uint64_t kCounterMask = (uint64_t{1} << 48) - 1;

uint32_t wire_bytes_of(uint32_t inner_length, bond::Class cls) {
  const uint32_t trailer = cls == bond::Class::kBulk ? 0 : bond::kTrailerSize;
  return kMessageOverhead + (inner_length + trailer + 15) / 16 * 16;
}

net::Endpoint endpoint(uint32_t uplink, uint32_t end, uint16_t port) {
  net::Endpoint e;
  e.v4 = {};
  e.v4.sin_family = AF_INET;
  e.v4.sin_port = htons(port);
  e.v4.sin_addr.s_addr = htonl(0xC0000200 + (uplink << 16) + end);
  return e;
}

}  // namespace

BondedTunnel::BondedTunnel(Loop& loop, uint64_t seed, uint32_t number, std::vector<Link*>& out)
    : loop_(loop), number_(number), out_(out), bond_(std::make_unique<bond::Bond>(seed)), alarm_(loop, [this] {
        bond_->advance(loop_.now(), released_);
        release();
        settle();
      }) {
  port_.fill(kFirstPort);
}

net::Path BondedTunnel::way(uint32_t uplink, uint16_t remote_port) const {
  net::Path path;
  path.remote = endpoint(uplink, 3 - number_, remote_port);
  path.source.set = true;
  path.source.interface_index = uplink + 1;
  path.source.v4.s_addr = endpoint(uplink, number_, 0).v4.sin_addr.s_addr;
  return path;
}

void BondedTunnel::set_uplinks(bond::PathSet uplinks) {
  std::vector<net::Path> ways;
  for (uint32_t i = 0; i < out_.size(); ++i) {
    if (uplinks & (1u << i)) ways.push_back(way(i, kFirstPort));
  }
  bond_->set_candidates(loop_.now(), ways);
  settle();
}

void BondedTunnel::set_policy(const bond::Policy& policy) {
  bond_->set_policy(loop_.now(), policy);
  settle();
}

void BondedTunnel::start_sending(bond::SessionIndex session) {
  sending_ = session;
  counter_ = 0;
  bond_->start_sending_session(session);
}

void BondedTunnel::start_receiving(bond::SessionIndex session) {
  receiving_[1] = std::move(receiving_[0]);
  receiving_[0] = std::make_unique<Session>();
  receiving_[0]->index = session;
  bond_->start_receiving_session(session);
}

bond::PathId BondedTunnel::path_of(uint32_t uplink) const {
  for (bond::PathId id = 0; id < bond::kMaxPaths; ++id) {
    const bond::Paths::Path& path = bond_->paths()[id];
    if (path.phase == bond::PathPhase::kActive && path.way.source.interface_index == uplink + 1) return id;
  }
  return bond::kNoPath;
}

void BondedTunnel::write_header(uint8_t* message, bool frame, bond::Class cls, uint16_t latency_sequence,
                                uint32_t length) {
  message[0] = frame ? 1 : 0;
  message[1] = static_cast<uint8_t>(cls);
  store(message + 2, latency_sequence);
  store(message + 4, sending_);
  store(message + 8, counter_ | uint64_t{length} << 48);
}

void BondedTunnel::send(const InnerPacket& packet) {
  const uint64_t now = loop_.now();
  bond::Sender& sender = bond_->sender();
  bond::Class cls = sender.classify(now, packet.head, packet.length);
  if (wire_bytes_of(packet.length, cls) > wire_bytes_of(kInnerMtu, bond::Class::kBulk)) cls = bond::Class::kBulk;
  const uint32_t wire_bytes = wire_bytes_of(packet.length, cls);
  const auto placement = sender.choose(now, cls, wire_bytes);
  if (!placement) {
    ++counters_.refused;
    return;
  }
  const uint16_t sequence = placement->cls == bond::Class::kLatency ? sender.next_latency_sequence() : uint16_t{0};
  uint8_t* message = sender.take(now, *placement, counter_, wire_bytes, packet.head[1]);
  write_header(message, false, placement->cls, sequence, packet.length);
  std::copy_n(packet.head.begin(), std::min(kInnerHead, wire_bytes - kHeader), message + kHeader);
  ++counter_;
  bond_->announce(now);
  settle();
}

bool BondedTunnel::send(bond::PathId path, const uint8_t* data, uint32_t length, uint32_t segment, uint32_t count,
                        uint8_t) {
  const net::Path& out = bond_->paths()[path].way;
  const uint32_t uplink = out.source.interface_index - 1;
  bool sent = true;
  for (uint32_t i = 0; i < count; ++i, data += segment, length -= segment) {
    Datagram datagram;
    datagram.length = count == 1 ? length : std::min(segment, length);
    datagram.source_port = port_[uplink];
    datagram.destination_port = ntohs(out.remote.v4.sin_port);
    const uint32_t carried = data[0] == 1 ? datagram.length : std::min(datagram.length, kHeader + kInnerHead);
    datagram.bytes.assign(data, data + carried);
    sent = out_[uplink]->send(std::move(datagram)) && sent;
    if (length <= segment) break;
  }
  return sent;
}

void BondedTunnel::settle() {
  const uint64_t now = loop_.now();
  for (const bond::OutgoingFrame& frame : bond_->take_frames()) {
    const auto plain = static_cast<uint32_t>(frame.plaintext.size());
    std::copy(frame.plaintext.begin(), frame.plaintext.end(), frame_.begin() + kHeader);
    write_header(frame_.data(), true, bond::Class::kSparse, 0, plain);
    bond_->sender().skip(counter_++);
    const uint32_t bytes = kMessageOverhead + (plain + 15) / 16 * 16;
    for (bond::PathId path = 0; path < bond::kMaxPaths; ++path) {
      if (!(frame.paths & (1u << path))) continue;
      ++counters_.frames;
      counters_.frame_bytes += bytes;
      send(path, frame_.data(), bytes, bytes, 1, 0);
    }
  }
  bond_->sender().pump(now, *this);
  const uint64_t next = bond_->next_deadline();
  if (next <= now) ++counters_.overdue;
  alarm_.set(next == bond::kNever ? kNever : std::max(next, now + kLeastSleep));
}

bool BondedTunnel::Session::accept(uint64_t counter) {
  const uint64_t bits = seen.size() * 64;
  if (counter + bits <= highest) return false;
  if (counter > highest) {
    for (uint64_t c = std::max(highest + 1, counter > bits ? counter - bits + 1 : 0); c <= counter; ++c) {
      seen[c / 64 % seen.size()] &= ~(uint64_t{1} << c % 64);
    }
    highest = counter;
  }
  uint64_t& word = seen[counter / 64 % seen.size()];
  const uint64_t bit = uint64_t{1} << counter % 64;
  if (word & bit) return false;
  word |= bit;
  return true;
}

void BondedTunnel::receive(uint32_t uplink, Datagram&& datagram) {
  // A NAT lets in only what is sent to its present mapping.
  if (datagram.destination_port != port_[uplink]) return;
  arrive(uplink, datagram);
  release();
  settle();
}

void BondedTunnel::arrive(uint32_t uplink, const Datagram& datagram) {
  const uint64_t now = loop_.now();
  const uint8_t* data = datagram.bytes.data();
  const auto cls = static_cast<bond::Class>(data[1]);
  const auto index = load<uint32_t>(data + 4);
  const uint64_t counter = load_le64(data + 8) & kCounterMask;
  const auto length = static_cast<uint32_t>(load_le64(data + 8) >> 48);
  Session* session = nullptr;
  for (auto& each : receiving_) {
    if (each && each->index == index) session = each.get();
  }
  if (session == nullptr) return;
  const bool fresh = session->accept(counter);
  const net::Path from = way(uplink, datagram.source_port);
  const bond::PathId path = bond_->arrived(now, from, datagram.length, fresh);
  if (!fresh) {
    ++counters_.replayed;
    bond_->receiver().duplicate(now, path, index, counter, cls, datagram.length);
    return;
  }
  bond::Arrival arrival{path, index, counter, cls, load<uint16_t>(data + 2), datagram.length, {}};
  if (data[0] == 1) {
    bond_->receive_frame(now, path, from, {data + kHeader, length});
  } else {
    std::copy(datagram.bytes.begin() + kHeader, datagram.bytes.end(), arrived_.begin());
    arrival.packet = {arrived_.data(), length};
  }
  bond_->receiver().receive(now, arrival, released_);
}

void BondedTunnel::release() {
  // What comes out may cause something to be sent, which may not release anything.
  for (const bond::Released::Packet& packet : released_.packets()) deliver({packet.data, packet.length});
  released_.clear();
}

}  // namespace weft::sim
