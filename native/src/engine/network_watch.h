// What the kernel tells of the network: the tunnel's own interface comes, goes or changes its MTU; routes change, so
// that a cached source address may no longer be right. The first lane waits for it; what follows changes tables, so it
// happens in exclusive sections.
#pragma once

#include <vector>

#include "engine/state.h"
#include "io/poller.h"
#include "net/netlink.h"

namespace weft::engine {

class NetworkWatch {
 public:
  // What the poller reports.
  static constexpr io::Ready kLink = 1;
  static constexpr io::Ready kRoute = 2;

  explicit NetworkWatch(State& state) : state_(state) {}

  // `pollers`: all that wait for the TUN, the first of which is to wait for the network too. Returns 0 or an errno.
  int open(std::vector<io::Poller*> pollers);
  const net::LinkState& link() const { return links_.state(); }

  // In an exclusive section: what is behind these bits.
  void on_ready(io::Ready bits);

  // In an exclusive section: compares cached source addresses with the routes, if it is time.
  void check_sources();
  // When it is time; UINT64_MAX = never.
  uint64_t next_check() const;

 private:
  void on_link_change();
  void on_route_change();
  void fit_super_packets();

  State& state_;
  std::vector<io::Poller*> pollers_;
  net::LinkMonitor links_;
  net::RouteMonitor routes_;
  bool gone_ = false;
  size_t next_unchecked_ = 0;  // peers before it have been looked at since the last change
};

}  // namespace weft::engine
