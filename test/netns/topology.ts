// The usual scene: two nodes that are each other's peer, in two namespaces joined by a veth pair.
//
//   a: tunnel 192.168.241.1 fd00::1 | outer 10.0.0.1 fd00:aa::1 port 1001
//   b: tunnel 192.168.241.2 fd00::2 | outer 10.0.0.2 fd00:aa::2 port 1002
import type { Namespace, Network } from './harness.js';
import { WireGuardNode } from './wireguard-node.js';

export interface Side {
  readonly namespace: Namespace;
  readonly node: WireGuardNode;
  /** Addresses in the tunnel. */
  readonly inner4: string;
  readonly inner6: string;
  /** Where the other side reaches this one. */
  readonly endpoint4: string;
  readonly endpoint6: string;
  readonly port: number;
}

export interface PairOptions {
  /** Implementations of a and b; default: the one under test. */
  readonly implementations?: readonly [string, string];
  /** Outer transport; `none` leaves the endpoints unset. */
  readonly outer?: 4 | 6 | 'none';
  /** MTU of the tunnel; the link below is made large enough. */
  readonly mtu?: number;
  readonly presharedKey?: string;
  /** Leaves out the link between the namespaces: the test makes its own. */
  readonly unlinked?: boolean;
}

/** Both configured and up. `a` and `b` know each other's endpoint unless outer is `none`. */
export async function pair(net: Network, options: PairOptions = {}): Promise<[Side, Side]> {
  const [first, second] = await Promise.all([net.namespace('a'), net.namespace('b')]);
  if (!options.unlinked) {
    await net.link(
      [first, 'veth0', '10.0.0.1/24', 'fd00:aa::1/96'],
      [second, 'veth0', '10.0.0.2/24', 'fd00:aa::2/96'],
    );
    const linkMtu = Math.max(1500, (options.mtu ?? 0) + 80);
    for (const end of [first, second]) await end.ip(`link set veth0 mtu ${linkMtu}`);
  }
  const [a, b] = await Promise.all([
    side(net, first, 1, options.implementations?.[0]),
    side(net, second, 2, options.implementations?.[1]),
  ]);
  await Promise.all([configure(a, b, options), configure(b, a, options)]);
  return [a, b];
}

async function side(
  net: Network,
  namespace: Namespace,
  digit: number,
  implementation?: string,
): Promise<Side> {
  const port = 1000 + digit;
  return {
    namespace,
    node: await WireGuardNode.start(net, namespace, implementation),
    inner4: `192.168.241.${digit}`,
    inner6: `fd00::${digit}`,
    endpoint4: `10.0.0.${digit}:${port}`,
    endpoint6: `[fd00:aa::${digit}]:${port}`,
    port,
  };
}

async function configure(own: Side, other: Side, options: PairOptions): Promise<void> {
  const outer = options.outer ?? 4;
  const lines = [
    '[Interface]',
    `PrivateKey=${own.node.keys.privateKey}`,
    `ListenPort=${own.port}`,
    '[Peer]',
    `PublicKey=${other.node.publicKey}`,
    `AllowedIPs=${other.inner4}/32,${other.inner6}/128`,
  ];
  if (options.presharedKey !== undefined) lines.push(`PresharedKey=${options.presharedKey}`);
  if (outer !== 'none') {
    lines.push(`Endpoint=${outer === 4 ? other.endpoint4 : other.endpoint6}`);
  }
  await own.node.setConfiguration(`${lines.join('\n')}\n`);
  if (options.mtu !== undefined) {
    await own.namespace.ip(`link set ${own.node.interfaceName} mtu ${options.mtu}`);
  }
  await own.node.up(`${own.inner4}/24`, `${own.inner6}/112`);
}
