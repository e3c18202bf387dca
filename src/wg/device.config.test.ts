import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import {
  crypto,
  endpoint,
  FakeStats,
  hex,
  must,
  only,
  pair,
  prefix,
  seededRandom,
  shake,
  toHex,
} from '../../test/support/wg.js';
import vectors from '../../test/vectors/primitives.json' with { type: 'json' };
import type { WeftError } from '../core/errors.js';
import { MAX_PEERS, type PeerId, type PublicKey } from '../core/types.js';
import { Device } from './device.js';
import { encodePublicKey } from './keys.js';

const PRIVATE = hex(`${'ff'.repeat(31)}ff`);

function newDevice(): Device {
  return new Device({
    crypto,
    random: seededRandom(4),
    wallTime: () => ({ seconds: 0, nanoseconds: 0 }),
    stats: new FakeStats(),
  });
}

function keyOf(n: number): PublicKey {
  return n.toString(16).padStart(64, '0') as PublicKey;
}

describe('the private key', () => {
  it('is clamped, and gives the public key to the data plane', () => {
    const device = newDevice();
    expect([device.privateKey, device.publicKey]).toEqual([null, null]);
    device.setPrivateKey(0, PRIVATE);
    expect(toHex(must(device.privateKey))).toBe(`f8${'ff'.repeat(30)}7f`);
    const publicKey = crypto.importPrivateKey(PRIVATE).publicKey;
    expect(device.publicKey).toEqual(publicKey);
    expect(device.takeEffects()).toEqual([{ type: 'set-public-key', publicKey }]);
  });

  it('set again changes nothing, clamped or not', () => {
    const world = pair();
    shake(world);
    const { alice, clock } = world;
    alice.device.setPrivateKey(clock.nowMs, alice.privateKey);
    alice.device.setPrivateKey(clock.nowMs, new Uint8Array(must(alice.device.privateKey)));
    expect(alice.drain()).toEqual([]);
  });

  it('of zeros is none', () => {
    const { alice, bobAtAlice, clock } = pair();
    alice.device.setPrivateKey(clock.nowMs, new Uint8Array(32));
    expect([alice.device.privateKey, alice.device.publicKey]).toEqual([null, null]);
    expect(alice.drain()).toEqual([
      { type: 'set-public-key', publicKey: null },
      { type: 'clear-keypairs', peer: bobAtAlice.id },
    ]);
    alice.device.setPrivateKey(clock.nowMs, null);
    expect(alice.drain()).toEqual([]);
    expect(alice.initiate(bobAtAlice)).toBeNull();
  });

  it('of another length is refused', () => {
    expect(() => newDevice().setPrivateKey(0, new Uint8Array(31).fill(1))).toThrow('32 bytes');
  });

  it('changed ends the sessions and the handshakes of the old one', () => {
    const world = pair();
    const { alice, bob, bobAtAlice, clock } = world;
    shake(world);
    clock.nowMs += 5_000;
    bob.receive(must(alice.initiate(bobAtAlice)), alice.endpoint);
    const response = must(only(bob.drain(), 'send-handshake')).bytes;
    const old = must(alice.device.publicKey);
    alice.device.setPrivateKey(clock.nowMs, PRIVATE);
    expect(alice.drainTypes()).toEqual(['set-public-key', 'clear-keypairs']);
    expect(alice.device.publicKey).not.toEqual(old);
    alice.receive(response, bob.endpoint);
    expect(alice.drain()).toEqual([]);
  });

  it('changed on both sides allows a handshake at once', () => {
    const world = pair();
    const { alice, bob, clock, bobAtAlice, aliceAtBob } = world;
    shake(world);
    alice.device.setPrivateKey(clock.nowMs, PRIVATE);
    alice.drain();
    bob.device.removePeer(aliceAtBob);
    bob.device.addPeer(clock.nowMs, encodePublicKey(must(alice.device.publicKey)));
    bob.drain();
    bob.receive(must(alice.initiate(bobAtAlice)), alice.endpoint);
    const response = must(only(bob.drain(), 'send-handshake')).bytes;
    alice.receive(response, bob.endpoint);
    alice.drain();
    expect(alice.keypairs.at(-1)?.sendKey).toEqual(bob.keypairs.at(-1)?.receiveKey);
    expect(alice.keypairs).toHaveLength(2);
  });

  it('set while up starts the persistent keepalives', () => {
    const { alice, bobAtAlice, clock } = pair();
    alice.device.setPersistentKeepalive(clock.nowMs, bobAtAlice, 25);
    alice.drain();
    alice.device.setPrivateKey(clock.nowMs, PRIVATE);
    expect(alice.drainTypes()).toContain('send-keepalive');
  });
});

describe('a peer with our own key', () => {
  it('is ignored when it is added, and removed when the key is set', () => {
    const device = newDevice();
    const own = encodePublicKey(crypto.importPrivateKey(PRIVATE).publicKey);
    const peer = must(device.addPeer(0, own));
    const other = must(device.addPeer(0, keyOf(9)));
    device.takeEffects();
    device.setPrivateKey(0, PRIVATE);
    expect(device.takeEffects()[0]).toEqual({ type: 'remove-peer', peer: peer.id });
    expect([...device.peers()]).toEqual([other]);
    expect(device.addPeer(0, own)).toBeNull();
    expect(device.peer(own)).toBeUndefined();
  });
});

