#include "engine/send_batch.h"

#include "util/bytes.h"

namespace weft::engine {

SendBatch::SendBatch(State& state) : state_(state), buffer_(kCapacity) {}

bool SendBatch::fits(const Chunk& chunk, const peer::Peer& peer, uint32_t length, uint8_t ecn) const {
  return chunk.peer == &peer && !chunk.closed && chunk.out.count < net::kMaxSegments && length <= chunk.out.segment &&
         chunk.out.length + length <= net::kMaxUdpPayload && chunk.out.traffic_class == ecn;
}

uint8_t* SendBatch::add(peer::Keypair& keypair, uint64_t counter, uint32_t padded, uint8_t ecn) {
  const uint32_t length = padded + net::kDataOverhead;
  if (used_ + kMaxMessage > kCapacity || (aead_ != nullptr && aead_ != keypair.aead)) flush();
  aead_ = keypair.aead;

  uint8_t* message = buffer_.data() + used_;
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

void SendBatch::flush() {
  if (jobs_.empty()) return;
  aead_->seal(jobs_);
  for (Chunk& chunk : chunks_) send(chunk);
  jobs_.clear();
  chunks_.clear();
  used_ = 0;
  aead_ = nullptr;
}

void SendBatch::send(Chunk& chunk) {
  Counters& counters = state_.counters;
  if (!state_.sockets) {
    counters.drop(Drop::kSendFailed, chunk.out.count);
    return;
  }
  const net::SendResult result = state_.sockets->for_endpoint(chunk.out.path.remote).send(chunk.out);
  peer::add_relaxed(chunk.peer->stats.tx_bytes, uint64_t{result.sent_bytes});
  counters.count(Stat::kSendCalls, result.calls);
  counters.count(Stat::kSentPackets, chunk.out.count - result.failed_datagrams);
  if (result.failed_datagrams != 0) counters.drop(Drop::kSendFailed, result.failed_datagrams);
  if (result.segmentation_off) counters.count(Stat::kSegmentationFallbacks);
  if (result.source_gone) chunk.peer->path.source.set = false;
}

}  // namespace weft::engine
