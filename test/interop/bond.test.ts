// A plain WireGuard peer beside a bond: it is spoken to as if there were none. What comes to it is counted by type and size.
import { beforeEach, describe, expect } from 'vitest';
import { Scene } from '../netns/bond-scene.js';
import { type Namespace, skip, test } from '../netns/harness.js';
import { generateKeyPair } from '../netns/keys.js';
import { pause, until } from '../netns/process.js';
import { expectPing, iperf } from '../netns/traffic.js';
import { WireGuardNode } from '../netns/wireguard-node.js';
import { PATH_VARIABLE, REASON_VARIABLE } from './global-setup.js';

const WIREGUARD_GO = process.env[PATH_VARIABLE] ?? '';
const OUTER = '10.10.3.1';
const INNER = '192.168.66.3';
const PORT = 1003;
const UDP_HEADER = 8;
/** Of a ping of 100 bytes: 128 with its headers, a header of 16 and a tag of 16. */
const PING_PAYLOAD = 100;
const LENGTHS = { initiation: 148, response: 92, keepalive: 32, ping: 16 + 128 + 16 } as const;

/** Counts what comes to the peer's port, by message type and length, and all of it. */
async function countMessages(where: Namespace): Promise<void> {
  const rule = (name: keyof typeof LENGTHS, type: number) =>
    `udp dport ${PORT} @th,64,8 ${type} udp length ${LENGTHS[name] + UDP_HEADER} counter accept comment "${name}"`;
  await where.nft(`
    table inet plain {
      chain i {
        type filter hook input priority 0
        ${rule('initiation', 1)}
        ${rule('response', 2)}
        ${rule('keepalive', 4)}
        ${rule('ping', 4)}
        udp dport ${PORT} counter comment "other"
      }
    }
  `);
}

describe('a plain peer of a node with a bond', { timeout: 90_000 }, () => {
  beforeEach(({ task, skip: skipTest }) => {
    const missing = process.env[REASON_VARIABLE];
    if (missing !== undefined) skip({ task, skip: skipTest }, missing);
  });

  test('gets standard messages by one uplink, and no other', async ({ net }) => {
    const keys = generateKeyPair();
    const scene = await Scene.of(net, {
      links: [
        { rate: 50, delay: 5 },
        { rate: 50, delay: 15 },
      ],
      config: `\n[Peer]\nPublicKey = ${keys.publicKey}\nEndpoint = ${OUTER}:${PORT}\nAllowedIPs = ${INNER}/32\n`,
    });
    const { relay, a, b, addressA, addressB } = scene;
    const host = await net.namespace('plain');
    await relay.addUplink('plain', host, 'up0', OUTER, 100);
    const peer = await WireGuardNode.start(net, host, WIREGUARD_GO, keys);
    const { publicKey } = await a.status();
    await peer.setConfiguration(
      `[Interface]\nPrivateKey=${keys.privateKey}\nListenPort=${PORT}\n[Peer]\nPublicKey=${publicKey}\nAllowedIPs=${addressA}/32\n`,
    );
    await peer.up(`${INNER}/32`);
    await host.ip(`route add ${addressA}/32 dev ${peer.interfaceName}`);
    await countMessages(host);
    await scene.bonded(2);

    const bulk = iperf(net, b.namespace, a.namespace, addressB, { amount: '20M' });
    await expectPing(a.namespace, INNER, { count: 20, size: PING_PAYLOAD, intervalS: 0.1 });
    await bulk;
    const endpoint = await peer.endpointOf(publicKey);
    expect(endpoint).toMatch(/^10\.10\.1\.1:/);
    await pause(3_000); // the bond's own frames go on when nothing else does
    expect(await host.nftPackets('ping')).toBe(20);
    expect(await host.nftPackets('initiation')).toBe(1);
    expect(await host.nftPackets('other')).toBe(0);
    expect(await peer.endpointOf(publicKey)).toBe(endpoint);

    // the uplink that it was heard by dies: as without a bond, the host's routes decide
    await scene.unplug(a, 0);
    await until(
      'it roams',
      async () => {
        await a.namespace.run(['ping', '-n', '-c', '1', '-W', '1', '-s', `${PING_PAYLOAD}`, INNER]);
        return (await peer.endpointOf(publicKey)).startsWith('10.11.1.1:');
      },
      20_000,
    );
    expect(await host.nftPackets('other')).toBe(0);
  });
});
