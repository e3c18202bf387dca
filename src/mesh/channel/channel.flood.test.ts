import { describe, expect, it } from 'vitest';
import {
  counting,
  endpoint,
  GossipNetwork,
  GossipNode,
  helloOf,
} from '../../../test/support/gossip.js';
import { seededRandom } from '../../../test/support/wg.js';
import type { Endpoint } from '../../core/types.js';
import {
  ACCEPT_TYPE,
  COOKIE_TYPE,
  DATA_TYPE,
  HELLO_LENGTH,
  HELLO_TYPE,
  UNKNOWN_TYPE,
} from '../../wire/gossip.js';
import { SOURCE_BUCKETS } from '../rate.js';
import { MAX_STRANGERS, STRANGER_HELLOS, UNPROVEN_PER_SOURCE, UNPROVEN_SHARED } from './limits.js';

const TYPES = [HELLO_TYPE, COOKIE_TYPE, ACCEPT_TYPE, DATA_TYPE, UNKNOWN_TYPE];

function pair(b = new GossipNode(2)) {
  const a = new GossipNode(1);
  return { a, b, net: GossipNetwork.of(a, b) };
}

describe('A flood of 100,000 datagrams in a second', () => {
  function flood(
    net: GossipNetwork,
    target: GossipNode,
    packetOf: (i: number) => { from: Endpoint; bytes: Uint8Array },
    each: (i: number) => void,
  ): void {
    for (let i = 0; i < 100_000; i++) {
      net.nowMs += 0.01;
      const { from, bytes } = packetOf(i);
      target.channel.receive(net.nowMs, {
        path: { remote: from, local: null, interfaceIndex: 0 },
        bytes,
      });
      if (i % 64 === 0) target.channel.takeDatagrams();
      each(i);
    }
  }

  const anywhere = (i: number): Endpoint => ({
    address: Uint8Array.of(11, i >> 16, i >> 8, i),
    port: 1_024 + (i % 60_000),
    scopeId: 0,
  });

  /** What may be tried in a second of an endless flood that fills all buckets. */
  const MOST_TRIED =
    UNPROVEN_SHARED.perSecond +
    UNPROVEN_SHARED.burst +
    SOURCE_BUCKETS * (UNPROVEN_PER_SOURCE.perSecond + UNPROVEN_PER_SOURCE.burst);

  it.each([
    ['hellos of one who knows the mesh key, from everywhere', anywhere],
    ['hellos of one who knows the mesh key, in a member’s name', () => endpoint(1)],
  ])('%s: members go on, and another comes in', (_, source) => {
    const { calls, crypto } = counting();
    const { a, b, net } = pair(new GossipNode(2, { crypto }));
    net.send(a, b, 'before');
    net.settle();
    const bytes = helloOf(new GossipNode(9), b, net);
    calls.opens = 0;
    calls.agreements = 0;
    const c = new GossipNode(3);
    net.nodes.push(c);
    b.members.add(c.id);
    let spokenWith = 1;
    flood(
      net,
      b,
      (i) => ({ from: source(i), bytes }),
      (i) => {
        if (i % 1_000 === 0) {
          spokenWith++;
          net.send(a, b, `${i}`);
          // c comes anew, as often as it is not heard
          if (!b.texts.includes('c is back')) {
            net.send(c, b, 'c is back');
            c.channel.tick(net.nowMs);
          }
          net.settle();
        }
      },
    );
    expect(b.texts.filter((text) => text !== 'c is back')).toHaveLength(spokenWith);
    expect(b.texts).toContain('c is back');
    expect(calls.opens).toBeLessThan(MOST_TRIED + 200);
    expect(calls.agreements).toBeLessThanOrEqual(1);
    expect(b.counter('unproven-over-rate')).toBeGreaterThan(30_000);
  });

  it('without the mesh key, of every type: no answer, no Diffie-Hellman, little work', () => {
    const { calls, crypto } = counting();
    const { a, b, net } = pair(new GossipNode(2, { crypto }));
    net.send(a, b, 'before');
    net.settle();
    Object.assign(calls, { agreements: 0, opens: 0, macs: 0 });
    const random = seededRandom(7);
    const packets = [HELLO_LENGTH, 44, 60, 120, 28].map((length, i) => {
      const bytes = random.bytes(length);
      bytes.set([TYPES[i] ?? 0, 0, 0, 0]);
      return bytes;
    });
    let answered = 0;
    flood(
      net,
      b,
      (i) => ({ from: anywhere(i), bytes: packets[i % packets.length] as Uint8Array }),
      () => {
        answered += b.channel.takeDatagrams().length;
      },
    );
    expect(answered).toBe(0);
    expect(calls.agreements).toBe(0);
    expect(calls.opens + calls.macs).toBeLessThan(MOST_TRIED);
    net.send(a, b, 'after');
    net.settle();
    expect(b.texts).toEqual(['before', 'after']);
  });

  it('of strangers with true addresses and identities: a few are heard, few are kept', () => {
    const { calls, crypto } = counting();
    const { a, b, net } = pair(new GossipNode(2, { crypto }));
    net.send(a, b, 'before');
    net.settle();
    calls.agreements = 0;
    const startMs = net.nowMs;
    for (let i = 0; i < 600; i++) {
      const stranger = new GossipNode(10_000 + i);
      net.nodes.push(stranger);
      net.send(stranger, b, 'let me in');
      net.settle();
      net.nodes.pop();
      net.nowMs += 15;
    }
    const seconds = (net.nowMs - startMs) / 1_000;
    const mostHeard = STRANGER_HELLOS.burst + STRANGER_HELLOS.perSecond * seconds + 1;
    expect(calls.agreements).toBeLessThanOrEqual(mostHeard);
    expect(calls.agreements).toBeGreaterThan(MAX_STRANGERS);
    expect(b.counter('strangers-evicted')).toBe(calls.agreements - MAX_STRANGERS);
    expect(b.counter('stranger-hellos-over-rate')).toBeGreaterThan(0);
    net.send(b, a, 'still here');
    net.settle();
    expect(a.texts).toEqual(['still here']);
  });
});
