// weft and wireguard-go as each other's peer: both directions, both families, keys that change, cookies.
import { beforeEach, describe, expect } from 'vitest';
import { endFlood, flood, floodReport } from '../netns/flood.js';
import { type Network, skip, test } from '../netns/harness.js';
import { generateKeyPair, randomKey } from '../netns/keys.js';
import { until } from '../netns/process.js';
import { pair, type Side } from '../netns/topology.js';
import { expectPing, expectSameBytes, iperf } from '../netns/traffic.js';
import { IMPLEMENTATION } from '../netns/wireguard-node.js';
import { PATH_VARIABLE, REASON_VARIABLE } from './global-setup.js';

const WIREGUARD_GO = process.env[PATH_VARIABLE] ?? '';

type Meet = (net: Network, outer?: 4 | 6) => Promise<[Side, Side]>;

/** Two nodes of which only the first knows the other's endpoint, so that it must initiate. */
function meet(first: string, second: string): Meet {
  return async (net, outer = 4) => {
    const presharedKey = randomKey();
    const [a, b] = await pair(net, {
      implementations: [first, second],
      outer: 'none',
      presharedKey,
    });
    const endpoint = outer === 4 ? b.endpoint4 : b.endpoint6;
    await a.node.set('peer', b.node.publicKey, 'endpoint', endpoint);
    return [a, b];
  };
}

const cases: readonly [string, Meet][] = [
  ['weft initiates to wireguard-go', meet(IMPLEMENTATION, WIREGUARD_GO)],
  ['wireguard-go initiates to weft', meet(WIREGUARD_GO, IMPLEMENTATION)],
];

describe.each(cases)('%s', (_, start) => {
  beforeEach(({ task, skip: skipTest }) => {
    const missing = process.env[REASON_VARIABLE];
    if (missing !== undefined) skip({ task, skip: skipTest }, missing);
  });

  test.for([4, 6] as const)('over IPv%i', async (outer, { net }) => {
    const [a, b] = await start(net, outer);
    await expectPing(a.namespace, b.inner4, { count: 10 });
    await expectPing(a.namespace, b.inner6, { count: 10 });
    await expectPing(b.namespace, a.inner4, { count: 10 });
    expect(await a.node.endpointOf(b.node.publicKey)).toBe(outer === 4 ? b.endpoint4 : b.endpoint6);
    expect(await b.node.endpointOf(a.node.publicKey)).toBe(outer === 4 ? a.endpoint4 : a.endpoint6);
    expect(await b.node.latestHandshake(a.node.publicKey)).toBeGreaterThan(0);
  });

  test.for([4, 6] as const)('and TCP and UDP flow both ways over IPv%i', async (outer, { net }) => {
    const [a, b] = await start(net, outer);
    await expectPing(a.namespace, b.inner4);
    for (const reverse of [false, true]) {
      const tcp = await iperf(net, b.namespace, a.namespace, b.inner4, { reverse, amount: '50M' });
      expect(tcp.bytes).toBeGreaterThan(10_000_000);
      const udp = await iperf(net, b.namespace, a.namespace, b.inner6, { reverse, udp: true });
      expect(udp.bytes).toBeGreaterThan(1_000_000);
    }
    await expectSameBytes(net, b.namespace, a.namespace, b.inner4, 10_000_000);
    await expectSameBytes(net, a.namespace, b.namespace, a.inner6, 10_000_000);
  });

  test('and again after the private key of either side changed', async ({ net }) => {
    const [a, b] = await start(net);
    await expectPing(a.namespace, b.inner4);
    const keysOfA = generateKeyPair();
    await b.node.set('peer', a.node.publicKey, 'remove');
    await b.node.set('peer', keysOfA.publicKey, 'allowed-ips', `${a.inner4}/32`);
    await a.node.setPrivateKey(keysOfA.privateKey);
    await a.node.set('peer', b.node.publicKey, 'preshared-key', '/dev/null');
    await expectPing(a.namespace, b.inner4, { waitS: 8 });
    const keysOfB = generateKeyPair();
    await a.node.set('peer', b.node.publicKey, 'remove');
    await a.node.set(
      'peer',
      keysOfB.publicKey,
      'allowed-ips',
      `${b.inner4}/32`,
      'endpoint',
      b.endpoint4,
    );
    await b.node.setPrivateKey(keysOfB.privateKey);
    await expectPing(a.namespace, b.inner4, { waitS: 8 });
  });

  test('and again after either side lost its session', async ({ net }) => {
    const [a, b] = await start(net);
    await expectPing(a.namespace, b.inner4);
    const psk = randomKey();
    await a.node.setPresharedKey(b.node.publicKey, psk);
    await b.node.setPresharedKey(a.node.publicKey, psk);
    for (const side of [a, b]) {
      await side.namespace.ip(`link set ${side.node.interfaceName} down`);
      await side.namespace.ip(`link set ${side.node.interfaceName} up`);
      await expectPing(side.namespace, side === a ? b.inner4 : a.inner4, { waitS: 12 });
    }
    await expectPing(a.namespace, b.inner4);
  });

  test('and each follows when the other roams', async ({ net }) => {
    const [a, b] = await start(net);
    await expectPing(a.namespace, b.inner4);
    await a.node.set('listen-port', '3001');
    await expectPing(a.namespace, b.inner4);
    expect(await b.node.endpointOf(a.node.publicKey)).toBe('10.0.0.1:3001');
    await b.node.set('listen-port', '3002');
    await expectPing(b.namespace, a.inner4);
    expect(await a.node.endpointOf(b.node.publicKey)).toBe('10.0.0.2:3002');
    await expectPing(a.namespace, b.inner6);
  });

  test('by a cookie while the responder is under load', async ({ net }) => {
    const [a, b] = await start(net);
    const attack = await flood(net, b, 30_000);
    await until('cookies are sent', () => (floodReport(attack).received['3'] ?? 0) > 0, 10_000);
    // The first initiation earns a cookie, the next (after 5 s) uses it; the flood may crowd out some.
    await expectPing(a.namespace, b.inner4, { waitS: 22 });
    await endFlood(attack);
  });
});
