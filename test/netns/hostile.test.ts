// What arrives from strangers and from the middle of the path: junk, forgeries, repetitions and floods.
import { randomBytes } from 'node:crypto';
import { describe, expect } from 'vitest';
import { endFlood, flood, floodReport } from './flood.js';
import { type Network, test } from './harness.js';
import { until } from './process.js';
import { pair, type Side } from './topology.js';
import { expectPing, ping } from './traffic.js';
import { messageType, type ReceivedDatagram, UdpSocket } from './udp-socket.js';

const RELAY_PORT = 7000;
const DATA = 4;

/** Between a and b, beside b: forwards what a sends to it to b and back, unless `take` returns true. */
async function relay(
  net: Network,
  a: Side,
  b: Side,
  take: (datagram: ReceivedDatagram, fromA: boolean) => boolean = () => false,
): Promise<UdpSocket> {
  const socket = await UdpSocket.bind(net, b.namespace, '10.0.0.2', RELAY_PORT);
  socket.onDatagram = (datagram) => {
    const fromA = datagram.port === a.port;
    if (take(datagram, fromA)) return;
    if (fromA) socket.send('10.0.0.2', b.port, datagram.bytes);
    else socket.send('10.0.0.1', a.port, datagram.bytes);
  };
  await a.node.set('peer', b.node.publicKey, 'endpoint', `10.0.0.2:${RELAY_PORT}`);
  return socket;
}

async function countEchoRequests(side: Side): Promise<() => Promise<number>> {
  await side.namespace.nft(`
    table ip echo {
      chain i {
        type filter hook prerouting priority -300
        iifname "${side.node.interfaceName}" icmp type echo-request counter comment "echo"
      }
    }
  `);
  return () => side.namespace.nftPackets('echo');
}

function fromA(socket: UdpSocket, a: Side, type: number): Buffer[] {
  return socket.received
    .filter((d) => d.port === a.port && messageType(d.bytes) === type)
    .map((d) => d.bytes);
}

function withByte(bytes: Buffer, offset: number, change: (byte: number) => number): Buffer {
  const copy = Buffer.from(bytes);
  copy[offset] = change(copy[offset] ?? 0);
  return copy;
}

