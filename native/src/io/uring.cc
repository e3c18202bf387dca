// io_uring(7), and multishot recvmsg with a ring of provided buffers (Linux 6.0; io_uring_prep_recvmsg_multishot(3)).
#include "io/uring.h"

#ifdef WEFT_HAVE_LIBURING

#include <liburing.h>
#include <netinet/in.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "util/unique_fd.h"

namespace weft::io {
namespace {

constexpr uint16_t kBufferGroup = 0;
// Where things are in a buffer: io_uring_recvmsg_out, then the address, then the control messages.
constexpr uint32_t kNameLength = 32;  // of sockaddr_in6, rounded up so that the control messages are aligned
constexpr uint32_t kControlLength = 160;
static_assert(sizeof(io_uring_recvmsg_out) + kNameLength + kControlLength == Uring::kReceiveHeader);
static_assert(sizeof(sockaddr_in6) <= kNameLength && Uring::kReceiveHeader % alignof(cmsghdr) == 0);

std::string reason(const char* step, int error) {
  std::string text = std::string(step) + ": " + std::strerror(error);
  if (error == EPERM || error == EACCES) text += " (a seccomp filter, or the sysctl kernel.io_uring_disabled)";
  if (error == EINVAL || error == ENOSYS) text += " (Linux 6.0 or later is needed)";
  return text;
}

}  // namespace

struct Uring::Rings {
  ~Rings();
  int open();
  int open_buffers();
  void provide(std::span<mmsghdr> messages);
  io_uring_sqe& next();
  void submit(uint32_t completions);
  uint32_t receive_once(int fd, std::span<mmsghdr> messages, int& end);

  io_uring ring{};
  bool is_open = false;
  io_uring_buf_ring* buffers = nullptr;
  uint16_t taken = 0;  // buffers that the kernel ever took; the ring's head
  msghdr lengths{};    // of address and control messages, for all receives
};

// --- the ring's life ------------------------------------------------------------------------------------------------

int Uring::Rings::open() {
  io_uring_params params{};
  // An entry that is refused does not hold up those behind it; nobody is interrupted for a completion.
  params.flags = IORING_SETUP_SUBMIT_ALL | IORING_SETUP_COOP_TASKRUN | IORING_SETUP_CQSIZE;
  params.cq_entries = 2 * kBatch;
  const int result = io_uring_queue_init_params(kBatch, &ring, &params);
  is_open = result == 0;
  lengths.msg_namelen = kNameLength;
  lengths.msg_controllen = kControlLength;
  return -result;
}

int Uring::Rings::open_buffers() {
  constexpr size_t kPage = 4096;
  void* memory = nullptr;
  if (posix_memalign(&memory, kPage, kBatch * sizeof(io_uring_buf)) != 0) return ENOMEM;
  buffers = static_cast<io_uring_buf_ring*>(memory);
  io_uring_buf_ring_init(buffers);
  io_uring_buf_reg registration{};
  registration.ring_addr = reinterpret_cast<uintptr_t>(memory);
  registration.ring_entries = kBatch;
  registration.bgid = kBufferGroup;
  return -io_uring_register_buf_ring(&ring, &registration, 0);
}

// The ring then holds the memory of these messages and no other: what was provided before and not taken is taken back,
// which is possible as no receive is under way.
void Uring::Rings::provide(std::span<mmsghdr> messages) {
  buffers->tail = taken;
  for (uint16_t i = 0; i < messages.size(); ++i) {
    const iovec& memory = *messages[i].msg_hdr.msg_iov;
    io_uring_buf_ring_add(buffers, memory.iov_base, static_cast<uint32_t>(memory.iov_len), i,
                          io_uring_buf_ring_mask(kBatch), i);
  }
  io_uring_buf_ring_advance(buffers, static_cast<int>(messages.size()));
}

Uring::Rings::~Rings() {
  if (is_open) io_uring_queue_exit(&ring);
  std::free(buffers);
}

Uring::Uring(std::unique_ptr<Rings> rings) : rings_(std::move(rings)) {}
Uring::~Uring() = default;

std::unique_ptr<Uring> Uring::open(std::string& why) {
  auto rings = std::make_unique<Rings>();
  if (const int error = rings->open(); error != 0) {
    why = reason("io_uring_setup", error);
    return nullptr;
  }
  if (const int error = rings->open_buffers(); error != 0) {
    why = reason("a ring of provided buffers", error);
    return nullptr;
  }
  // That multishot receives are known shows only when one is tried.
  int pair[2];
  if (socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, pair) < 0) {
    why = reason("socketpair", errno);
    return nullptr;
  }
  const UniqueFd to(pair[0]);
  const UniqueFd from(pair[1]);
  alignas(cmsghdr) uint8_t memory[kReceiveHeader + 8];
  iovec iov{memory, sizeof memory};
  mmsghdr message{};
  message.msg_hdr.msg_iov = &iov;
  message.msg_hdr.msg_iovlen = 1;
  int end = 0;
  if (::send(to.get(), "weft", 4, 0) != 4 || rings->receive_once(from.get(), {&message, 1}, end) != 1 ||
      message.msg_len != 4) {
    why = reason("multishot recvmsg", -end);
    return nullptr;
  }
  return std::unique_ptr<Uring>(new Uring(std::move(rings)));
}

