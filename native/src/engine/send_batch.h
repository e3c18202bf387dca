// Outbound, last steps: plaintext packets gather in one buffer, are sealed together, and leave in as few sendmsg calls
// as UDP_SEGMENT allows: packets of one size to one place follow each other, only the last may be shorter.
#pragma once

#include <cstdint>
#include <vector>

#include "crypto/aead.h"
#include "engine/state.h"
#include "net/demux.h"

namespace weft::engine {

class SendBatch {
 public:
  explicit SendBatch(State& state);

  // Room for the plaintext of one data message of `padded` bytes (whole padding included) under `counter`; its header
  // is written already. Sends what has gathered first if there is no room.
  uint8_t* add(peer::Keypair& keypair, uint64_t counter, uint32_t padded, uint8_t ecn);

  // Sealing and sending a super-packet at a time keeps the buffer in the L2 cache.
  bool worth_flushing() const { return used_ >= kFlushBytes; }
  void flush();

 private:
  static constexpr uint32_t kCapacity = 256 * 1024;
  static constexpr uint32_t kFlushBytes = 32 * 1024;
  static constexpr uint32_t kMaxMessage = 65535 + net::kDataOverhead;

  // Datagrams of one send.
  struct Chunk {
    peer::Peer* peer;
    net::Outgoing out;
    bool closed;
  };

  bool fits(const Chunk& chunk, const peer::Peer& peer, uint32_t length, uint8_t ecn) const;
  void send(Chunk& chunk);

  State& state_;
  std::vector<uint8_t> buffer_;
  uint32_t used_ = 0;
  std::vector<Chunk> chunks_;
  std::vector<crypto::AeadJob> jobs_;
  const crypto::Aead* aead_ = nullptr;  // of the jobs gathered
};

}  // namespace weft::engine
