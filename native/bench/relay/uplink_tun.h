// A host's uplink: a TUN interface in the host's namespace whose other end the relay holds, like a modem's. Without
// offloads: the kernel splits super-packets and finishes checksums before they come here.
#pragma once

#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>

#include "util/unique_fd.h"

namespace weft::relay {

class UplinkTun {
 public:
  // Empty: it is there; else why not. The interface is down and has no address.
  std::string create(const std::string& name_space, const std::string& interface) {
    const UniqueFd home(open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC));
    const UniqueFd target(open(("/run/netns/" + name_space).c_str(), O_RDONLY | O_CLOEXEC));
    if (!home || !target || setns(target.get(), CLONE_NEWNET) < 0) return reason("namespace " + name_space);
    const std::string failure = open_interface(interface);
    if (setns(home.get(), CLONE_NEWNET) < 0) return reason("return from namespace " + name_space);
    return failure;
  }

  int fd() const { return fd_.get(); }

  // Bytes of the next packet; 0 = none now; negative = the interface is gone.
  ssize_t read(std::span<uint8_t> buffer) const {
    const ssize_t n = ::read(fd(), buffer.data(), buffer.size());
    if (n >= 0) return n;
    return errno == EBADFD ? -1 : 0;
  }

  // What a host whose interface is down does not take is lost.
  bool write(std::span<const uint8_t> packet) const {
    return ::write(fd(), packet.data(), packet.size()) == static_cast<ssize_t>(packet.size());
  }

  // Without carrier nothing can be sent, as with a cable that was pulled out.
  void set_carrier(bool present) const {
    int value = present ? 1 : 0;
    ioctl(fd(), TUNSETCARRIER, &value);
  }

 private:
  static std::string reason(const std::string& step) { return step + ": " + std::strerror(errno); }

  std::string open_interface(const std::string& interface) {
    fd_.reset(open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK));
    if (!fd_) return reason("/dev/net/tun");
    ifreq request{};
    if (interface.size() >= sizeof request.ifr_name) return "interface name too long: " + interface;
    std::memcpy(request.ifr_name, interface.data(), interface.size());
    request.ifr_flags = IFF_TUN | IFF_NO_PI;
    if (ioctl(fd(), TUNSETIFF, &request) < 0) return reason("TUNSETIFF " + interface);
    return {};
  }

  UniqueFd fd_;
};

}  // namespace weft::relay
