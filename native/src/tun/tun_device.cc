#include "tun/tun_device.h"

#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include "tun/checksum.h"
#include "util/bytes.h"

#ifndef TUN_F_USO4
#define TUN_F_USO4 0x20
#define TUN_F_USO6 0x40
#endif

namespace weft::tun {
namespace {

// The kernel leaves a checksum of NEEDS_CSUM to us; the field holds the pseudo-header sum.
void complete_checksum(const VirtioHeader& header, uint8_t* packet, size_t length) {
  if ((header.flags & kNeedsCsum) == 0) return;
  uint8_t* field = packet + header.csum_start + header.csum_offset;
  const uint16_t sum =
      static_cast<uint16_t>(~checksum_fold(checksum_add(packet + header.csum_start, length - header.csum_start)));
  constexpr uint16_t kUdpChecksumOffset = 6;
  store<uint16_t>(field, sum == 0 && header.csum_offset == kUdpChecksumOffset ? 0xffff : sum);
}

}  // namespace

TunDevice::Error TunDevice::create(const std::string& name, uint32_t mtu, uint32_t lanes) {
  if (!open_steered(name, lanes)) {
    queues_.clear();
    steering_.reset();
    if (const Error error = open_queue(name, 0); error.code != 0) return error;
  }
  ifreq request{};
  request.ifr_mtu = static_cast<int>(mtu);
  if (set(SIOCSIFMTU, request) != 0) return {errno, "SIOCSIFMTU"};
  // Only with steering, as without it there is no CoDel either. Refused, it costs some packets of a burst.
  request.ifr_qlen = static_cast<int>(Steering::kQueuePackets);
  if (steering_) set(SIOCSIFTXQLEN, request);
  return {};
}

// For each lane one queue for the sparse, several for the bulk. False: the kernel, or our rights, do not allow it.
bool TunDevice::open_steered(const std::string& name, uint32_t lanes) {
  if (open_queue(name, IFF_MULTI_QUEUE).code != 0) return false;
  steering_ = std::make_unique<Steering>();
  if (!steering_->attach(fd(), lanes)) return false;
  while (queue_count() < lanes * Steering::kQueues) {
    if (open_queue(name_, IFF_MULTI_QUEUE).code != 0) return false;
  }
  return true;
}

// The first queue creates the interface, the others join it.
TunDevice::Error TunDevice::open_queue(const std::string& name, int extra_flags) {
  UniqueFd fd(open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK));
  if (!fd) return {errno, "open /dev/net/tun"};
  ifreq request{};
  if (name.size() >= sizeof request.ifr_name) return {ENAMETOOLONG, "TUNSETIFF"};
  std::memcpy(request.ifr_name, name.data(), name.size());
  request.ifr_flags = static_cast<int16_t>(IFF_TUN | IFF_NO_PI | IFF_VNET_HDR | extra_flags);
  if (ioctl(fd.get(), TUNSETIFF, &request) < 0) return {errno, "TUNSETIFF"};
  name_ = request.ifr_name;
  if (const Error error = configure_queue(fd.get()); error.code != 0) return error;
  queues_.push_back(std::move(fd));
  return {};
}

TunDevice::Error TunDevice::adopt(int fd) {
  queues_.emplace_back(fd);
  ifreq request{};
  if (ioctl(fd, TUNGETIFF, &request) < 0) return {errno, "TUNGETIFF"};
  name_ = request.ifr_name;
  vnet_header_ = (request.ifr_flags & IFF_VNET_HDR) != 0;
  if ((request.ifr_flags & IFF_NO_PI) == 0) return {EINVAL, "TUNGETIFF (IFF_NO_PI is not set)"};
  if (fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) < 0) return {errno, "F_SETFL"};
  return configure_queue(fd);
}

TunDevice::Error TunDevice::configure_queue(int fd) {
  if (!vnet_header_) return {};
  constexpr unsigned kBase = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6;
  if (ioctl(fd, TUNSETOFFLOAD, kBase) < 0) return {errno, "TUNSETOFFLOAD"};
  // Linux 6.2: both or none.
  const bool udp = ioctl(fd, TUNSETOFFLOAD, kBase | TUN_F_USO4 | TUN_F_USO6) == 0;
  offload_ = udp ? MergeOffload::kTcpAndUdp : MergeOffload::kTcp;
  return {};
}

int TunDevice::set(unsigned long what, ifreq& request) const {
  UniqueFd control(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!control) return -1;
  std::memcpy(request.ifr_name, name_.c_str(), name_.size() + 1);
  return ioctl(control.get(), what, &request);
}

bool TunDevice::exists() const {
  ifreq request{};
  return ioctl(fd(), TUNGETIFF, &request) == 0;
}

ReadStatus TunDevice::read(uint32_t queue, std::span<uint8_t> buffer, uint32_t& length) {
  uint8_t* start = buffer.data();
  size_t room = buffer.size();
  if (!vnet_header_) {
    std::memset(start, 0, sizeof(VirtioHeader));
    start += sizeof(VirtioHeader);
    room -= sizeof(VirtioHeader);
  }
  ssize_t n;
  do n = ::read(fd(queue), start, room);
  while (n < 0 && errno == EINTR);
  if (n < 0) return errno == EAGAIN ? ReadStatus::kEmpty : ReadStatus::kFailed;
  length = static_cast<uint32_t>(n) + (vnet_header_ ? 0 : sizeof(VirtioHeader));
  return length > sizeof(VirtioHeader) ? ReadStatus::kPacket : ReadStatus::kEmpty;
}

bool TunDevice::write(uint32_t queue, const iovec* iov, int count) {
  if (!vnet_header_) {
    complete_checksum(load<VirtioHeader>(iov[0].iov_base), static_cast<uint8_t*>(iov[1].iov_base), iov[1].iov_len);
    ++iov;
    --count;
  }
  ssize_t n;
  do n = writev(fd(queue), iov, count);
  while (n < 0 && errno == EINTR);
  return n >= 0;
}

}  // namespace weft::tun
