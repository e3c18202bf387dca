// The timers of whitepaper section 6 that are due within half a minute, on a real clock, all at once: a span of time
// is what is tested. The others are unit tests of src/wg/timers.ts.
import { describe, expect } from 'vitest';
import { type Namespace, test } from './harness.js';
import { pause, until } from './process.js';
import { pair, type Side } from './topology.js';
import { expectPing } from './traffic.js';

const INITIATION_UDP_LENGTH = 148 + 8;
const KEEPALIVE_BYTES = 32;

async function sendDatagram(from: Side, to: Side): Promise<void> {
  await from.namespace.check(['bash', '-c', `echo x > /dev/udp/${to.inner4}/9`]);
}

/** Keeps the kernel from answering datagrams that come out of the tunnel. */
async function hush(side: Side): Promise<void> {
  await side.namespace.nft(`
    table inet hush {
      chain i {
        type filter hook input priority 0
        iifname "${side.node.interfaceName}" udp dport 9 drop
      }
    }
  `);
}

/** Cuts the path to the peer both ways, and counts the initiations that are tried. */
async function cutOff(where: Namespace, peerPort: number): Promise<() => Promise<number>> {
  await where.nft(`
    table inet timers {
      chain o {
        type filter hook output priority 0
        udp dport ${peerPort} udp length ${INITIATION_UDP_LENGTH} counter comment "initiation"
        udp dport ${peerPort} drop
      }
      chain i {
        type filter hook input priority 0
        udp sport ${peerPort} drop
      }
    }
  `);
  return () => where.nftPackets('initiation');
}

describe.concurrent('timers', { timeout: 60_000 }, () => {
  test('a keepalive follows 10 s after data without an answer, and none follows a keepalive', async ({
    net,
  }) => {
    const [a, b] = await pair(net);
    await hush(b);
    await expectPing(a.namespace, b.inner4);
    await sendDatagram(a, b);
    const begun = performance.now();
    const before = (await a.node.transfer(b.node.publicKey)).rx;
    await until(
      'a keepalive arrives',
      async () => {
        return (await a.node.transfer(b.node.publicKey)).rx !== before;
      },
      14_000,
    );
    expect(performance.now() - begun).toBeGreaterThan(9_000);
    expect((await a.node.transfer(b.node.publicKey)).rx - before).toBe(KEEPALIVE_BYTES);
    const sent = (await a.node.transfer(b.node.publicKey)).tx;
    await pause(12_000);
    expect(await a.node.transfer(b.node.publicKey)).toEqual({
      rx: before + KEEPALIVE_BYTES,
      tx: sent,
    });
  });

  test('a handshake follows 15 s after data that nothing answered', async ({ net }) => {
    const [a, b] = await pair(net);
    await hush(b);
    await expectPing(a.namespace, b.inner4);
    const initiations = await cutOff(a.namespace, b.port);
    await sendDatagram(a, b);
    const begun = performance.now();
    await until('an initiation is sent', async () => (await initiations()) > 0, 20_000);
    expect(performance.now() - begun).toBeGreaterThan(14_000);
  });

  test('an initiation is repeated every 5 s', async ({ net }) => {
    const [a, b] = await pair(net);
    const initiations = await cutOff(a.namespace, b.port);
    await sendDatagram(a, b);
    await until('the first is sent', async () => (await initiations()) === 1);
    const begun = performance.now();
    await until('the third is sent', async () => (await initiations()) === 3, 13_000);
    expect(performance.now() - begun).toBeGreaterThan(9_500);
    expect(performance.now() - begun).toBeLessThan(12_000);
  });

  test('persistent keepalives keep their interval', async ({ net }) => {
    const [a, b] = await pair(net);
    await expectPing(a.namespace, b.inner4);
    await a.node.set('peer', b.node.publicKey, 'persistent-keepalive', '1');
    await until(
      'one is sent at once',
      async () => {
        return (await b.node.transfer(a.node.publicKey)).rx > 0;
      },
      500,
    );
    const before = (await b.node.transfer(a.node.publicKey)).rx;
    await pause(5_000);
    const count = ((await b.node.transfer(a.node.publicKey)).rx - before) / KEEPALIVE_BYTES;
    expect(count).toBeGreaterThanOrEqual(4);
    expect(count).toBeLessThanOrEqual(6);
  });
});
