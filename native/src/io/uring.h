// Several system calls as one, by io_uring: the receives of a unit, its sends, its writes to the TUN. Every call here
// returns once all it asked for is done, so that nothing in the kernel refers to a buffer or a descriptor afterwards: a
// socket that is closed gives its port back at once, and whoever holds the memory of a unit may use its ring.
//
// Belongs to a thread. Without liburing in the build open() says so.
#pragma once

#include <sys/socket.h>
#include <sys/uio.h>

#include <cstdint>
#include <memory>
#include <span>
#include <string>

namespace weft::io {

class Uring {
 public:
  // What one receive asks for, and sends or writes of one batch.
  static constexpr uint32_t kBatch = 64;
  // What a receive puts before the payload: lengths, address, control messages.
  static constexpr uint32_t kReceiveHeader = 16 + 32 + 160;

  struct Send {
    int fd;
    const msghdr* message;
  };
  struct Write {
    const iovec* iov;
    uint32_t count;
  };

  // Null if the kernel, its configuration or the build does not have what is needed; `why` says which.
  static std::unique_ptr<Uring> open(std::string& why);
  ~Uring();
  Uring(const Uring&) = delete;
  Uring& operator=(const Uring&) = delete;

  // As recvmmsg with MSG_DONTWAIT, at most kBatch messages of one iovec each. Of that only the memory is used, for all
  // that is received: the pointers and lengths of a message are then set to where address, control messages and payload
  // are in it. Returns how many there were; fewer than asked for: the socket is empty.
  uint32_t receive(int fd, std::span<mmsghdr> messages);

  // Sends in order, none after one that was refused or found no room. Returns how many were sent. At most kBatch.
  uint32_t send(std::span<const Send> messages);

  // Writes all, in order. Returns how many were refused. At most kBatch.
  uint32_t write(int fd, std::span<const Write> writes);

 private:
  struct Rings;
  explicit Uring(std::unique_ptr<Rings> rings);

  std::unique_ptr<Rings> rings_;
};

}  // namespace weft::io
