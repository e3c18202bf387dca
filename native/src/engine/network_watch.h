// What the kernel tells of the network: the tunnel's own interface comes, goes or changes its MTU; routes change, so
// that a cached source address may no longer be right.
#pragma once

#include "engine/state.h"
#include "io/poller.h"
#include "net/netlink.h"

namespace weft::engine {

class NetworkWatch {
 public:
  // The poller reports changes of the link and of routes by these bits.
  NetworkWatch(State& state, io::Poller& poller, io::Ready link, io::Ready route)
      : state_(state), poller_(poller), link_bit_(link), route_bit_(route) {}

  // Returns 0 or an errno.
  int open();
  const net::LinkState& link() const { return links_.state(); }

  void on_link_change();
  void on_route_change();

  // Compares cached source addresses with the routes, when it is time.
  void check_sources_if_due();
  // Milliseconds until it is time; -1 = never.
  int milliseconds_left() const;

 private:
  void fit_super_packets();

  State& state_;
  io::Poller& poller_;
  const io::Ready link_bit_;
  const io::Ready route_bit_;
  net::LinkMonitor links_;
  net::RouteMonitor routes_;
  bool gone_ = false;
  size_t next_unchecked_ = 0;  // peers before it have been looked at since the last change
};

}  // namespace weft::engine
