#!/bin/bash
# Prints the path of a wireguard-go binary, built or installed if there is none yet; otherwise fails with the reason.
# In order: $WIREGUARD_GO, the PATH, an earlier build, a build by `go`, the distribution's package.
set -u
cd "$(dirname "$0")/../.." || exit 1

version=v0.0.0-20260522210424-ecfc5a8d5446
cache=$PWD/build/interop
built=$cache/wireguard

found=${WIREGUARD_GO:-$(command -v wireguard-go)}
if [[ -n $found ]]; then
  echo "$found"
  exit
fi
if [[ ! -x $built ]] && command -v go >/dev/null; then
  mkdir -p "$cache"
  GOBIN=$cache GOPATH=$cache/go GOCACHE=$cache/go-cache GOFLAGS=-modcacherw \
    go install "golang.zx2c4.com/wireguard@$version" >"$cache/build.log" 2>&1 || tail -n 3 "$cache/build.log" >&2
fi
if [[ -x $built ]]; then
  echo "$built"
  exit
fi
if [[ $EUID -eq 0 ]] && command -v apt-get >/dev/null; then
  apt-get install -y --no-install-recommends wireguard-go >/dev/null 2>&1 && command -v wireguard-go && exit
fi
echo "no wireguard-go: no Go toolchain that builds it, and no package wireguard-go" >&2
exit 1
