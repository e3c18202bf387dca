// The simulator itself: time, chance, the network and the stand-in for cryptography do what they are believed to do.

import { describe, expect, test } from 'vitest';
import type { Datagram } from '../../src/core/types.js';
import { simulationCrypto as crypto } from './crypto.js';
import { EventQueue } from './event-queue.js';
import { type Host, type LinkConditions, SimulatedNetwork } from './network.js';
import { SeededRandom } from './random.js';
import { endpointOf } from './simulation.js';

class Recorder implements Host {
  readonly endpoint;
  readonly received: { atMs: number; first: number; from: number }[] = [];

  constructor(
    readonly queue: EventQueue,
    readonly index: number,
  ) {
    this.endpoint = endpointOf(index);
  }

  deliver({ path, bytes }: Datagram): void {
    const from = path.remote.address[3] ?? -1;
    this.received.push({ atMs: this.queue.nowMs, first: bytes[0] ?? -1, from });
  }
}

function network(conditions: Partial<LinkConditions>) {
  const queue = new EventQueue();
  const net = new SimulatedNetwork(queue, new SeededRandom(1, 1));
  net.conditions = { ...net.conditions, ...conditions };
  const hosts = [0, 1, 2].map((i) => new Recorder(queue, i)) as [Recorder, Recorder, Recorder];
  for (const host of hosts) net.attach(host);
  return { queue, net, hosts };
}

describe('time', () => {
  test('runs events in the order of time, then of asking', () => {
    const queue = new EventQueue();
    const random = new SeededRandom(3, 0);
    const ran: { atMs: number; i: number }[] = [];
    for (let i = 0; i < 1000; i++) {
      const atMs = random.below(50);
      queue.at(atMs, () => ran.push({ atMs, i }));
    }
    while (queue.step(49));
    const sorted = [...ran].sort((a, b) => a.atMs - b.atMs || a.i - b.i);
    expect(ran).toHaveLength(1000);
    expect(ran).toEqual(sorted);
  });

  test('stops where it was told, and does not go back', () => {
    const queue = new EventQueue();
    const ran: number[] = [];
    queue.at(10, () => queue.at(5, () => ran.push(queue.nowMs)));
    queue.at(21, () => ran.push(queue.nowMs));
    while (queue.step(20));
    expect(ran).toEqual([10]);
    expect(queue.nowMs).toBe(20);
  });
});

describe('chance', () => {
  test('is the same for one seed and stream, and another for others', () => {
    const draw = (seed: number, stream: number) => [...new SeededRandom(seed, stream).bytes(16)];
    expect(draw(1, 1)).toEqual(draw(1, 1));
    expect(draw(1, 2)).not.toEqual(draw(1, 1));
    expect(draw(2, 1)).not.toEqual(draw(1, 1));
  });

  test('is uniform', () => {
    const random = new SeededRandom(1, 0);
    const counts = new Array<number>(10).fill(0);
    for (let i = 0; i < 100_000; i++) counts[random.below(10)]!++;
    for (const count of counts) expect(Math.abs(count - 10_000)).toBeLessThan(500);
  });

  test('a sample has no item twice', () => {
    const random = new SeededRandom(1, 0);
    const sample = random.sample([1, 2, 3, 4, 5], 4);
    expect(new Set(sample).size).toBe(4);
    expect(random.sample([1, 2], 5).sort()).toEqual([1, 2]);
  });
});

