// RFC 6040: congestion notification is copied outward and combined inward; no DSCP leaks outward.
import { describe, expect } from 'vitest';
import { type Namespace, test } from './harness.js';
import { pair, type Side } from './topology.js';
import { expectNoPing, expectPing, expectSameBytes, iperf } from './traffic.js';

const NOT_ECT = 0;
const ECT1 = 1;
const ECT0 = 2;
const CE = 3;

/** Counts packets of the tunnel's outer flow that arrive with each traffic class. */
async function countOuter(where: Namespace, port: number): Promise<void> {
  const rules = [NOT_ECT, ECT1, ECT0, CE].flatMap((ecn) => [
    `udp dport ${port} udp length != 156 ip dscp 0 ip ecn ${ecn} counter comment "v4-${ecn}"`,
    `udp dport ${port} udp length != 156 ip6 dscp 0 ip6 ecn ${ecn} counter comment "v6-${ecn}"`,
  ]);
  await where.nft(`
    table inet outer {
      chain i {
        type filter hook prerouting priority -300
        ${rules.join('\n        ')}
        udp dport ${port} udp length != 156 ip dscp != 0 counter comment "dscp"
        udp dport ${port} udp length != 156 ip6 dscp != 0 counter comment "dscp6"
      }
    }
  `);
}

/** Marks outer packets that leave here for `port` as having seen congestion: all, or as a router those capable of it. */
async function markOuter(where: Namespace, port: number, which: 'all' | 'capable'): Promise<void> {
  const capable = which === 'capable';
  await where.nft(`
    table inet congestion {
      chain o {
        type filter hook output priority 0
        udp dport ${port} ${capable ? 'ip ecn != not-ect' : ''} ip ecn set ce
        udp dport ${port} ${capable ? 'ip6 ecn != not-ect' : ''} ip6 ecn set ce
      }
    }
  `);
}

async function countInner(where: Side): Promise<void> {
  await where.namespace.nft(`
    table inet inner {
      chain i {
        type filter hook prerouting priority -300
        iifname "${where.node.interfaceName}" icmp type echo-request ip ecn ce counter comment "ce4"
        iifname "${where.node.interfaceName}" icmpv6 type echo-request ip6 ecn ce counter comment "ce6"
        iifname "${where.node.interfaceName}" icmp type echo-request ip ecn != ce counter comment "other4"
      }
    }
  `);
}

describe('ECN', () => {
  for (const outer of [4, 6] as const) {
    test(`is copied to the outer IPv${outer} header, without the DSCP`, async ({ net }) => {
      const [a, b] = await pair(net, { outer });
      await expectPing(a.namespace, b.inner4);
      await countOuter(b.namespace, b.port);
      const dscp = 0xb8;
      for (const ecn of [NOT_ECT, ECT1, ECT0, CE]) {
        for (const address of [b.inner4, b.inner6]) {
          const counter = `v${outer}-${ecn}`;
          const before = await b.namespace.nftPackets(counter);
          await expectPing(a.namespace, address, { args: ['-Q', `${dscp | ecn}`] });
          expect([counter, address, (await b.namespace.nftPackets(counter)) - before]).toEqual([
            counter,
            address,
            1,
          ]);
        }
      }
      expect(await b.namespace.nftPackets('dscp')).toBe(0);
      expect(await b.namespace.nftPackets('dscp6')).toBe(0);
    });

    test(`congestion on outer IPv${outer} marks capable packets and drops others`, async ({
      net,
    }) => {
      const [a, b] = await pair(net, { outer });
      await expectPing(a.namespace, b.inner4);
      await countInner(b);
      await markOuter(a.namespace, b.port, 'all');
      for (const ecn of [ECT0, ECT1, CE]) {
        await expectPing(a.namespace, b.inner4, { args: ['-Q', `${ecn}`] });
        await expectPing(a.namespace, b.inner6, { args: ['-Q', `${ecn}`] });
      }
      expect(await b.namespace.nftPackets('ce4')).toBe(3);
      expect(await b.namespace.nftPackets('ce6')).toBe(3);
      await expectNoPing(a.namespace, b.inner4);
      await expectNoPing(a.namespace, b.inner6);
      expect(await b.namespace.nftPackets('other4')).toBe(0);
    });
  }

  test('works for bulk TCP', async ({ net }) => {
    const [a, b] = await pair(net);
    for (const side of [a, b]) await side.namespace.sysctl('ipv4/tcp_ecn', 1);
    await countOuter(b.namespace, b.port);
    await iperf(net, b.namespace, a.namespace, b.inner4);
    expect(await b.namespace.nftPackets('v4-2')).toBeGreaterThan(100);
    expect(await b.namespace.nftPackets('v4-3')).toBe(0);
    await markOuter(a.namespace, b.port, 'capable');
    // With every packet marked, TCP falls to one segment a round trip: little, but all of it arrives.
    await expectSameBytes(net, b.namespace, a.namespace, b.inner4, 50_000);
  });
});
