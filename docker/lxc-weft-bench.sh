#!/bin/sh
# weft between two LXC containers, beside the plain wire. Without LXC: in plain network namespaces.
# usage: sudo docker/lxc-weft-bench.sh [seconds] [workers]
#   seconds: of a test (default 5); workers: data-plane threads of a node (default: what weft chooses)
# JSON and HTML: bench-results/
set -eu
seconds=${1:-5}
workers=${2:-}
root=$(cd "$(dirname "$0")/.." && pwd)
case $seconds$workers in *[!0-9]*) echo "usage: $0 [seconds] [workers]" >&2; exit 2 ;; esac

containers=--lxc
if ! command -v lxc-start >/dev/null; then
  echo "no lxc-start here (apt-get install --no-install-recommends lxc): plain network namespaces"
  containers=
fi
if [ -n "$workers" ]; then
  if ! "$root/bin/weft-wg" --help 2>&1 | grep -q WEFT_WORKERS; then
    echo "this weft knows no workers: leave [workers] out" >&2
    exit 2
  fi
  export WEFT_ENGINE=workers WEFT_WORKERS="$workers"
fi
exec "$root/bench/throughput/run.mjs" $containers --rounds 3 --seconds "$seconds" \
  --candidates plain,weft --baseline plain \
  --tests idle,tcp,tcp-x4,tcp-reverse,udp64,udp1372,ping,ping-load,memory \
  --json "$root/bench-results/lxc-weft.json" --html "$root/bench-results/lxc-weft.html"