describe('the network', () => {
  test('delivers after delay and jitter, with the sender as source', () => {
    const { queue, net, hosts } = network({ delayMs: 20, jitterMs: 5 });
    net.send(hosts[0], hosts[1].endpoint, Uint8Array.of(7));
    while (queue.step(1000));
    expect(hosts[1].received).toHaveLength(1);
    const { atMs, first, from } = hosts[1].received[0]!;
    expect([first, from]).toEqual([7, 0]);
    expect(atMs).toBeGreaterThanOrEqual(20);
    expect(atMs).toBeLessThan(25);
  });

  test.each([
    ['lossRate', { lossRate: 0.3 }, 7_000],
    ['duplicateRate', { duplicateRate: 0.3 }, 13_000],
  ])('keeps %s', (_name, conditions, expected) => {
    const { queue, net, hosts } = network(conditions);
    for (let i = 0; i < 10_000; i++) net.send(hosts[0], hosts[1].endpoint, Uint8Array.of(1));
    while (queue.step(1000));
    expect(Math.abs(hosts[1].received.length - expected)).toBeLessThan(200);
  });

  test('reorders by jitter', () => {
    const { queue, net, hosts } = network({ jitterMs: 50 });
    for (let i = 0; i < 100; i++) net.send(hosts[0], hosts[1].endpoint, Uint8Array.of(i));
    while (queue.step(1000));
    const order = hosts[1].received.map(({ first }) => first);
    expect(order).not.toEqual([...order].sort((a, b) => a - b));
  });

  test('a cut is one way, and heals', () => {
    const { queue, net, hosts } = network({});
    const cut = net.cut([hosts[0]], [hosts[1]]);
    const exchange = () => {
      net.send(hosts[0], hosts[1].endpoint, Uint8Array.of(1));
      net.send(hosts[1], hosts[0].endpoint, Uint8Array.of(1));
      net.send(hosts[0], hosts[2].endpoint, Uint8Array.of(1));
      while (queue.step(queue.nowMs + 1000));
      return hosts.map(({ received }) => received.length);
    };
    expect(exchange()).toEqual([1, 0, 1]);
    net.heal(cut);
    expect(exchange()).toEqual([2, 1, 2]);
  });

  test('counts what goes over the wire, lost or not', () => {
    const { net, hosts } = network({ lossRate: 1 });
    net.send(hosts[0], hosts[1].endpoint, new Uint8Array(100));
    expect(net.sentBy(hosts[0])).toEqual({ datagrams: 1, bytes: 128 });
  });
});

describe('the stand-in for cryptography', () => {
  const key = (byte: number) => new Uint8Array(32).fill(byte);
  const bytes = Uint8Array.of(1, 2, 3);

  test('opens what it sealed, and nothing that was changed', () => {
    const nonce = new Uint8Array(24);
    const sealed = crypto.xseal(key(1), nonce, bytes, Uint8Array.of(9));
    expect(crypto.xopen(key(1), nonce, sealed, Uint8Array.of(9))).toEqual(bytes);
    expect(crypto.xopen(key(2), nonce, sealed, Uint8Array.of(9))).toBeNull();
    expect(crypto.xopen(key(1), nonce, sealed, Uint8Array.of(8))).toBeNull();
    sealed[0]! ^= 1;
    expect(crypto.xopen(key(1), nonce, sealed, Uint8Array.of(9))).toBeNull();
  });

  test('agrees on one secret from either side', () => {
    const [a, b, c] = [1, 2, 3].map((n) => crypto.importSigningKey(key(n))) as [
      ReturnType<typeof crypto.importSigningKey>,
      ReturnType<typeof crypto.importSigningKey>,
      ReturnType<typeof crypto.importSigningKey>,
    ];
    const shared = a.agreementKey.diffieHellman(b.agreementKey.publicKey);
    expect(b.agreementKey.diffieHellman(a.agreementKey.publicKey)).toEqual(shared);
    expect(c.agreementKey.diffieHellman(a.agreementKey.publicKey)).not.toEqual(shared);
    expect(crypto.agreementPublicKey(a.publicKey)).toEqual(a.agreementKey.publicKey);
  });

  test('verifies what its key signed', () => {
    const [a, b] = [crypto.importSigningKey(key(1)), crypto.importSigningKey(key(2))];
    const signature = a.sign(bytes);
    expect(crypto.verify(a.publicKey, bytes, signature)).toBe(true);
    expect(crypto.verify(b.publicKey, bytes, signature)).toBe(false);
    expect(crypto.verify(a.publicKey, Uint8Array.of(1, 2, 4), signature)).toBe(false);
  });
});
