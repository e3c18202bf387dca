// The TUN interface: packets leave the host's stack here (read) and enter it (write), each behind a VirtioHeader so
// that TCP and UDP super-packets of up to 64 KiB cross in one call.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "tun/gro_merge.h"
#include "tun/steering.h"
#include "util/unique_fd.h"

struct ifreq;

namespace weft::tun {

enum class ReadStatus : uint8_t { kPacket, kEmpty, kFailed };

class TunDevice {
 public:
  struct Error {
    int code = 0;           // errno, 0 = none
    const char* step = "";  // the call that failed
  };

  // Creates the interface, with offloads and steered queues, a set for each lane, as far as the kernel has them, and
  // sets its MTU.
  Error create(const std::string& name, uint32_t mtu, uint32_t lanes = 1);
  // Takes over a descriptor that somebody else configured (WG_TUN_FD). It may lack IFF_VNET_HDR.
  Error adopt(int fd);

  const std::string& name() const { return name_; }
  // Descriptors to wait on, one a queue. Without steering() there is one queue, which holds everything in order;
  // otherwise those of lane i are Steering::kQueues from i * kQueues on.
  uint32_t queue_count() const { return static_cast<uint32_t>(queues_.size()); }
  int fd(uint32_t queue = 0) const { return queues_[queue].get(); }
  const Steering* steering() const { return steering_.get(); }
  MergeOffload offload() const { return offload_; }
  // Whether packets pass its descriptors with a VirtioHeader (IFF_VNET_HDR).
  bool has_header() const { return vnet_header_; }

  // Whether the interface still exists, in whatever namespace it was moved to.
  bool exists() const;

  // Reads one packet of a queue: VirtioHeader, then IP. Never blocks.
  ReadStatus read(uint32_t queue, std::span<uint8_t> buffer, uint32_t& length);

  // As TunSink takes packets, by a queue. Without IFF_VNET_HDR takes single packets only and completes their checksums.
  // False: the kernel refused it. From any thread.
  bool write(uint32_t queue, const iovec* iov, int count);

 private:
  Error open_queue(const std::string& name, int extra_flags);
  bool open_steered(const std::string& name, uint32_t lanes);
  Error configure_queue(int fd);
  int set(unsigned long what, ifreq& request) const;

  std::vector<UniqueFd> queues_;
  std::unique_ptr<Steering> steering_;
  std::string name_;
  bool vnet_header_ = true;
  MergeOffload offload_ = MergeOffload::kNone;
};

}  // namespace weft::tun