describe('a peer with a key of low order', () => {
  it.each(vectors.lowOrderPoints.points)(
    '%s is configuration, but nothing is sent to it',
    (key) => {
      const { alice, clock } = pair();
      const peer = must(alice.device.addPeer(clock.nowMs, key as PublicKey));
      alice.device.setEndpoint(clock.nowMs, peer, endpoint('192.0.2.7', 7));
      alice.drain();
      expect(alice.initiate(peer)).toBeNull();
      clock.nowMs += 100_000;
      expect(alice.initiate(peer)).toBeNull();
      expect(alice.runUntil(clock.nowMs + 1_000_000)).toEqual([]);
    },
  );
});

describe('peers', () => {
  it('are found by key, and added once', () => {
    const device = newDevice();
    const peer = must(device.addPeer(0, keyOf(1)));
    expect(device.addPeer(0, keyOf(1))).toBe(peer);
    expect(device.peer(keyOf(1))).toBe(peer);
    expect(device.peerCount).toBe(1);
    expect(device.takeEffects()).toEqual([{ type: 'add-peer', peer: peer.id }]);
    expect(peer).toMatchObject({
      publicKey: keyOf(1),
      endpoint: null,
      persistentKeepaliveSeconds: 0,
      lastHandshake: null,
      presharedKey: new Uint8Array(32),
    });
  });

  it('keep their id until the data plane lets go of it', () => {
    const device = newDevice();
    const first = must(device.addPeer(0, keyOf(1)));
    device.removePeer(first);
    expect(device.takeEffects().at(-1)).toEqual({ type: 'remove-peer', peer: first.id });
    const second = must(device.addPeer(0, keyOf(2)));
    expect(second.id).not.toBe(first.id);
    device.peerRemoved(first.id);
    device.peerRemoved(first.id);
    expect(must(device.addPeer(0, keyOf(3))).id).toBe(first.id);
    expect(must(device.addPeer(0, keyOf(4))).id).toBe(2);
  });

  it('that are gone are ignored wherever they are named', () => {
    const { alice, bob, bobAtAlice, clock } = pair();
    const initiation = must(alice.initiate(bobAtAlice));
    bob.receive(initiation, alice.endpoint);
    const response = must(only(bob.drain(), 'send-handshake')).bytes;
    alice.device.addAllowedIps(bobAtAlice, [prefix('10.0.0.0/8')]);
    alice.device.removePeer(bobAtAlice);
    expect(alice.drainTypes()).toEqual(['update-allowed-ips', 'remove-peer']);
    alice.device.removePeer(bobAtAlice);
    alice.device.setEndpoint(clock.nowMs, bobAtAlice, bob.endpoint);
    alice.device.setPresharedKey(bobAtAlice, new Uint8Array(32).fill(1));
    alice.device.setPersistentKeepalive(clock.nowMs, bobAtAlice, 25);
    alice.device.addAllowedIps(bobAtAlice, [prefix('10.0.0.0/8')]);
    alice.device.removeAllowedIps(bobAtAlice, [prefix('10.0.0.0/8')]);
    alice.device.replaceAllowedIps(bobAtAlice);
    alice.device.handshakeNeeded(clock.nowMs, bobAtAlice.id);
    alice.device.keypairConfirmed(clock.nowMs, bobAtAlice.id);
    alice.device.endpointChanged(bobAtAlice.id, bob.endpoint);
    alice.receive(response, bob.endpoint);
    expect(alice.drain()).toEqual([]);
    expect(alice.device.nextTickMs()).toBe(Infinity);
  });

  it('may be 131,072', () => {
    const device = newDevice();
    for (let i = 0; i < MAX_PEERS; i++) device.addPeer(0, keyOf(i));
    expect(device.peerCount).toBe(MAX_PEERS);
    const code = (action: () => unknown) => {
      try {
        action();
      } catch (error) {
        return (error as WeftError).code;
      }
      return null;
    };
    expect(code(() => device.addPeer(0, keyOf(MAX_PEERS)))).toBe('EPEERS');
    device.removeAllPeers();
    expect(code(() => device.addPeer(0, keyOf(1)))).toBe('EPEERS');
    device.peerRemoved(5 as PeerId);
    expect(device.addPeer(0, keyOf(1))?.id).toBe(5);
  });
});

describe('endpoints', () => {
  it('are set by configuration and by authenticated packets', () => {
    const { alice, bob, bobAtAlice, clock } = pair();
    const address = Uint8Array.of(203, 0, 113, 1);
    const moved = { address, port: 7, scopeId: 0 };
    alice.device.endpointChanged(bobAtAlice.id, moved);
    address.fill(0);
    expect(bobAtAlice.endpoint).toEqual(endpoint('203.0.113.1', 7));
    expect(alice.drain()).toEqual([]);
    alice.device.setEndpoint(clock.nowMs, bobAtAlice, bob.endpoint);
    expect(alice.drain()).toEqual([
      { type: 'set-endpoint', peer: bobAtAlice.id, endpoint: bob.endpoint },
    ]);
  });

  it('are needed for a handshake', () => {
    const { bob, aliceAtBob } = pair();
    expect(bob.initiate(aliceAtBob)).toBeNull();
  });
});

