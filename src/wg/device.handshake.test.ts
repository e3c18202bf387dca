import { describe, expect, it } from 'vitest';
import {
  crypto,
  endpoint,
  must,
  only,
  pair,
  pathFrom,
  Side,
  shake,
} from '../../test/support/wg.js';
import type { Crypto } from '../core/crypto.js';
import { decodeHandshakeMessage, encodeCookieReply } from '../wire/wireguard.js';
import type { Peer } from './device.js';

const SOMEWHERE = endpoint('198.51.100.9', 999);

/** One bit changed in byte `at`. */
function flipped(message: Uint8Array, at: number): Uint8Array {
  const copy = new Uint8Array(message);
  copy[at] = (copy[at] ?? 0) ^ 1;
  return copy;
}

/** Repairs mac1, as an attacker who knows the public key can. */
function remac(message: Uint8Array, publicKey: Uint8Array): Uint8Array {
  const copy = new Uint8Array(message);
  const key = crypto.hash(new TextEncoder().encode('mac1----'), publicKey);
  copy.set(crypto.mac(key, copy.subarray(0, copy.length - 32)), copy.length - 32);
  return copy;
}

describe('a handshake', () => {
  it('gives both sides the same keys, crosswise, and each the other’s index', () => {
    const world = pair();
    const { alice, bob } = world;
    const { initiation, response } = shake(world);
    const [ours] = alice.keypairs;
    const [theirs] = bob.keypairs;
    expect(ours).toMatchObject({ initiator: true, createdMs: world.clock.nowMs });
    expect(theirs).toMatchObject({ initiator: false, createdMs: world.clock.nowMs });
    expect(ours?.sendKey).toEqual(theirs?.receiveKey);
    expect(ours?.receiveKey).toEqual(theirs?.sendKey);
    expect(ours?.sendKey).not.toEqual(ours?.receiveKey);
    expect(ours?.localIndex).toBe(theirs?.remoteIndex);
    expect(ours?.remoteIndex).toBe(theirs?.localIndex);
    expect(decodeHandshakeMessage(initiation)).toMatchObject({ senderIndex: ours?.localIndex });
    expect(decodeHandshakeMessage(response)).toMatchObject({ senderIndex: theirs?.localIndex });
  });

  it('asks the data plane in this order', () => {
    const { alice, bob, bobAtAlice, aliceAtBob } = pair();
    const initiation = must(alice.initiate(bobAtAlice));
    bob.receive(initiation, alice.endpoint);
    const answer = bob.drain();
    expect(answer).toMatchObject([
      { type: 'handshake-received', path: pathFrom(alice.endpoint), length: 148 },
      { type: 'install-keypair', peer: aliceAtBob.id },
      { type: 'send-handshake', peer: aliceAtBob.id },
    ]);
    alice.receive(must(only(answer, 'send-handshake')).bytes, bob.endpoint);
    expect(alice.drain()).toMatchObject([
      { type: 'handshake-received', path: pathFrom(bob.endpoint), length: 92 },
      { type: 'install-keypair', peer: bobAtAlice.id },
      { type: 'send-keepalive', peer: bobAtAlice.id },
    ]);
  });

  it('counts as done for the initiator at once, for the responder when its keys are used', () => {
    const world = pair();
    shake(world);
    expect(world.bobAtAlice.lastHandshake).toEqual({ seconds: 1_700_001_000, nanoseconds: 0 });
    expect(world.aliceAtBob.lastHandshake).toBeNull();
    world.clock.nowMs += 1_500;
    world.bob.device.keypairConfirmed(world.clock.nowMs, world.aliceAtBob.id);
    expect(world.aliceAtBob.lastHandshake).toEqual({
      seconds: 1_700_001_001,
      nanoseconds: 500_000_000,
    });
  });

  it('wipes the transport keys once they were applied', () => {
    const { alice, bob, bobAtAlice } = pair();
    bob.receive(must(alice.initiate(bobAtAlice)), alice.endpoint);
    const { keypair } = must(only(bob.device.takeEffects(), 'install-keypair'));
    expect(keypair.sendKey).not.toEqual(new Uint8Array(32));
    bob.device.takeEffects();
    expect(keypair.sendKey).toEqual(new Uint8Array(32));
    expect(keypair.receiveKey).toEqual(new Uint8Array(32));
  });

  it('needs the same preshared key on both sides, from the next handshake on', () => {
    const world = pair();
    const { alice, bob, clock, bobAtAlice, aliceAtBob } = world;
    shake(world);
    const before = must(alice.keypairs[0]);
    alice.device.setPresharedKey(bobAtAlice, new Uint8Array(32).fill(7));
    expect(alice.drain()).toEqual([]);
    clock.nowMs += 5_000;
    shake(world);
    expect(alice.keypairs).toEqual([before]);
    expect(alice.device.counters()['bad-response']).toBe(1);
    bob.device.setPresharedKey(aliceAtBob, new Uint8Array(32).fill(7));
    clock.nowMs += 5_000;
    shake(world);
    expect(alice.keypairs).toHaveLength(2);
    expect(alice.keypairs[1]?.sendKey).toEqual(bob.keypairs.at(-1)?.receiveKey);
  });
});