// --- entries --------------------------------------------------------------------------------------------------------

// The submission ring is as long as the largest batch, and empty before each.
io_uring_sqe& Uring::Rings::next() { return *io_uring_get_sqe(&ring); }

// Returns when all entries are submitted, and so many completions there.
void Uring::Rings::submit(uint32_t completions) {
  do io_uring_submit_and_wait(&ring, completions);
  while (io_uring_sq_ready(&ring) != 0 || io_uring_cq_ready(&ring) < completions);
}

// --- receive --------------------------------------------------------------------------------------------------------

// One entry receives until the socket is empty, the buffers are used up (ENOBUFS) or the kernel has done enough for a
// turn (32). `end`: how it ended, a negative errno.
uint32_t Uring::Rings::receive_once(int fd, std::span<mmsghdr> messages, int& end) {
  provide(messages);
  io_uring_sqe& entry = next();
  io_uring_prep_recvmsg_multishot(&entry, fd, &lengths, MSG_DONTWAIT);
  entry.flags |= IOSQE_BUFFER_SELECT;
  entry.buf_group = kBufferGroup;
  uint32_t received = 0;
  for (bool more = true; more;) {
    submit(1);
    io_uring_cqe* completion;
    unsigned head;
    unsigned count = 0;
    io_uring_for_each_cqe(&ring, head, completion) {
      ++count;
      more = (completion->flags & IORING_CQE_F_MORE) != 0;
      if ((completion->flags & IORING_CQE_F_BUFFER) != 0) ++taken;
      if (completion->res < 0) {
        end = completion->res;
        continue;
      }
      // Buffers are taken in the order provided.
      mmsghdr& message = messages[received++];
      msghdr& m = message.msg_hdr;
      auto* out = static_cast<io_uring_recvmsg_out*>(m.msg_iov->iov_base);
      m.msg_name = out + 1;
      m.msg_namelen = out->namelen;
      m.msg_control = static_cast<uint8_t*>(m.msg_name) + kNameLength;
      m.msg_controllen = out->controllen;
      m.msg_iov->iov_base = static_cast<uint8_t*>(m.msg_control) + kControlLength;
      message.msg_len = static_cast<uint32_t>(completion->res) - kReceiveHeader;
    }
    io_uring_cq_advance(&ring, count);
  }
  return received;
}

uint32_t Uring::receive(int fd, std::span<mmsghdr> messages) {
  constexpr uint32_t kKernelTurn = 32;
  uint32_t received = 0;
  for (;;) {
    int end = 0;
    const uint32_t got = rings_->receive_once(fd, messages.subspan(received), end);
    received += got;
    if (received == messages.size() || got < kKernelTurn) return received;
  }
}

// --- send and write -------------------------------------------------------------------------------------------------

// Linked: the first that fails ends the chain, and those behind it are cancelled.
uint32_t Uring::send(std::span<const Send> messages) {
  for (size_t i = 0; i < messages.size(); ++i) {
    io_uring_sqe& entry = rings_->next();
    io_uring_prep_sendmsg(&entry, messages[i].fd, messages[i].message, MSG_DONTWAIT);
    if (i + 1 < messages.size()) entry.flags |= IOSQE_IO_LINK;
  }
  const auto count = static_cast<uint32_t>(messages.size());
  rings_->submit(count);
  uint32_t sent = 0;
  io_uring_cqe* completion;
  unsigned head;
  io_uring_for_each_cqe(&rings_->ring, head, completion) sent += completion->res >= 0 ? 1 : 0;
  io_uring_cq_advance(&rings_->ring, count);
  return sent;
}

// Not linked: a descriptor that never blocks is written to where its entry is submitted, one after the other.
uint32_t Uring::write(int fd, std::span<const Write> writes) {
  for (const Write& w : writes) io_uring_prep_writev(&rings_->next(), fd, w.iov, w.count, 0);
  const auto count = static_cast<uint32_t>(writes.size());
  rings_->submit(count);
  uint32_t refused = 0;
  io_uring_cqe* completion;
  unsigned head;
  io_uring_for_each_cqe(&rings_->ring, head, completion) refused += completion->res < 0 ? 1 : 0;
  io_uring_cq_advance(&rings_->ring, count);
  return refused;
}

}  // namespace weft::io

#else

namespace weft::io {

struct Uring::Rings {};

Uring::Uring(std::unique_ptr<Rings> rings) : rings_(std::move(rings)) {}
Uring::~Uring() = default;

std::unique_ptr<Uring> Uring::open(std::string& why) {
  why = "this build has no liburing";
  return nullptr;
}

uint32_t Uring::receive(int, std::span<mmsghdr>) { return 0; }
uint32_t Uring::send(std::span<const Send>) { return 0; }
uint32_t Uring::write(int, std::span<const Write> writes) { return static_cast<uint32_t>(writes.size()); }

}  // namespace weft::io

#endif
