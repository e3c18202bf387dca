// Cryptokey routing: allowed IPs outward and inward, unreachable destinations, fwmark, tunnels in tunnels.
import { describe, expect } from 'vitest';
import { addAddress, type Namespace, test } from './harness.js';
import { generateKeyPair } from './keys.js';
import { until } from './process.js';
import { pair } from './topology.js';
import { expectNoPing, expectPing, ping } from './traffic.js';
import { WireGuardNode } from './wireguard-node.js';

/** Counts echo requests that leave the tunnel on this side. */
async function countEchoRequests(where: Namespace, device: string): Promise<() => Promise<number>> {
  await where.nft(`
    table inet echo {
      chain i {
        type filter hook prerouting priority -300
        iifname "${device}" icmp type echo-request counter comment "echo"
      }
    }
  `);
  return () => where.nftPackets('echo');
}

describe('routing', () => {
  test('drops packets whose source is not allowed to their peer', async ({ net }) => {
    const [a, b] = await pair(net);
    await addAddress(b.namespace, b.node.interfaceName, '192.168.241.50/24');
    const arrived = await countEchoRequests(a.namespace, a.node.interfaceName);
    await expectPing(b.namespace, a.inner4);
    await expectNoPing(b.namespace, a.inner4, { args: ['-I', '192.168.241.50'] });
    await expectPing(b.namespace, a.inner4);
    expect(await arrived()).toBe(2);
    await a.node.set('peer', b.node.publicKey, 'allowed-ips', '192.168.241.0/24');
    await expectPing(b.namespace, a.inner4, { args: ['-I', '192.168.241.50'] });
  });

  // A less specific prefix of the sender must not let through what a more specific one gives to another peer.
  test('drops packets whose source belongs to a more specific prefix of another peer', async ({
    net,
  }) => {
    const [a, b] = await pair(net);
    const arrived = await countEchoRequests(a.namespace, a.node.interfaceName);
    await a.node.set('peer', b.node.publicKey, 'allowed-ips', '192.168.241.0/24');
    await expectPing(b.namespace, a.inner4);
    const other = generateKeyPair().publicKey;
    await a.node.set('peer', other, 'allowed-ips', `${b.inner4}/32`);
    await b.node.set('listen-port', '9997');
    await expectNoPing(b.namespace, a.inner4);
    expect(await arrived()).toBe(1);
    // The packet was authentic all the same: the endpoint moved with it.
    expect(await a.node.endpointOf(b.node.publicKey)).toBe('10.0.0.2:9997');
    await a.node.set('peer', other, 'remove');
    await expectPing(b.namespace, a.inner4);
  });

  test('moves an allowed IP from one peer to another', async ({ net }) => {
    const [a, b] = await pair(net);
    await expectPing(a.namespace, b.inner4);
    const other = generateKeyPair().publicKey;
    await a.node.set('peer', other, 'allowed-ips', `${b.inner4}/32`);
    expect(await a.node.showPeer('allowed-ips', b.node.publicKey)).toEqual([`${b.inner6}/128`]);
    await expectNoPing(a.namespace, b.inner4);
    await expectPing(a.namespace, b.inner6);
    await a.node.set('peer', b.node.publicKey, 'allowed-ips', `${b.inner4}/32`);
    expect(await a.node.showPeer('allowed-ips', other)).toEqual(['(none)']);
    await expectPing(a.namespace, b.inner4);
  });

  test('answers with ICMP when no peer has the destination', async ({ net }) => {
    const [a, b] = await pair(net);
    const v4 = await expectNoPing(a.namespace, '192.168.241.99', { waitS: 2 });
    expect(v4.output).toContain('Destination Host Unreachable');
    const v6 = await expectNoPing(a.namespace, 'fd00::99', { waitS: 2 });
    expect(v6.output).toContain('Destination unreachable: Address unreachable');
    await expectPing(a.namespace, b.inner4);
  });

  test('answers with ICMP when the peer has no endpoint', async ({ net }) => {
    const [a, b] = await pair(net, { outer: 'none' });
    const v4 = await expectNoPing(a.namespace, b.inner4, { waitS: 2 });
    expect(v4.output).toContain('Destination Host Unreachable');
    const v6 = await expectNoPing(a.namespace, b.inner6, { waitS: 2 });
    expect(v6.output).toContain('Destination unreachable: Address unreachable');
  });

  test('answers with ICMP to a packet that was forwarded and translated', async ({ net }) => {
    const [a, b] = await pair(net);
    await b.namespace.nft(`
      table ip nat {
        chain postrouting {
          type nat hook postrouting priority 100
          ip saddr 10.0.0.0/24 ip daddr 192.168.241.0/24 snat to ${b.inner4}
        }
      }
    `);
    await b.namespace.sysctl('ipv4/ip_forward', 1);
    await b.node.set('peer', a.node.publicKey, 'remove');
    const client = await net.namespace('client');
    await net.link([client, 'veth0', '10.0.0.200/24'], [b.namespace, 'veth7', '10.0.0.100/32']);
    await b.namespace.ip('route add 10.0.0.200/32 dev veth7');
    await client.ip('route add 192.168.241.0/24 via 10.0.0.100');
    const result = await expectNoPing(client, a.inner4, { waitS: 2 });
    expect(result.output).toContain('Destination Host Unreachable');
  });

  // wg-quick's rules for a default route through the tunnel.
  test('avoids a routing loop with fwmark and policy routing', async ({ net }) => {
    const [a, b] = await pair(net);
    const device = a.node.interfaceName;
    await b.namespace.ip(`addr add 192.168.99.7/32 dev ${b.node.interfaceName}`);
    await addAddress(b.namespace, b.node.interfaceName, 'abab::1111/128');
    await a.node.set('fwmark', '51820', 'peer', b.node.publicKey, 'allowed-ips', '0.0.0.0/0,::/0');
    for (const family of ['-4', '-6']) {
      for (const line of [
        `route add default dev ${device} table 51820`,
        'rule add not fwmark 51820 table 51820',
        'rule add table main suppress_prefixlength 0',
      ]) {
        await a.namespace.check(['ip', family, ...line.split(' ')]);
      }
    }
    await a.namespace.nft(`
      table inet t {
        chain o {
          type filter hook output priority 0
          udp dport ${b.port} meta mark 51820 counter comment "marked"
          udp dport ${b.port} meta mark != 51820 counter comment "unmarked"
        }
      }
    `);
    await expectPing(a.namespace, '192.168.99.7', { count: 20 });
    await expectPing(a.namespace, 'abab::1111', { count: 20 });
    await a.node.set('peer', b.node.publicKey, 'endpoint', b.endpoint6);
    await expectPing(a.namespace, '192.168.99.7', { count: 20 });
    expect(await a.namespace.nftPackets('marked')).toBeGreaterThanOrEqual(3); // segments leave as one
    expect(await a.namespace.nftPackets('unmarked')).toBe(0);
    // A later socket must carry the mark too.
    await a.node.set('listen-port', '9998');
    await expectPing(a.namespace, 'abab::1111');
    expect(await a.namespace.nftPackets('unmarked')).toBe(0);
    await a.node.set('fwmark', '0');
    expect(await a.node.show('fwmark')).toBe('off');
  });

  test('survives an endpoint that is routed into the tunnel itself', async ({ net }) => {
    const [a, b] = await pair(net);
    await expectPing(a.namespace, b.inner4);
    await a.node.set('peer', b.node.publicKey, 'endpoint', `${b.inner4}:7`);
    await ping(a.namespace, b.inner4, { count: 5, waitS: 0.5 });
    await a.node.set('peer', b.node.publicKey, 'endpoint', b.endpoint4);
    await until(
      'the tunnel works again',
      async () => {
        return (await ping(a.namespace, b.inner4, { waitS: 0.5 })).received === 1;
      },
      15_000,
    );
  });

  test('carries another tunnel', async ({ net }) => {
    const [a, b] = await pair(net);
    const [c, d] = await Promise.all([
      WireGuardNode.start(net, a.namespace),
      WireGuardNode.start(net, b.namespace),
    ]);
    for (const [own, other, end] of [
      [c, d, `[${b.inner6}]:2002`],
      [d, c, `[${a.inner6}]:2002`],
    ] as const) {
      await own.setConfiguration(
        `[Interface]\nPrivateKey=${own.keys.privateKey}\nListenPort=2002\n[Peer]\n` +
          `PublicKey=${other.publicKey}\nAllowedIPs=192.168.50.0/24\nEndpoint=${end}\n`,
      );
      await own.namespace.ip(`link set ${own.interfaceName} mtu 1340`);
    }
    await c.up('192.168.50.1/24');
    await d.up('192.168.50.2/24');
    await expectPing(a.namespace, '192.168.50.2', { count: 10 });
    await expectPing(b.namespace, '192.168.50.1', { count: 10, size: 1312, args: ['-M', 'do'] });
  });
});