describe('an initiation', () => {
  it('is refused wherever it was changed, without a trace, and the true one still goes through', () => {
    const { alice, bob, bobAtAlice, aliceAtBob } = pair();
    const initiation = must(alice.initiate(bobAtAlice));
    const bobKey = must(bob.device.publicKey);
    // Of the sender index, which is not authenticated, only mac1 speaks.
    for (const at of [0, 3, 8, 39, 40, 87, 88, 115]) {
      bob.receive(flipped(initiation, at), SOMEWHERE);
      bob.receive(remac(flipped(initiation, at), bobKey), SOMEWHERE);
    }
    for (const at of [4, 116, 131]) bob.receive(flipped(initiation, at), SOMEWHERE);
    expect(bob.drain()).toEqual([]);
    expect(aliceAtBob.endpoint).toBeNull();
    bob.receive(initiation, alice.endpoint);
    expect(bob.drainTypes()).toContain('send-handshake');
    expect(aliceAtBob.endpoint).toEqual(alice.endpoint);
  });

  it('is refused when replayed, even after the keys were cleared', () => {
    const world = pair();
    const { bob, alice, clock } = world;
    const { initiation } = shake(world);
    clock.nowMs += 1_000;
    bob.receive(initiation, SOMEWHERE);
    expect(bob.drain()).toEqual([]);
    bob.device.down(clock.nowMs);
    bob.device.up(clock.nowMs);
    bob.drain();
    bob.receive(initiation, SOMEWHERE);
    expect(bob.drain()).toEqual([]);
    expect(bob.device.counters()['replayed-initiation']).toBe(2);
    expect(world.aliceAtBob.endpoint).toEqual(alice.endpoint);
  });

  it('is refused when its timestamp is older than the last, though it was never seen', () => {
    const { alice, bob, bobAtAlice, clock } = pair();
    const delayed = must(alice.initiate(bobAtAlice));
    clock.nowMs += 5_000;
    const newer = must(alice.initiate(bobAtAlice));
    bob.receive(newer, alice.endpoint);
    expect(bob.drainTypes()).toContain('send-handshake');
    clock.nowMs += 100;
    bob.receive(delayed, alice.endpoint);
    expect(bob.drain()).toEqual([]);
  });

  it('is refused within 20 ms of the last one', () => {
    const { alice, bob, bobAtAlice, clock } = pair();
    const first = must(alice.initiate(bobAtAlice));
    clock.nowMs += 5_000;
    const second = must(alice.initiate(bobAtAlice));
    clock.nowMs += 5_000;
    const third = must(alice.initiate(bobAtAlice));
    bob.receive(first, alice.endpoint);
    expect(bob.drainTypes()).toContain('send-handshake');
    clock.nowMs += 19;
    bob.receive(second, alice.endpoint);
    expect(bob.drain()).toEqual([]);
    expect(bob.device.counters()['initiation-flood']).toBe(1);
    clock.nowMs += 1;
    bob.receive(third, alice.endpoint);
    expect(bob.drainTypes()).toContain('send-handshake');
  });

  it('of a stranger is not answered', () => {
    const { alice, bob, bobAtAlice } = pair();
    bob.device.removeAllPeers();
    bob.drain();
    bob.receive(must(alice.initiate(bobAtAlice)), alice.endpoint);
    expect(bob.drain()).toEqual([]);
    expect(bob.device.counters()['unknown-peer']).toBe(1);
  });

  it('that crosses our own leaves it open: both handshakes complete', () => {
    const { alice, bob, clock, bobAtAlice, aliceAtBob } = pair();
    const ours = must(alice.initiate(bobAtAlice));
    bob.device.setEndpoint(clock.nowMs, aliceAtBob, alice.endpoint);
    const theirs = must(bob.initiate(aliceAtBob));
    bob.receive(ours, alice.endpoint);
    alice.receive(theirs, bob.endpoint);
    const bobsResponse = must(only(bob.drain(), 'send-handshake')).bytes;
    const alicesResponse = must(only(alice.drain(), 'send-handshake')).bytes;
    alice.receive(bobsResponse, bob.endpoint);
    bob.receive(alicesResponse, alice.endpoint);
    for (const side of [alice, bob]) {
      side.drain();
      expect(side.keypairs.map(({ initiator }) => initiator)).toEqual([false, true]);
    }
  });
});