describe('hostile input', () => {
  test('ignores junk without an answer', async ({ net }) => {
    const [a, b] = await pair(net);
    await expectPing(a.namespace, b.inner4);
    const before = await a.node.transfer(b.node.publicKey);
    const socket = await UdpSocket.bind(net, b.namespace, '10.0.0.2', 7001);
    const head = (type: number, length: number) => {
      const bytes = randomBytes(length);
      bytes.set([type, 0, 0, 0].slice(0, length));
      return bytes;
    };
    for (const length of [0, 1, 3, 4, 16, 31, 32, 64, 92, 148, 1452, 9000, 65507]) {
      for (const type of [0, 1, 2, 3, 4, 5, 255])
        socket.send('10.0.0.1', a.port, head(type, length));
    }
    for (const length of [147, 149]) socket.send('10.0.0.1', a.port, head(1, length));
    for (const length of [91, 93]) socket.send('10.0.0.1', a.port, head(2, length));
    for (const length of [63, 65]) socket.send('10.0.0.1', a.port, head(3, length));
    await expectPing(a.namespace, b.inner4, { count: 20 });
    expect(socket.received).toEqual([]);
    const after = await a.node.transfer(b.node.publicKey);
    expect(after.rx - before.rx).toBe(20 * 128);
  });

  test('drops forged and truncated data packets', async ({ net }) => {
    const [a, b] = await pair(net);
    const socket = await relay(net, a, b);
    await expectPing(a.namespace, b.inner4, { count: 3 });
    const arrived = await countEchoRequests(b);
    const before = await b.node.transfer(a.node.publicKey);
    const stranger = await UdpSocket.bind(net, b.namespace, '10.0.0.2', 7001);
    const data = fromA(socket, a, DATA).at(-1) ?? Buffer.alloc(0);
    const forgeries = [
      ...[1, 2, 3, 4, 7, 8, 15, 16, 40, data.length - 1].map((i) =>
        withByte(data, i, (x) => x ^ 1),
      ),
      ...[0, 4, 15, 16, 31, 32, 33, data.length - 16, data.length - 1].map((n) =>
        data.subarray(0, n),
      ),
      Buffer.concat([data, Buffer.alloc(16)]),
      Buffer.concat([data, data]),
      withByte(data, 15, () => 0xff), // a counter past REJECT_AFTER_MESSAGES
    ];
    for (const forged of forgeries) stranger.send('10.0.0.2', b.port, forged);
    await expectPing(a.namespace, b.inner4);
    expect(await arrived()).toBe(1);
    expect((await b.node.transfer(a.node.publicKey)).rx - before.rx).toBe(128);
    expect(await b.node.endpointOf(a.node.publicKey)).toBe(`10.0.0.2:${RELAY_PORT}`);
    expect(stranger.received).toEqual([]);
  });

  test('drops repeated data packets and does not roam to their source', async ({ net }) => {
    const [a, b] = await pair(net);
    const socket = await relay(net, a, b);
    await expectPing(a.namespace, b.inner4, { count: 10 });
    const arrived = await countEchoRequests(b);
    const before = await b.node.transfer(a.node.publicKey);
    const stranger = await UdpSocket.bind(net, b.namespace, '10.0.0.2', 7001);
    for (const data of fromA(socket, a, DATA)) {
      socket.send('10.0.0.2', b.port, data);
      stranger.send('10.0.0.2', b.port, data);
    }
    await expectPing(a.namespace, b.inner4);
    expect(await arrived()).toBe(1);
    expect((await b.node.transfer(a.node.publicKey)).rx - before.rx).toBe(128);
    expect(await b.node.endpointOf(a.node.publicKey)).toBe(`10.0.0.2:${RELAY_PORT}`);
  });

  test('does not answer repeated handshake messages', async ({ net }) => {
    const [a, b] = await pair(net);
    const socket = await relay(net, a, b);
    await expectPing(a.namespace, b.inner4);
    const stranger = await UdpSocket.bind(net, b.namespace, '10.0.0.2', 7001);
    const handshake = socket.received.filter((d) => messageType(d.bytes) !== DATA);
    expect(handshake.map((d) => messageType(d.bytes))).toEqual([1, 2]);
    const times = (await a.node.uapi('get=1\n\n')).match(/last_handshake.*/g);
    for (const { bytes } of handshake) {
      stranger.send('10.0.0.2', b.port, bytes);
      stranger.send('10.0.0.1', a.port, bytes);
    }
    await expectPing(a.namespace, b.inner4, { count: 20 });
    expect(stranger.received).toEqual([]);
    expect(await b.node.endpointOf(a.node.publicKey)).toBe(`10.0.0.2:${RELAY_PORT}`);
    expect((await a.node.uapi('get=1\n\n')).match(/last_handshake.*/g)).toEqual(times);
  });

  test('accepts data packets out of order', async ({ net }) => {
    const [a, b] = await pair(net);
    let held: Buffer[] | null = null;
    const socket = await relay(net, a, b, (datagram, outward) => {
      if (held === null || !outward) return false;
      held.push(datagram.bytes);
      return true;
    });
    await expectPing(a.namespace, b.inner4);
    held = [];
    const pings = ping(a.namespace, b.inner4, { count: 20, waitS: 5 });
    await until('all are held', () => held?.length === 20);
    for (const data of (held as Buffer[]).reverse()) socket.send('10.0.0.2', b.port, data);
    held = null;
    const result = await pings;
    expect(result.received, result.output).toBe(20);
    expect(result.output).not.toContain('DUP!');
  });

  test('repeats a handshake whose messages are lost', async ({ net }) => {
    const [a, b] = await pair(net);
    let lost = 0;
    await relay(net, a, b, (datagram, outward) => {
      const drop = !outward && messageType(datagram.bytes) === 2 && lost === 0;
      if (drop) lost++;
      return drop;
    });
    await expectPing(a.namespace, b.inner4, { waitS: 10 });
    expect(lost).toBe(1);
  });

  test('keeps data flowing through a flood of handshakes', async ({ net }) => {
    const [a, b] = await pair(net);
    await expectPing(a.namespace, b.inner4);
    const attack = await flood(net, a);
    const during = await ping(b.namespace, a.inner4, { count: 100, intervalS: 0.01 });
    const total = await endFlood(attack);
    console.log(`flood: ${JSON.stringify(total)}; ${during.received} of 100 pings answered`);
    // The flood fills the receive buffer of the one UDP port, so some loss is the kernel's.
    expect(during.received).toBeGreaterThanOrEqual(50);
    await expectPing(b.namespace, a.inner4, { count: 10 });
    expect(total.received['2'] ?? 0).toBe(0);
    expect(total.received['3'] ?? 0).toBeGreaterThan(0); // cookie replies: it was under load
  });

  test('shakes hands by a cookie during a flood', async ({ net }) => {
    const [a, b] = await pair(net);
    const attack = await flood(net, a, 20_000);
    await until('a is under load', () => (floodReport(attack).received['3'] ?? 0) > 0, 10_000);
    // The first initiation earns a cookie, the next (after 5 s) uses it.
    await expectPing(b.namespace, a.inner4, { waitS: 17 });
    expect(floodReport(attack).sent).toBeGreaterThan(0);
    await endFlood(attack);
  });
});
