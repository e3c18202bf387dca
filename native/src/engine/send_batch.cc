#include "engine/send_batch.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>

#include "util/bytes.h"

namespace weft::engine {

// Pages are touched, and so take memory, only as far as batches fill them.
SendBatch::SendBatch(io::Uring* uring) : uring_(uring), buffer_(std::make_unique_for_overwrite<uint8_t[]>(kCapacity)) {}

void SendBatch::add(peer::Keypair& keypair, uint64_t first, const tun::SegmentPlan& plan, uint32_t skip, uint8_t ecn) {
  packets_.push_back({&keypair, first, skip, plan.count(), ecn, false, plan});
}

void SendBatch::add_empty(peer::Keypair& keypair, uint64_t counter) {
  packets_.push_back({&keypair, counter, 0, 1, 0, true, {}});
}

void SendBatch::add_bonded(const BondedPackets& packets) { bonded_.push_back(packets); }

void SendBatch::seal(const State& state) {
  if (unsealed_ == packets_.size()) return;
  const crypto::Aead& aead = *packets_[unsealed_].keypair->aead;  // of one call
  while (unsealed_ < packets_.size() && packets_[unsealed_].keypair->aead == &aead &&
         seal_next(packets_[unsealed_], state.mtu)) {
    ++unsealed_;
  }
  aead.seal(jobs_);
  jobs_.clear();
}

// False: no room for all of them.
bool SendBatch::seal_next(Packets& p, uint32_t mtu) {
  for (; p.next < p.count; ++p.next) {
    if (used_ + kMaxMessage > kCapacity) return false;
    const uint32_t length = p.keepalive ? 0 : p.plan.length(p.next);
    const uint32_t total = net::padded_length(length, mtu);
    uint8_t* text = add_message(*p.keypair, p.counter + p.next, total, p.ecn);
    if (!p.keepalive) p.plan.write(p.next, text);
    std::memset(text + length, 0, total - length);
  }
  return true;
}

bool SendBatch::fits(const Chunk& chunk, const peer::Peer& peer, uint32_t length, uint8_t ecn) const {
  return chunk.peer == &peer && !chunk.closed && chunk.out.count < net::kMaxSegments && length <= chunk.out.segment &&
         chunk.out.length + length <= net::kMaxUdpPayload && chunk.out.traffic_class == ecn;
}

// The header of a message of `padded` bytes of text, and room for text and tag behind it. Returns where the text goes.
uint8_t* SendBatch::add_message(peer::Keypair& keypair, uint64_t counter, uint32_t padded, uint8_t ecn) {
  const uint32_t length = padded + net::kDataOverhead;
  uint8_t* message = buffer_.get() + used_;
  peer::Peer& peer = *keypair.peer;
  if (chunks_.empty() || !fits(chunks_.back(), peer, length, ecn)) {
    chunks_.push_back({&peer, {message, 0, length, 0, ecn, peer.path}, false});
  }
  Chunk& chunk = chunks_.back();
  chunk.out.length += length;
  ++chunk.out.count;
  chunk.closed = length < chunk.out.segment;
  used_ += length;

  store_le32(message, net::kDataType);
  store_le32(message + 4, keypair.remote_index);
  store_le64(message + 8, counter);
  uint8_t* text = message + net::kDataHeaderSize;
  jobs_.push_back({keypair.send_key, counter, text, padded, false});
  return text;
}

void SendBatch::send(State& state, net::UdpSockets* sockets) {
  for (;;) {
    send_chunks(state, sockets);
    chunks_.clear();
    used_ = 0;
    if (unsealed_ == packets_.size()) break;
    seal(state);
  }
  packets_.clear();
  unsealed_ = 0;
  if (bonded_.empty()) return;
  bond_.send(state, sockets, bonded_);
  bonded_.clear();
}

void SendBatch::send_chunks(State& state, net::UdpSockets* sockets) {
  for (size_t i = 0; i < chunks_.size();) {
    const bool several = i + 1 < chunks_.size();
    if (uring_ != nullptr && several && sockets != nullptr) i = send_at_once(state, *sockets, i);
    // What was refused, too: repeated in the ways that there are.
    if (i < chunks_.size()) send(state, sockets, chunks_[i++]);
  }
}

// By one system call, in order, as far as all goes well. Returns the first chunk that is still to be sent.
size_t SendBatch::send_at_once(State& state, net::UdpSockets& sockets, size_t first) {
  std::array<std::optional<net::OutgoingMessage>, io::Uring::kBatch> messages;
  std::array<io::Uring::Send, io::Uring::kBatch> sends;
  uint32_t count_of = 0;
  for (size_t i = first; i < chunks_.size() && count_of < sends.size(); ++i, ++count_of) {
    const net::Outgoing& out = chunks_[i].out;
    const net::UdpSocket& socket = sockets.for_endpoint(out.path.remote);
    if (!socket.sends_at_once(out)) break;
    auto& message = messages[count_of].emplace(out, out.path.source.set, out.count > 1);
    sends[count_of] = {socket.fd(), &message.header()};
  }
  if (count_of == 0) return first;
  const size_t end = first + uring_->send({sends.data(), count_of});
  for (size_t i = first; i < end; ++i) count(state, chunks_[i], {.sent_bytes = chunks_[i].out.length, .calls = 1});
  return end;
}

void SendBatch::send(State& state, net::UdpSockets* sockets, const Chunk& chunk) {
  if (sockets == nullptr) {
    state.counters.drop(Drop::kSendFailed, chunk.out.count);
    return;
  }
  count(state, chunk, sockets->for_endpoint(chunk.out.path.remote).send(chunk.out));
}

void SendBatch::count(State& state, const Chunk& chunk, const net::SendResult& result) {
  Counters& counters = state.counters;
  peer::add_relaxed(chunk.peer->stats.tx_bytes, uint64_t{result.sent_bytes});
  counters.count(Stat::kSendCalls, result.calls);
  counters.count(Stat::kSentPackets, chunk.out.count - result.failed_datagrams);
  if (result.failed_datagrams != 0) counters.drop(Drop::kSendFailed, result.failed_datagrams);
  if (result.segmentation_off) counters.count(Stat::kSegmentationFallbacks);
  if (result.source_gone) state.forget_source_later(*chunk.peer);
}

}  // namespace weft::engine
