// Sticky sockets: replies leave from the address and interface that packets arrived on, as long as that is possible.
import { describe, expect } from 'vitest';
import { addAddress, test } from './harness.js';
import { until } from './process.js';
import { pair, type Side } from './topology.js';
import { expectPing, iperf } from './traffic.js';
import { WireGuardNode } from './wireguard-node.js';

/** Points b at one of a's addresses; the answer must come from it, or b's endpoint would move. */
async function expectReplyFrom(b: Side, a: Side, endpoint: string): Promise<void> {
  await b.node.set('peer', a.node.publicKey, 'endpoint', endpoint);
  await expectPing(b.namespace, a.inner4);
  expect(await b.node.endpointOf(a.node.publicKey)).toBe(endpoint);
}

describe('source address', () => {
  test('falls over to another address when the one in use is removed', async ({ net }) => {
    const [a, b] = await pair(net);
    await a.namespace.sysctl('ipv4/conf/veth0/promote_secondaries', 1);
    await expectPing(a.namespace, b.inner4);
    await addAddress(a.namespace, 'veth0', '10.0.0.10/24');
    await a.namespace.ip('addr del 10.0.0.1/24 dev veth0');
    await expectPing(a.namespace, b.inner4);
    expect(await b.node.endpointOf(a.node.publicKey)).toBe(`10.0.0.10:${a.port}`);

    await a.node.set('peer', b.node.publicKey, 'endpoint', b.endpoint6);
    await expectPing(a.namespace, b.inner4);
    await addAddress(a.namespace, 'veth0', 'fd00:aa::10/96');
    await a.namespace.ip('addr del fd00:aa::1/96 dev veth0');
    await expectPing(a.namespace, b.inner4);
    expect(await b.node.endpointOf(a.node.publicKey)).toBe(`[fd00:aa::10]:${a.port}`);
  });

  test('replies from the address the packet was sent to', async ({ net }) => {
    const [a, b] = await pair(net);
    await addAddress(a.namespace, 'veth0', '10.0.0.9/24');
    await addAddress(a.namespace, 'veth0', 'fd00:aa::9/96');
    for (const endpoint of [a.endpoint4, a.endpoint6, '10.0.0.9:1001', '[fd00:aa::9]:1001']) {
      await expectReplyFrom(b, a, endpoint);
    }
  });

  test('replies from an address of another interface', async ({ net }) => {
    const [a, b] = await pair(net);
    await addAddress(a.namespace, 'lo', '10.50.0.1/32');
    await b.namespace.ip('route add 10.50.0.0/24 dev veth0');
    await expectReplyFrom(b, a, '10.50.0.1:1001');
  });

  // Receive offload joins datagrams; what was known of the first must hold for all of them.
  test('keeps the source address under bulk traffic', async ({ net }) => {
    const [a, b] = await pair(net);
    await addAddress(a.namespace, 'veth0', '10.0.0.9/24');
    await expectReplyFrom(b, a, '10.0.0.9:1001');
    await b.namespace.nft(`
      table ip t {
        chain i {
          type filter hook input priority 0
          udp sport 1001 ip saddr != 10.0.0.9 counter comment "wrong-source"
        }
      }
    `);
    await iperf(net, a.namespace, b.namespace, a.inner4);
    await iperf(net, a.namespace, b.namespace, a.inner4, { reverse: true });
    expect(await b.namespace.nftPackets('wrong-source')).toBe(0);
    expect(await b.node.endpointOf(a.node.publicKey)).toBe('10.0.0.9:1001');
  });

  test('takes a better route when one appears', async ({ net }) => {
    const [a, b] = await pair(net, { outer: 'none', unlinked: true });
    await net.link([a.namespace, 'veth1', '10.0.0.1/24'], [b.namespace, 'veth2', '10.0.0.2/24']);
    await net.link([a.namespace, 'veth3', '10.0.0.3/24'], [b.namespace, 'veth4']);
    for (const line of [
      'route flush dev veth1',
      'route flush dev veth3',
      'route add 10.0.0.0/24 dev veth1 src 10.0.0.1 metric 2',
    ]) {
      await a.namespace.ip(line);
    }
    await a.node.set('peer', b.node.publicKey, 'endpoint', b.endpoint4);
    await expectPing(a.namespace, b.inner4);
    expect(await b.node.endpointOf(a.node.publicKey)).toBe('10.0.0.1:1001');
    await a.namespace.ip('route add 10.0.0.0/24 dev veth3 src 10.0.0.3 metric 1');
    // The kernel tells of the route when it likes: a packet or two may still go the old way.
    await until(
      'the better route is taken',
      async () => {
        await expectPing(a.namespace, b.inner4);
        return (await b.node.endpointOf(a.node.publicKey)) === '10.0.0.3:1001';
      },
      2_000,
    );
  });

  test('recovers when the interface in use disappears', async ({ net }) => {
    const [a, b] = await pair(net, { outer: 'none', unlinked: true });
    await net.link([a.namespace, 'veth1', '10.0.0.1/24'], [b.namespace, 'veth2', '10.0.0.2/24']);
    await a.node.set('peer', b.node.publicKey, 'endpoint', b.endpoint4);
    await expectPing(a.namespace, b.inner4);
    await a.namespace.ip('link del veth1');
    await net.link([a.namespace, 'veth3', '10.0.0.3/24'], [b.namespace, 'veth4', '10.0.0.2/24']);
    await expectPing(a.namespace, b.inner4);
    expect(await b.node.endpointOf(a.node.publicKey)).toBe('10.0.0.3:1001');
  });

  test('serves peers over IPv4 and IPv6 from one port at once', async ({ net }) => {
    const [a, b] = await pair(net);
    const third = await net.namespace('c');
    await net.link([a.namespace, 'veth9', 'fd00:bb::1/96'], [third, 'veth0', 'fd00:bb::3/96']);
    const c = await WireGuardNode.start(net, third);
    await c.setConfiguration(
      `[Interface]\nPrivateKey=${c.keys.privateKey}\nListenPort=1003\n[Peer]\nPublicKey=${a.node.publicKey}\n` +
        `AllowedIPs=${a.inner4}/32\nEndpoint=[fd00:bb::1]:1001\n`,
    );
    await c.up('192.168.241.3/24');
    await a.node.set('peer', c.publicKey, 'allowed-ips', '192.168.241.3/32');
    const sockets = await a.namespace.check(['ss', '-ulnH', 'sport = 1001']);
    expect(sockets).toMatch(/0\.0\.0\.0:1001/);
    expect(sockets).toMatch(/\[::\]:1001|\*:1001/);
    await expectPing(third, a.inner4);
    for (let round = 0; round < 3; round++) {
      await Promise.all([
        expectPing(a.namespace, b.inner4, { count: 20 }),
        expectPing(a.namespace, '192.168.241.3', { count: 20 }),
      ]);
    }
    expect(await a.node.endpointOf(c.publicKey)).toBe('[fd00:bb::3]:1003');
  });
});
