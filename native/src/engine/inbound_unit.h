// What a turn takes from a socket, and the line in which that waits to be delivered.
#pragma once

#include <cstdint>
#include <deque>
#include <vector>

#include "crypto/aead.h"
#include "io/uring.h"
#include "net/udp_socket.h"
#include "peer/keypair.h"
#include "tun/flow.h"

namespace weft::engine {

// Messages under keypairs, in the order received.
struct DataMessages {
  // Where a message came from.
  struct Origin {
    peer::Keypair* keypair;
    const net::Received* received;
  };
  std::vector<crypto::AeadJob> jobs;
  std::vector<Origin> origins;  // by job

  void clear();
  void add(const crypto::AeadJob& job, const Origin& origin);
};

// With its memory. Belongs to a thread.
class InboundUnit {
 public:
  // `uring`: receives and writes are made by it; null: a system call each.
  explicit InboundUnit(io::Uring* uring) : uring_(uring), received_(kDatagrams) {}

  uint32_t receives() const { return receives_; }
  uint32_t bytes() const { return bytes_; }
  // Of its messages, once they are delivered: what came from a peer, and for the first time.
  uint32_t authentic_bytes() const;
  // It holds a receive of a whole burst of datagrams.
  bool large() const { return large_; }
  // The socket had no more.
  bool emptied() const { return emptied_; }
  // Opened, and nothing of it is left to be delivered.
  bool done() const { return opened_ && messages_.jobs.empty(); }

  // Enough for the AEAD to work on many lanes, and for a super-packet.
  static constexpr uint32_t kDatagrams = 64;
  static constexpr uint32_t kBytes = 64 * 1024;

 private:
  friend class Inbound;

  void clear();
  uint32_t receive(net::UdpSocket& socket, uint32_t count);
  uint32_t took(uint32_t receives);

  io::Uring* uring_;
  uint64_t now_ = 0;  // when it was taken
  net::ReceiveBuffer received_;
  uint32_t receives_ = 0;
  uint32_t datagrams_ = 0;
  uint32_t bytes_ = 0;
  bool large_ = false;
  bool emptied_ = false;
  bool opened_ = false;
  bool flows_known_ = false;
  DataMessages messages_;
  tun::FlowSet flows_;  // of its messages
};

// Units that were taken and not delivered yet, the oldest first. Belongs to a thread.
class InboundLine {
 public:
  // `room`: for so many, at least one.
  InboundLine(io::Uring* uring, uint32_t room);

  bool empty() const { return size_ == 0; }
  bool full() const { return size_ == units_.size(); }
  // Whether it has room for more than one.
  bool reads_ahead() const { return units_.size() > 1; }
  uint32_t size() const { return size_; }
  // 0 is the oldest.
  InboundUnit& operator[](uint32_t i) { return units_[(head_ + i) % units_.size()]; }
  InboundUnit& front() { return (*this)[0]; }
  InboundUnit& back() { return (*this)[size_ - 1]; }

  // If it is not full: what push() makes the newest.
  InboundUnit& next() { return (*this)[size_]; }
  void push() { ++size_; }
  void pop();
  void pop_back() { --size_; }

 private:
  std::deque<InboundUnit> units_;
  uint32_t head_ = 0;
  uint32_t size_ = 0;
};

}  // namespace weft::engine
