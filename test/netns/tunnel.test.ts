// Packets through the tunnel: families, sizes, TCP and UDP, and what is sent before there are keys.
import { describe, expect } from 'vitest';
import { test } from './harness.js';
import { randomKey } from './keys.js';
import { until } from './process.js';
import { pair } from './topology.js';
import { expectPing, expectSameBytes, iperf, ping } from './traffic.js';

describe('tunnel', () => {
  for (const outer of [4, 6] as const) {
    test(`carries IPv4 and IPv6 pings over IPv${outer}`, async ({ net }) => {
      const [a, b] = await pair(net, { outer });
      await expectPing(a.namespace, b.inner4, { count: 10 });
      await expectPing(a.namespace, b.inner6, { count: 10 });
      await expectPing(b.namespace, a.inner4, { count: 10 });
      await expectPing(b.namespace, a.inner6, { count: 10 });
    });

    test(`carries TCP and UDP both ways over IPv${outer}`, async ({ net }) => {
      const [a, b] = await pair(net, { outer });
      for (const address of [b.inner4, b.inner6]) {
        for (const reverse of [false, true]) {
          const tcp = await iperf(net, b.namespace, a.namespace, address, { reverse });
          expect(tcp.bytes).toBeGreaterThan(1_000_000);
          const udp = await iperf(net, b.namespace, a.namespace, address, { udp: true, reverse });
          expect(udp.bytes).toBeGreaterThan(1_000_000);
        }
      }
    });
  }

  for (const mtu of [1280, 1420, 8920, 34736]) {
    test(`carries packets of every size up to an MTU of ${mtu}`, async ({ net }) => {
      const [a, b] = await pair(net, { mtu });
      for (const size of [0, 1, 15, 16, 17, 100, mtu - 29, mtu - 28]) {
        await expectPing(a.namespace, b.inner4, { count: 2, size, args: ['-M', 'do'] });
      }
      await expectPing(a.namespace, b.inner6, { size: mtu - 48, args: ['-M', 'do'] });
      const tcp = await iperf(net, b.namespace, a.namespace, b.inner4);
      expect(tcp.bytes).toBeGreaterThan(1_000_000);
    });
  }

  test('carries packets larger than the MTU in fragments', async ({ net }) => {
    const [a, b] = await pair(net);
    await expectPing(a.namespace, b.inner4, { count: 3, size: 20_000 });
    await expectPing(a.namespace, b.inner6, { count: 3, size: 20_000 });
  });

  test('delivers TCP contents unchanged', async ({ net }) => {
    const [a, b] = await pair(net);
    await expectSameBytes(net, b.namespace, a.namespace, b.inner4, 20_000_000);
    await expectSameBytes(net, a.namespace, b.namespace, a.inner6, 20_000_000);
  });

  test('carries many parallel TCP streams', async ({ net }) => {
    const [a, b] = await pair(net);
    const sum = await iperf(net, b.namespace, a.namespace, b.inner4, {
      amount: '64M',
      args: ['-P', '16'],
    });
    expect(sum.bytes).toBeGreaterThan(1_000_000);
  });

  // 10 pings of 84 bytes are padded to 96 and have 32 of header and tag; each handshake message counts once. The
  // kernel's own test has the same numbers.
  test('counts bytes as the kernel does', async ({ net }) => {
    const [a, b] = await pair(net, { outer: 4 });
    await a.namespace.sysctl(`ipv6/conf/${a.node.interfaceName}/disable_ipv6`, 1);
    await b.namespace.sysctl(`ipv6/conf/${b.node.interfaceName}/disable_ipv6`, 1);
    await expectPing(b.namespace, a.inner4, { count: 10 });
    // 1372 = 92 + 10 * 128; 1428 = 148 + 10 * 128; 1460 with the keepalive that confirms the keys.
    await until('both sides count the last packet', async () => {
      const atB = await b.node.transfer(a.node.publicKey);
      const atA = await a.node.transfer(b.node.publicKey);
      return (
        atB.rx === 1372 && [1428, 1460].includes(atB.tx) && atA.tx === 1372 && atA.rx === atB.tx
      );
    });
    expect(await a.node.latestHandshake(b.node.publicKey)).toBeGreaterThan(0);
  });

  // A path MTU that is not a multiple of 16: padding must not grow past the route's or interface's MTU.
  test('does not pad past the MTU', async ({ net }) => {
    const [a, b] = await pair(net, { mtu: 1299 });
    await a.namespace.nft(
      `table inet t {\n chain o {\n type filter hook output priority 0\n udp dport ${b.port} meta length > 1359 counter drop comment "too-long"\n }\n}\n`,
    );
    await expectPing(a.namespace, b.inner4, { size: 1299 - 28, args: ['-M', 'do'] });
    expect(await a.namespace.nftPackets('too-long')).toBe(0);
  });

  test('delivers what was sent before the handshake', async ({ net }) => {
    const [a, b] = await pair(net);
    // The first initiation is lost, so that the handshake (repeated after 5 s) ends after the last of them.
    const dropping =
      'table inet t {\n chain o {\n type filter hook output priority 0\n udp dport 1002 drop\n }\n}\n';
    await a.namespace.nft(dropping);
    const pings = ping(a.namespace, b.inner4, { count: 20, waitS: 8 });
    await until('20 packets entered the interface', async () => {
      const link = JSON.parse(await a.namespace.ip(`-s -j link show ${a.node.interfaceName}`)) as {
        stats64: { tx: { packets: number } };
      }[];
      return (link[0]?.stats64.tx.packets ?? 0) >= 20;
    });
    await a.namespace.nft('delete table inet t\n');
    const result = await pings;
    expect(result.received, result.output).toBe(20);
  });

  test('delivers the very first packet of a session in each direction', async ({ net }) => {
    const [a, b] = await pair(net, { presharedKey: randomKey() });
    const [one, two] = await Promise.all([
      ping(a.namespace, b.inner4, { waitS: 8 }),
      ping(b.namespace, a.inner6, { waitS: 8 }),
    ]);
    expect(one.received + two.received, one.output + two.output).toBe(2);
  });
});
