import { describe, expect, it } from 'vitest';
import { crypto, endpoint, must, only, pair, shake } from '../../test/support/wg.js';
import type { Crypto, PrivateKey } from '../core/crypto.js';
import type { Endpoint } from '../core/types.js';
import { decodeHandshakeMessage, macFields } from '../wire/wireguard.js';

type World = ReturnType<typeof pair>;

const NO_MAC2 = new Uint8Array(16);

/** Bob, under load, gets an initiation of Alice and answers with a cookie, which she takes. */
function giveCookie({ alice, bob, bobAtAlice, clock }: World): void {
  bob.device.noteLoad(clock.nowMs);
  bob.receive(must(alice.initiate(bobAtAlice)), alice.endpoint);
  alice.receive(must(only(bob.drain(), 'send-datagram')).bytes, bob.endpoint);
}

/** Bob’s effects on a message that comes while he is under load. */
function underLoad({ bob, clock }: World, message: Uint8Array, from: Endpoint) {
  bob.device.noteLoad(clock.nowMs);
  bob.receive(message, from);
  return bob.drain().map((effect) => effect.type);
}

describe('under load', () => {
  it('an initiation without cookie gets a cookie reply, without any Diffie-Hellman', () => {
    let multiplied = 0;
    const counting: Crypto = {
      ...crypto,
      importPrivateKey(bytes): PrivateKey {
        const key = crypto.importPrivateKey(bytes);
        return {
          publicKey: key.publicKey,
          diffieHellman(point) {
            multiplied++;
            return key.diffieHellman(point);
          },
        };
      },
    };
    const world = pair({ wrapCrypto: counting });
    const { alice, bob, bobAtAlice, clock, aliceAtBob } = world;
    const initiation = must(alice.initiate(bobAtAlice));
    expect(multiplied).toBeGreaterThan(0);
    multiplied = 0;
    bob.device.noteLoad(clock.nowMs);
    bob.receive(initiation, alice.endpoint);
    const [announced, reply, ...rest] = bob.drain();
    expect(announced).toMatchObject({ type: 'set-cookie-secret' });
    expect(rest).toEqual([]);
    expect(reply).toMatchObject({ type: 'send-datagram', path: { remote: alice.endpoint } });
    if (reply?.type !== 'send-datagram') throw new Error('no reply');
    const sent = decodeHandshakeMessage(initiation);
    if (sent?.type !== 1) throw new Error('no initiation');
    const receiverIndex = sent.senderIndex;
    expect(decodeHandshakeMessage(reply.bytes)).toMatchObject({ type: 3, receiverIndex });
    expect(multiplied).toBe(0);
    expect(aliceAtBob.endpoint).toBeNull();
  });

  it('the next initiation carries mac2 and goes through', () => {
    const world = pair();
    const { alice, bobAtAlice, clock } = world;
    giveCookie(world);
    clock.nowMs += 5_000;
    const second = must(alice.initiate(bobAtAlice));
    expect(macFields(second).mac2).not.toEqual(NO_MAC2);
    expect(underLoad(world, second, alice.endpoint)).toContain('send-handshake');
  });

  it('a cookie is good for its own address and port only', () => {
    const world = pair();
    const { alice, bobAtAlice, clock } = world;
    giveCookie(world);
    clock.nowMs += 5_000;
    const second = must(alice.initiate(bobAtAlice));
    expect(underLoad(world, second, endpoint('192.0.2.1', 1112))).toEqual(['send-datagram']);
    expect(underLoad(world, second, endpoint('192.0.2.9', 1111))).toEqual(['send-datagram']);
    expect(underLoad(world, second, alice.endpoint)).toContain('send-handshake');
  });

  it('a response without cookie gets a cookie reply too, which the responder takes', () => {
    const world = pair();
    const { alice, bob, bobAtAlice, aliceAtBob, clock } = world;
    bob.receive(must(alice.initiate(bobAtAlice)), alice.endpoint);
    const response = must(only(bob.drain(), 'send-handshake')).bytes;
    alice.device.noteLoad(clock.nowMs);
    alice.receive(response, bob.endpoint);
    const reply = must(only(alice.drain(), 'send-datagram')).bytes;
    bob.receive(reply, alice.endpoint);
    expect(bob.device.counters()['cookies-received']).toBe(1);
    clock.nowMs += 5_000;
    expect(macFields(must(bob.initiate(aliceAtBob))).mac2).not.toEqual(NO_MAC2);
  });

  it('junk gets no answer', () => {
    const world = pair();
    const { alice, bobAtAlice, bob } = world;
    const message = must(alice.initiate(bobAtAlice));
    message[130] = (message[130] ?? 0) ^ 1;
    expect(underLoad(world, message, alice.endpoint)).toEqual([]);
    expect(bob.device.counters()['bad-mac1']).toBe(1);
  });

  it('a source with a good cookie is limited to 20 a second after a burst of 5', () => {
    const world = pair();
    const { alice, bob, bobAtAlice, clock } = world;
    giveCookie(world);
    clock.nowMs += 5_000;
    const message = must(alice.initiate(bobAtAlice));
    // The first is accepted and the others are replays: either way they passed the limiter.
    for (let i = 0; i < 8; i++) underLoad(world, message, alice.endpoint);
    expect(bob.device.counters()).toMatchObject({ 'replayed-initiation': 4, 'rate-limited': 3 });
    clock.nowMs += 50;
    for (let i = 0; i < 2; i++) underLoad(world, message, alice.endpoint);
    expect(bob.device.counters()).toMatchObject({ 'replayed-initiation': 5, 'rate-limited': 4 });
  });

  it('lasts a second', () => {
    const world = pair();
    const { alice, bob, bobAtAlice, clock } = world;
    const message = must(alice.initiate(bobAtAlice));
    const answer = () => {
      bob.receive(message, alice.endpoint);
      return bob.drain().map((effect) => effect.type);
    };
    bob.device.noteLoad(clock.nowMs);
    clock.nowMs += 999;
    expect(answer()).toEqual(['set-cookie-secret', 'send-datagram']);
    clock.nowMs += 1;
    expect(answer()).toContain('send-handshake');
  });
});

