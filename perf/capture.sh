#!/bin/sh
# perf/capture.sh [seconds] [workers] [--load tcp|wire|udp64|udp1372|ping] [--out DIRECTORY]
# Records two nodes under load: flame graph, folded stacks, report and table of stages. See perf/README.md.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
command -v node >/dev/null || {
  echo "perf/capture.sh: no node: run $(dirname "$here")/scripts/setup first" >&2
  exit 1
}
exec node "$here/capture.mjs" "$@"