describe('a response', () => {
  it('is refused wherever it was changed, and the true one still goes through, once', () => {
    const { alice, bob, bobAtAlice } = pair();
    const aliceKey = must(alice.device.publicKey);
    bob.receive(must(alice.initiate(bobAtAlice)), alice.endpoint);
    const response = must(only(bob.drain(), 'send-handshake')).bytes;
    for (const at of [0, 3, 8, 12, 43, 44, 59]) {
      alice.receive(flipped(response, at), SOMEWHERE);
      alice.receive(remac(flipped(response, at), aliceKey), SOMEWHERE);
    }
    for (const at of [4, 60, 75]) alice.receive(flipped(response, at), SOMEWHERE);
    expect(alice.drain()).toEqual([]);
    expect(bobAtAlice.endpoint).toEqual(bob.endpoint);
    alice.receive(response, bob.endpoint);
    expect(alice.drainTypes()).toContain('install-keypair');
    alice.receive(response, SOMEWHERE);
    expect(alice.drain()).toEqual([]);
    expect(bobAtAlice.endpoint).toEqual(bob.endpoint);
  });

  it('is accepted late, and only for the newest initiation', () => {
    const { alice, bob, bobAtAlice, clock } = pair();
    bob.receive(must(alice.initiate(bobAtAlice)), alice.endpoint);
    const stale = must(only(bob.drain(), 'send-handshake')).bytes;
    clock.nowMs += 5_000;
    bob.receive(must(alice.initiate(bobAtAlice)), alice.endpoint);
    const fresh = must(only(bob.drain(), 'send-handshake')).bytes;
    alice.receive(stale, bob.endpoint);
    expect(alice.drain()).toEqual([]);
    clock.nowMs += 4_000;
    alice.receive(fresh, bob.endpoint);
    expect(alice.drainTypes()).toContain('install-keypair');
  });
});