describe('allowed IPs', () => {
  it('become one effect when they are added one after another to one peer', () => {
    const device = newDevice();
    const peer = must(device.addPeer(0, keyOf(1)));
    device.takeEffects();
    device.addAllowedIps(peer, [prefix('10.0.0.0/8')]);
    device.addAllowedIps(peer, [prefix('11.0.0.9/8'), prefix('10.0.0.0/8')]);
    const added = [prefix('10.0.0.0/8'), prefix('11.0.0.0/8')];
    const effect = { type: 'update-allowed-ips', peer: peer.id, added, removed: [] };
    expect(device.takeEffects()).toEqual([effect]);
    device.addAllowedIps(peer, [prefix('12.0.0.0/8')]);
    expect(device.takeEffects()).toEqual([{ ...effect, added: [prefix('12.0.0.0/8')] }]);
  });

  it('move between peers, and are removed only from their own', () => {
    const device = newDevice();
    const [a, b] = [must(device.addPeer(0, keyOf(1))), must(device.addPeer(0, keyOf(2)))];
    device.addAllowedIps(a, [prefix('10.0.0.0/8'), prefix('11.0.0.0/8')]);
    device.addAllowedIps(b, [prefix('10.0.0.0/8')]);
    device.addAllowedIps(a, [prefix('12.0.0.0/8')]);
    expect(device.takeEffects().slice(2)).toMatchObject([
      { peer: a.id, added: [prefix('10.0.0.0/8'), prefix('11.0.0.0/8')] },
      { peer: b.id, added: [prefix('10.0.0.0/8')] },
      { peer: a.id, added: [prefix('12.0.0.0/8')] },
    ]);
    expect(a.allowedIps()).toEqual([prefix('11.0.0.0/8'), prefix('12.0.0.0/8')]);
    device.removeAllowedIps(a, [prefix('10.0.0.0/8')]);
    expect(device.takeEffects()).toEqual([]);
    device.removeAllowedIps(a, [prefix('11.0.0.0/8')]);
    device.replaceAllowedIps(a);
    device.replaceAllowedIps(a);
    expect(device.takeEffects()).toEqual([
      { type: 'update-allowed-ips', peer: a.id, added: [], removed: [prefix('11.0.0.0/8')] },
      { type: 'update-allowed-ips', peer: a.id, added: [], removed: [prefix('12.0.0.0/8')] },
    ]);
  });

  it('of a removed peer are free again', () => {
    const device = newDevice();
    const [a, b] = [must(device.addPeer(0, keyOf(1))), must(device.addPeer(0, keyOf(2)))];
    device.addAllowedIps(a, [prefix('10.0.0.0/8')]);
    device.removePeer(a);
    device.addAllowedIps(b, [prefix('10.0.0.0/8')]);
    expect(b.allowedIps()).toEqual([prefix('10.0.0.0/8')]);
  });
});

describe('going down', () => {
  it('drops what is staged, wipes the keys and lets a handshake start at once', () => {
    const world = pair();
    const { alice, bobAtAlice, clock } = world;
    shake(world);
    const { lastHandshake } = bobAtAlice;
    alice.device.down(clock.nowMs);
    expect(alice.drainTypes()).toEqual(['drop-staged', 'clear-keypairs', 'clear-unanswered']);
    alice.device.down(clock.nowMs);
    expect(alice.initiate(bobAtAlice)).toBeNull();
    alice.device.up(clock.nowMs);
    alice.device.up(clock.nowMs);
    expect(alice.drain()).toEqual([]);
    expect(bobAtAlice.lastHandshake).toEqual(lastHandshake);
    expect(alice.initiate(bobAtAlice)).not.toBeNull();
  });

  it('ends a handshake that is under way', () => {
    const { alice, bob, bobAtAlice, clock } = pair();
    bob.receive(must(alice.initiate(bobAtAlice)), alice.endpoint);
    const response = must(only(bob.drain(), 'send-handshake')).bytes;
    alice.device.down(clock.nowMs);
    alice.device.up(clock.nowMs);
    alice.drain();
    alice.receive(response, bob.endpoint);
    expect(alice.drain()).toEqual([]);
  });
});

describe('secrets', () => {
  it('are not in what is printed of a device or a peer', () => {
    const { alice, bobAtAlice } = pair();
    alice.device.setPresharedKey(bobAtAlice, new Uint8Array(32).fill(0xa5));
    const printed = [alice.device, bobAtAlice].map(
      (value) => inspect(value, { depth: 9, maxArrayLength: null }) + JSON.stringify(value),
    );
    for (const text of printed) {
      expect(text).not.toMatch(/165,\s*165/);
      expect(text).not.toContain([...must(alice.device.privateKey).subarray(0, 4)].join(', '));
    }
    expect(bobAtAlice.presharedKey).toEqual(new Uint8Array(32).fill(0xa5));
  });
});
