#!/bin/sh
# Runs weft-wg in the foreground and configures its interface from /etc/wireguard/$WEFT_INTERFACE.conf, in the form that
# wg-quick reads: Address and MTU here, all that wg(8) knows by `wg setconf`, a route for each allowed IP. Not done
# here: DNS, PostUp, and default routes (0.0.0.0/0), which belong to whoever runs the container.
# wg-quick itself would take the kernel's module, where there is one, instead of weft.
set -eu
interface=${WEFT_INTERFACE:-wg0}
config=/etc/wireguard/$interface.conf
[ -r "$config" ] || { echo "weft: no $config: mount a WireGuard configuration there" >&2; exit 1; }

# The values of a key of [Interface], one a line.
setting() {
  sed -n "s/[[:space:]]*#.*//; s/^[[:space:]]*$1[[:space:]]*=[[:space:]]*//Ip" "$config" | tr ',' '\n' | tr -d ' \t'
}

weft-wg -f "$interface" &
node=$!
# However this script ends, the node ends too; a signal ends the script at its wait.
trap 'kill -TERM $node 2> /dev/null && wait $node || true' EXIT
trap 'exit 143' TERM
trap 'exit 130' INT

tries=0
until [ -S "/var/run/wireguard/$interface.sock" ]; do
  kill -0 $node 2> /dev/null || { wait $node; exit 1; }
  tries=$((tries + 1))
  [ $tries -lt 100 ] || { echo "weft: $interface is not ready after 5 s" >&2; exit 1; }
  sleep 0.05
done

stripped=$(mktemp)
wg-quick strip "$config" > "$stripped"
wg setconf "$interface" "$stripped"
rm -f "$stripped"
for address in $(setting Address); do
  ip address add "$address" dev "$interface"
done
mtu=$(setting MTU)
ip link set "$interface" mtu "${mtu:-1420}" up
for prefix in $(wg show "$interface" allowed-ips | cut -f 2-); do
  case $prefix in
    */0 | '(none)') ;;
    *) ip route replace "$prefix" dev "$interface" ;;
  esac
done
wait $node