describe('local indices', () => {
  it('stay taken until the data plane retires the keypair, or a new initiation replaces the old', () => {
    // A cookie reply finds its peer by a live index alone, and is opened only then.
    let opened = 0;
    const counting: Crypto = {
      ...crypto,
      xopen: () => {
        opened++;
        return null;
      },
    };
    const world = pair({ wrapCrypto: counting });
    const { alice, bobAtAlice, bob, clock } = world;
    shake(world);
    const isKnown = (receiverIndex: number) => {
      const before = opened;
      const reply = {
        receiverIndex,
        nonce: new Uint8Array(24),
        encryptedCookie: new Uint8Array(32),
      };
      alice.receive(encodeCookieReply(reply), bob.endpoint);
      return opened > before;
    };
    const { localIndex } = must(alice.keypairs[0]);
    expect(isKnown(localIndex)).toBe(true);
    alice.device.keypairRetired(localIndex);
    expect(isKnown(localIndex)).toBe(false);

    clock.nowMs += 5_000;
    const replaced = decodeHandshakeMessage(must(alice.initiate(bobAtAlice)));
    clock.nowMs += 5_000;
    const newest = decodeHandshakeMessage(must(alice.initiate(bobAtAlice)));
    if (replaced?.type !== 1 || newest?.type !== 1) throw new Error('no initiation');
    expect(isKnown(replaced.senderIndex)).toBe(false);
    expect(isKnown(newest.senderIndex)).toBe(true);
  });
});

describe('the indices of a removed peer', () => {
  it('are taken until the data plane let go of it', () => {
    const world = pair();
    const { alice, bob, bobAtAlice, clock } = world;
    shake(world);
    const { localIndex } = must(alice.keypairs[0]);
    const indexOf = (peer: Peer) => {
      alice.nextWords.push(localIndex);
      const message = decodeHandshakeMessage(must(alice.initiate(peer)));
      return message?.type === 1 ? message.senderIndex : null;
    };
    alice.device.removePeer(bobAtAlice);
    const again = must(alice.device.addPeer(clock.nowMs, bob.publicKey));
    alice.device.setEndpoint(clock.nowMs, again, bob.endpoint);
    alice.drain();
    expect(indexOf(again)).not.toBe(localIndex);
    alice.device.peerRemoved(bobAtAlice.id);
    clock.nowMs += 5_000;
    expect(indexOf(again)).toBe(localIndex);
  });
});

describe('hostile datagrams', () => {
  it('are dropped and counted', () => {
    const { bob } = pair();
    bob.receive(new Uint8Array(0), SOMEWHERE);
    bob.receive(new Uint8Array(148), SOMEWHERE);
    bob.receive(Uint8Array.of(4, 0, 0, 0, ...new Uint8Array(28)), SOMEWHERE);
    bob.receive(Uint8Array.of(1, 0, 0, 0, ...new Uint8Array(144)), SOMEWHERE);
    bob.receive(Uint8Array.of(2, 0, 0, 0, ...new Uint8Array(88)), SOMEWHERE);
    bob.receive(Uint8Array.of(3, 0, 0, 0, ...new Uint8Array(60)), SOMEWHERE);
    expect(bob.drain()).toEqual([]);
    const counters = bob.device.counters();
    expect(counters).toMatchObject({ malformed: 3, 'bad-mac1': 2, 'bad-cookie': 1 });
  });

  it('are dropped without a private key, and while the interface is down', () => {
    const world = pair();
    const { bob, alice, bobAtAlice, clock } = world;
    const initiation = must(alice.initiate(bobAtAlice));
    bob.device.setPrivateKey(clock.nowMs, null);
    bob.drain();
    bob.receive(initiation, alice.endpoint);
    bob.device.down(clock.nowMs);
    bob.drain();
    bob.receive(initiation, alice.endpoint);
    expect(bob.drain()).toEqual([]);
    expect(bob.device.counters()).toMatchObject({ 'no-private-key': 1, 'interface-down': 1 });
  });

  it('cannot make a device answer an initiation meant for another', () => {
    const { alice, bobAtAlice, clock } = pair();
    const carol = new Side(clock, endpoint('192.0.2.3', 3333), 3);
    carol.device.up(clock.nowMs);
    carol.device.addPeer(clock.nowMs, alice.publicKey);
    carol.drain();
    const initiation = must(alice.initiate(bobAtAlice));
    carol.receive(initiation, alice.endpoint);
    carol.receive(remac(initiation, must(carol.device.publicKey)), alice.endpoint);
    expect(carol.drain()).toEqual([]);
    expect(carol.device.counters()).toMatchObject({ 'bad-mac1': 1, 'bad-initiation': 1 });
  });
});