describe('a cookie', () => {
  it('is taken once, and only for the last message sent', () => {
    const world = pair();
    const { alice, bob, bobAtAlice, clock } = world;
    bob.device.noteLoad(clock.nowMs);
    bob.receive(must(alice.initiate(bobAtAlice)), alice.endpoint);
    const stale = must(only(bob.drain(), 'send-datagram')).bytes;
    clock.nowMs += 5_000;
    const second = must(alice.initiate(bobAtAlice));
    bob.device.noteLoad(clock.nowMs);
    bob.receive(second, alice.endpoint);
    const fresh = must(only(bob.drain(), 'send-datagram')).bytes;
    alice.receive(stale, bob.endpoint);
    expect(alice.device.counters()).toMatchObject({ 'cookies-received': 0, 'bad-cookie': 1 });
    // Even with the index of the second message the stale one is bound to the first's mac1.
    const moved = new Uint8Array(stale);
    moved.set(second.subarray(4, 8), 4);
    alice.receive(moved, bob.endpoint);
    expect(alice.device.counters()).toMatchObject({ 'cookies-received': 0, 'bad-cookie': 2 });
    alice.receive(fresh, bob.endpoint);
    alice.receive(fresh, bob.endpoint);
    expect(alice.device.counters()).toMatchObject({ 'cookies-received': 1, 'bad-cookie': 3 });
  });

  it('moves neither the endpoint nor any session', () => {
    const world = pair();
    const { alice, bob, bobAtAlice, clock } = world;
    bob.device.noteLoad(clock.nowMs);
    bob.receive(must(alice.initiate(bobAtAlice)), alice.endpoint);
    const reply = must(only(bob.drain(), 'send-datagram')).bytes;
    alice.receive(reply, endpoint('203.0.113.5', 5));
    expect(alice.device.counters()['cookies-received']).toBe(1);
    expect(bobAtAlice.endpoint).toEqual(bob.endpoint);
    expect(alice.drain()).toEqual([]);
  });

  it('is used for 115 s', () => {
    const mac2After = (ms: number) => {
      const world = pair();
      giveCookie(world);
      world.clock.nowMs += ms;
      return macFields(must(world.alice.initiate(world.bobAtAlice))).mac2;
    };
    expect(mac2After(114_999)).not.toEqual(NO_MAC2);
    expect(mac2After(115_000)).toEqual(NO_MAC2);
  });

  it('is refused once its secret is 120 s old', () => {
    const world = pair();
    const { alice, bob, bobAtAlice, clock } = world;
    giveCookie(world);
    clock.nowMs += 114_000;
    const message = must(alice.initiate(bobAtAlice));
    clock.nowMs += 5_999;
    expect(underLoad(world, message, alice.endpoint)).toContain('send-handshake');
    clock.nowMs += 1;
    expect(underLoad(world, message, alice.endpoint)).toEqual([
      'set-cookie-secret',
      'send-datagram',
    ]);
    expect(bob.device.counters()['replayed-initiation']).toBe(0);
  });
});

describe('without load', () => {
  it('mac2 is not looked at', () => {
    const world = pair();
    const { alice, bob, bobAtAlice, clock } = world;
    giveCookie(world);
    clock.nowMs += 5_000;
    bob.receive(must(alice.initiate(bobAtAlice)), endpoint('203.0.113.5', 5));
    expect(bob.drainTypes()).toContain('send-handshake');
    clock.nowMs += 5_000;
    shake(world);
  });
});
