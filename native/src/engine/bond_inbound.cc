#include "engine/bond_inbound.h"

#include <algorithm>

#include "util/bytes.h"

namespace weft::engine {
namespace {

struct Trailer {
  bond::Class cls = bond::Class::kBulk;
  uint16_t latency_sequence = 0;
};

// What stands behind the inner packet, where a plain peer has padding.
Trailer trailer_of(const BondedMessage& message) {
  if (message.packet.empty()) return {bond::Class::kSparse, 0};  // takes no part in the order
  const size_t length = message.packet.size();
  if (message.plaintext.size() < length + bond::kTrailerSize) return {};
  const uint8_t* trailer = message.plaintext.data() + length;
  switch (static_cast<bond::Class>(trailer[0])) {
    case bond::Class::kSparse:
      return {bond::Class::kSparse, 0};
    case bond::Class::kLatency:
      return {bond::Class::kLatency, load<uint16_t>(trailer + 2)};
    default:
      return {};
  }
}

}  // namespace

void BondInbound::receive(const peer::Keypair& keypair, const net::Path& way, std::span<const BondedMessage> messages,
                          net::UdpSockets* sockets) {
  peer::Peer& peer = *keypair.peer;
  bond::Bond& bond = *peer.bond;
  const uint64_t now = now_ns();  // with the mutex, so that a bond's time never steps back
  uint32_t bytes = 0;
  bool fresh = false;
  for (const BondedMessage& message : messages) {
    bytes += message.bytes;
    fresh = fresh || !message.replayed;
  }
  bond::PathId path = bond.arrived(now, way, bytes, fresh);
  for (const BondedMessage& message : messages) {
    const Trailer trailer = trailer_of(message);
    if (message.replayed) {
      bond.receiver().duplicate(now, path, keypair.local_index, message.counter, trailer.cls, message.bytes);
      continue;
    }
    if (bond::is_frame(message.plaintext)) {
      bond.receive_frame(now, path, way, message.plaintext);
      path = bond.paths().find(way);  // it may have moved to another's place
    }
    bond.receiver().receive(now,
                            {path, keypair.local_index, message.counter, trailer.cls, trailer.latency_sequence,
                             message.bytes, message.packet, message.refused},
                            released_);
  }
  write();
  send_bond_frames(state_, sockets, peer, now);
  settle_bond(state_, peer);
}

void BondInbound::advance(uint64_t now, peer::Peer& peer) {
  peer.bond->advance(now, released_);
  write();
}

void BondInbound::write() {
  if (released_.packets().empty()) return;
  for (const auto& [data, length] : released_.packets()) merger_.push(data, length);
  merger_.flush();
  tun_.flush();
  released_.clear();
}

}  // namespace weft::engine
