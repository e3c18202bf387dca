// Endpoints move with authenticated packets: new addresses and ports, NAT and its rebinding.
import { describe, expect } from 'vitest';
import { addAddress, type Namespace, test } from './harness.js';
import { pause } from './process.js';
import { pair, type Side } from './topology.js';
import { expectPing } from './traffic.js';

async function expectEndpoint(at: Side, of: Side, endpoint: string): Promise<void> {
  expect(await at.node.endpointOf(of.node.publicKey)).toBe(endpoint);
}

describe('roaming', () => {
  test('follows a new IPv4 address and port', async ({ net }) => {
    const [a, b] = await pair(net);
    await expectPing(a.namespace, b.inner4);
    await a.namespace.ip('addr del 10.0.0.1/24 dev veth0');
    await addAddress(a.namespace, 'veth0', '10.0.0.77/24');
    await a.node.set('listen-port', '9999');
    await expectPing(a.namespace, b.inner6);
    await expectEndpoint(b, a, '10.0.0.77:9999');
    await expectPing(b.namespace, a.inner4);
  });

  test('follows from IPv4 to IPv6 and back', async ({ net }) => {
    const [a, b] = await pair(net);
    for (let round = 0; round < 3; round++) {
      await a.node.set('peer', b.node.publicKey, 'endpoint', b.endpoint6);
      await expectPing(a.namespace, b.inner4);
      await expectEndpoint(b, a, a.endpoint6);
      await expectPing(b.namespace, a.inner4);
      await a.node.set('peer', b.node.publicKey, 'endpoint', b.endpoint4);
      await expectPing(a.namespace, b.inner6);
      await expectEndpoint(b, a, a.endpoint4);
      await expectPing(b.namespace, a.inner6);
    }
  });

  test('answers a peer whose endpoint was never configured', async ({ net }) => {
    const [a, b] = await pair(net, { outer: 'none' });
    await a.node.set('peer', b.node.publicKey, 'endpoint', b.endpoint6);
    await expectPing(a.namespace, b.inner4);
    await expectEndpoint(b, a, a.endpoint6);
    await expectPing(b.namespace, a.inner4);
  });

  test('follows data packets in the middle of a session', async ({ net }) => {
    const [a, b] = await pair(net);
    await expectPing(a.namespace, b.inner4);
    const before = await b.node.latestHandshake(a.node.publicKey);
    for (const port of [9001, 9002, 9003]) {
      await a.node.set('listen-port', `${port}`);
      await expectPing(a.namespace, b.inner4);
      await expectEndpoint(b, a, `10.0.0.1:${port}`);
    }
    expect(await b.node.latestHandshake(a.node.publicKey)).toBe(before);
  });

  describe('behind NAT', () => {
    test('keeps the mapping with a persistent keepalive', async ({ net }) => {
      const { a, b, router } = await behindNat(net);
      await translate(router, '10.0.0.1');
      await a.node.set('peer', b.node.publicKey, 'persistent-keepalive', '1');
      await expectPing(a.namespace, b.inner4);
      expect(await b.node.endpointOf(a.node.publicKey)).toMatch(/^10\.0\.0\.1:\d+$/);
      // Longer than the router remembers an idle flow: without keepalives the next ping is lost.
      await pause(3_500);
      await expectPing(b.namespace, a.inner4);
    });

    test('follows a rebinding', async ({ net }) => {
      const { a, b, router } = await behindNat(net);
      await translate(router, '10.0.0.1:5001');
      await expectPing(a.namespace, b.inner4);
      await expectEndpoint(b, a, '10.0.0.1:5001');
      await translate(router, '10.0.0.1:6001');
      await pause(3_000); // until the router has forgotten the flow
      await expectPing(a.namespace, b.inner4);
      await expectEndpoint(b, a, '10.0.0.1:6001');
      await expectPing(b.namespace, a.inner4);
    });
  });
});

/** a (192.168.1.100) - router - b (10.0.0.100). The router forgets idle UDP flows after 2 s. */
async function behindNat(
  net: Parameters<typeof pair>[0],
): Promise<{ a: Side; b: Side; router: Namespace }> {
  const [a, b] = await pair(net, { outer: 'none', unlinked: true });
  const router = await net.namespace('router');
  await net.link([router, 'inside', '192.168.1.1/24'], [a.namespace, 'veth0', '192.168.1.100/24']);
  await net.link([router, 'outside', '10.0.0.1/24'], [b.namespace, 'veth0', '10.0.0.100/24']);
  await a.namespace.ip('route add default via 192.168.1.1');
  await router.sysctl('ipv4/ip_forward', 1);
  await translate(router, '10.0.0.1');
  await router.sysctl('netfilter/nf_conntrack_udp_timeout', 2);
  await router.sysctl('netfilter/nf_conntrack_udp_timeout_stream', 2);
  await a.node.set('peer', b.node.publicKey, 'endpoint', `10.0.0.100:${b.port}`);
  return { a, b, router };
}

/** Makes the router translate the sources of new flows to `source`. */
async function translate(router: Namespace, source: string): Promise<void> {
  await router.nft(`
    table ip nat
    flush table ip nat
    table ip nat {
      chain postrouting {
        type nat hook postrouting priority 100
        meta l4proto udp ip saddr 192.168.1.0/24 snat to ${source}
      }
    }
  `);
}
