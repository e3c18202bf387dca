#!/bin/sh
# Kernel WireGuard, weft, wireguard-go and boringtun in the same pair of LXC containers, in turn.
# What the host lacks is skipped by name; without LXC the same comparison runs in plain network namespaces.
# usage: sudo docker/lxc-4way-bench.sh [seconds]    (of a test; default 5)
# JSON and HTML: bench-results/
set -eu
seconds=${1:-5}
root=$(cd "$(dirname "$0")/.." && pwd)
case $seconds in '' | *[!0-9]*) echo "usage: $0 [seconds]" >&2; exit 2 ;; esac

containers=--lxc
if ! command -v lxc-start >/dev/null; then
  echo "no lxc-start here (apt-get install --no-install-recommends lxc): plain network namespaces"
  containers=
fi
exec "$root/bench/throughput/run.mjs" $containers --rounds 3 --seconds "$seconds" \
  --candidates plain,kernel,wireguard-go,boringtun,weft \
  --tests tcp,tcp-x4,tcp-reverse,udp64,udp1372,ping,ping-load,memory \
  --json "$root/bench-results/lxc-4way.json" --html "$root/bench-results/lxc-4way.html"
