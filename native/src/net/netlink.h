// rtnetlink, as far as a tunnel needs it: news of its own interface, news of routes and addresses, one route look-up.
#pragma once

#include <cstdint>

#include "net/endpoint.h"
#include "util/unique_fd.h"

namespace weft::net {

struct LinkState {
  bool up = false;
  uint32_t mtu = 0;
};

// State and changes of one interface, in the network namespace the interface is in, which may change.
class LinkMonitor {
 public:
  // `tun_fd` names the interface whatever its namespace. Returns 0 or an errno.
  int open(int tun_fd);

  int fd() const { return fd_.get(); }
  const LinkState& state() const { return state_; }
  // Reads what has come; true if the state changed. Reopens itself after the interface moved to another namespace.
  bool update();

  // Sets IFLA_GSO_MAX_SIZE: the largest super-packet the stack hands to the interface. A refusal leaves the default.
  void set_gso_max_size(uint32_t bytes) const;

 private:
  int open_in_its_namespace();
  void read_pending(bool& deleted);
  bool query();

  UniqueFd fd_;
  int tun_fd_ = -1;
  uint32_t index_ = 0;
  LinkState state_;
};

// Tells that routes or addresses changed in the namespace of the sockets.
class RouteMonitor {
 public:
  int open();
  int fd() const { return fd_.get(); }
  // Reads all that has come; true if there was anything.
  bool drain();

  // The interface that the route to `remote` leaves by, when sending from `source` with `mark`; 0 if there is none.
  uint32_t route_interface(const Endpoint& remote, const Source& source, uint32_t mark);

 private:
  UniqueFd fd_;
  UniqueFd query_;
};

}  // namespace weft::net
