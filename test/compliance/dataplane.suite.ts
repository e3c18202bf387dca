// The behaviour that every DataPlane has, run on the fake (fake.test.ts) and on the addon (native.test.ts). Where nothing
// may arrive, something is sent after it that does: no test passes because time did.

import { blake2s } from '@noble/hashes/blake2.js';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { Keypair, Path, PeerId } from '../../src/core/types.js';
import { tokenKey } from '../../src/mesh/channel/keys.js';
import { LocalTokens } from '../../src/mesh/channel/tokens.js';
import { encodeToken } from '../../src/wire/gossip.js';
import { meshCrypto } from '../support/gossip.js';
import { seededRandom } from '../support/wg.js';
import type { Rig, Side } from './rig.js';

const PEER = 5 as PeerId;
const EVERYTHING_V4 = { address: new Uint8Array(4), length: 0 };
const INITIATION_BYTES = 148;
const PUBLIC_KEY = new Uint8Array(32).fill(9);
const AGREEMENT_SECRET = new Uint8Array(32).fill(7);
const TOKEN_KEY = tokenKey(meshCrypto, AGREEMENT_SECRET);
const WAIT = { timeout: 10_000, interval: 1 };

let nextIndex = 1000;

interface Session {
  readonly initiator: Keypair;
  readonly responder: Keypair;
}

/** Both ends of a session, `ageMs` old. */
function session(rig: Rig, ageMs = 0): Session {
  const toResponder = crypto.getRandomValues(new Uint8Array(32));
  const toInitiator = crypto.getRandomValues(new Uint8Array(32));
  const initiatorIndex = nextIndex++;
  const responderIndex = nextIndex++;
  return {
    initiator: {
      localIndex: initiatorIndex,
      remoteIndex: responderIndex,
      sendKey: toResponder,
      receiveKey: toInitiator,
      initiator: true,
      createdMs: rig.a.dataPlane.nowMs() - ageMs,
    },
    responder: {
      localIndex: responderIndex,
      remoteIndex: initiatorIndex,
      sendKey: toInitiator,
      receiveKey: toResponder,
      initiator: false,
      createdMs: rig.b.dataPlane.nowMs() - ageMs,
    },
  };
}

function addPeer(side: Side, other: Side | null): void {
  side.dataPlane.addPeer(PEER);
  side.dataPlane.updateAllowedIps(PEER, [EVERYTHING_V4], []);
  if (other !== null) side.dataPlane.setEndpoint(PEER, other.endpoint);
}

/** Peers on both sides and a confirmed session, A its initiator. */
async function connect(rig: Rig): Promise<Session> {
  addPeer(rig.a, rig.b);
  addPeer(rig.b, null);
  return confirm(rig, session(rig));
}

/** Installs a session and uses it. */
async function confirm(rig: Rig, keys: Session): Promise<Session> {
  await install(rig, keys);
  rig.a.dataPlane.sendKeepalive(PEER);
  await rig.b.event('keypair-confirmed');
  return keys;
}

async function install({ a, b }: Rig, { initiator, responder }: Session): Promise<void> {
  b.dataPlane.installKeypair(PEER, responder);
  await b.dataPlane.sync();
  a.dataPlane.installKeypair(PEER, initiator);
  await a.dataPlane.sync();
}

async function expectDelivery(from: Side, to: Side, payload: string): Promise<void> {
  from.send(to.inner, payload);
  expect(await to.payloads.take()).toBe(payload);
}

/** A message of `length` bytes with a right mac1 for `publicKey`. */
function handshakeMessage(type: number, length: number, publicKey: Uint8Array): Uint8Array {
  const message = new Uint8Array(length).fill(0xa5);
  message.set([type, 0, 0, 0]);
  const label = new TextEncoder().encode('mac1----');
  const key = blake2s.create({}).update(label).update(publicKey).digest();
  const mac = blake2s(message.subarray(0, length - 32), { key, dkLen: 16 });
  message.set(mac, length - 32);
  return message;
}

function pathTo(side: Side): Path {
  return { remote: side.endpoint, local: null, interfaceIndex: 0 };
}

export function dataPlaneSuite(name: string, createRig: () => Promise<Rig>): void {
  describe(`data plane: ${name}`, () => {
    let rig: Rig;
    let a: Side;
    let b: Side;
    beforeEach(async () => {
      rig = await createRig();
      ({ a, b } = rig);
    });
    afterEach(() => rig.close());

    describe('sessions', () => {
      test('carry packets both ways, once confirmed', async () => {
        await connect(rig);
        await expectDelivery(a, b, 'from the initiator');
        await expectDelivery(b, a, 'from the responder');
      });

      test('of a responder send nothing until the initiator used them', async () => {
        addPeer(a, b);
        addPeer(b, a);
        const keys = session(rig);
        await install(rig, keys);
        b.send(a.inner, 'waits');
        await b.event('handshake-needed');
        a.dataPlane.sendKeepalive(PEER);
        await b.event('keypair-confirmed');
        expect(await a.payloads.take()).toBe('waits');
      });

      test('are replaced while the old keys still receive', async () => {
        const old = await connect(rig);
        const fresh = session(rig);
        await install(rig, fresh);
        // B has not seen the new key in use: it sends under the old one, which A keeps as previous
        await expectDelivery(b, a, 'under the old key');
        await expectDelivery(a, b, 'under the new key');
        await b.event('keypair-confirmed');
        await expectDelivery(b, a, 'under the new key too');
        await install(rig, session(rig));
        const retired = await a.event('keypair-retired');
        expect(retired.localIndex).toBe(old.initiator.localIndex);
      });

      test('that were never confirmed give way to the next ones', async () => {
        addPeer(b, a);
        const first = session(rig);
        b.dataPlane.installKeypair(PEER, first.responder);
        b.dataPlane.installKeypair(PEER, session(rig).responder);
        const retired = await b.event('keypair-retired');
        expect(retired.localIndex).toBe(first.responder.localIndex);
      });

      test('end when their keys are cleared', async () => {
        const keys = await connect(rig);
        a.dataPlane.clearKeypairs(PEER);
        const retired = await a.event('keypair-retired');
        expect(retired.localIndex).toBe(keys.initiator.localIndex);
        a.send(b.inner, 'without a key');
        expect((await a.event('handshake-needed')).peer).toBe(PEER);
      });

      test('neither send nor receive at 180 s', async () => {
        addPeer(a, b);
        addPeer(b, a);
        await install(rig, session(rig, 180_000));
        a.send(b.inner, 'too late');
        await a.event('handshake-needed');
        await install(rig, session(rig));
        a.dataPlane.sendKeepalive(PEER);
        expect(await b.payloads.take()).toBe('too late');
      });

      test('refuse to receive under keys of 180 s', async () => {
        addPeer(a, b);
        addPeer(b, a);
        const keys = session(rig);
        const expired = { ...keys.responder, createdMs: b.dataPlane.nowMs() - 180_000 };
        await install(rig, { initiator: keys.initiator, responder: expired });
        a.send(b.inner, 'refused');
        // A must have sent it before it gets another key to send it under
        await vi.waitFor(() => expect(b.totalDrops).toBeGreaterThan(0), WAIT);
        await install(rig, session(rig));
        await expectDelivery(a, b, 'accepted');
      });
    });

    describe('renewal', () => {
      test('is asked for by an initiator that sends under a key of 120 s', async () => {
        addPeer(a, b);
        addPeer(b, a);
        await install(rig, session(rig, 121_000));
        await expectDelivery(a, b, 'still valid');
        expect((await a.event('handshake-needed')).peer).toBe(PEER);
      });

      test('is not asked for by the responder', async () => {
        addPeer(a, b);
        addPeer(b, a);
        await install(rig, session(rig, 121_000));
        a.dataPlane.sendKeepalive(PEER);
        await b.event('keypair-confirmed');
        await expectDelivery(b, a, 'from the responder');
        await b.dataPlane.sync();
        expect(b.events.rest).not.toContainEqual({ type: 'handshake-needed', peer: PEER });
      });

      test('is asked for by an initiator that receives under a key of 165 s', async () => {
        addPeer(a, b);
        addPeer(b, a);
        const keys = session(rig, 166_000);
        await install(rig, keys);
        a.dataPlane.sendKeepalive(PEER);
        await b.event('keypair-confirmed');
        await a.event('handshake-needed');
        await expectDelivery(b, a, 'late');
        await a.event('handshake-needed');
      });
    });

    describe('staging', () => {
      test('keeps packets that have no key, in order, and sends them with the key', async () => {
        addPeer(a, b);
        addPeer(b, a);
        const payloads = Array.from({ length: 20 }, (_, i) => `staged ${i}`);
        for (const payload of payloads) a.send(b.inner, payload);
        await a.event('handshake-needed');
        await install(rig, session(rig));
        a.dataPlane.sendKeepalive(PEER);
        for (const payload of payloads) expect(await b.payloads.take()).toBe(payload);
      });

      test('forgets them on request', async () => {
        addPeer(a, b);
        addPeer(b, a);
        a.send(b.inner, 'forgotten');
        await a.event('handshake-needed');
        a.dataPlane.dropStaged(PEER);
        await install(rig, session(rig));
        a.dataPlane.sendKeepalive(PEER);
        await b.event('keypair-confirmed');
        await expectDelivery(a, b, 'sent');
      });
    });

    describe('marks', () => {
      test('of a new peer are zero', async () => {
        a.dataPlane.addPeer(PEER);
        await a.dataPlane.sync();
        const { stats } = a.dataPlane;
        expect(stats.txBytes(PEER)).toBe(0n);
        expect(stats.rxBytes(PEER)).toBe(0n);
        expect(stats.lastSentMs(PEER)).toBe(0);
        expect(stats.lastReceivedMs(PEER)).toBe(0);
      });

      test('count UDP payload both ways', async () => {
        await connect(rig);
        await a.dataPlane.sync();
        expect(a.dataPlane.stats.txBytes(PEER)).toBe(32n);
        expect(b.dataPlane.stats.rxBytes(PEER)).toBe(32n);
        await expectDelivery(a, b, 'x'.repeat(100));
        await a.dataPlane.sync();
        // 20 + 8 + 100 bytes of inner packet are a multiple of 16; header and tag are 32
        expect(a.dataPlane.stats.txBytes(PEER)).toBe(32n + 160n);
        expect(b.dataPlane.stats.rxBytes(PEER)).toBe(32n + 160n);
      });

      test('start and end the wait for an answer', async () => {
        await connect(rig);
        const { stats } = a.dataPlane;
        expect(stats.unansweredSinceMs(PEER)).toBe(0);
        await expectDelivery(a, b, 'question');
        await a.dataPlane.sync();
        const since = stats.unansweredSinceMs(PEER);
        expect(since).toBeGreaterThan(0);
        expect(since).toBe(stats.lastDataSentMs(PEER));
        b.dataPlane.sendKeepalive(PEER);
        await expectDelivery(b, a, 'answer');
        expect(stats.unansweredSinceMs(PEER)).toBe(0);
      });

      test('restart the wait for an answer on request', async () => {
        await connect(rig);
        await expectDelivery(a, b, 'question');
        a.dataPlane.clearUnanswered(PEER);
        await a.dataPlane.sync();
        expect(a.dataPlane.stats.unansweredSinceMs(PEER)).toBe(0);
        await expectDelivery(a, b, 'again');
        await a.dataPlane.sync();
        expect(a.dataPlane.stats.unansweredSinceMs(PEER)).toBeGreaterThan(0);
      });

      test('owe a keepalive for data, not for keepalives, until something is sent', async () => {
        await connect(rig);
        const { stats } = b.dataPlane;
        expect(stats.owesKeepaliveSinceMs(PEER)).toBe(0);
        expect(stats.lastReceivedMs(PEER)).toBeGreaterThan(0);
        await expectDelivery(a, b, 'data');
        expect(stats.owesKeepaliveSinceMs(PEER)).toBeGreaterThan(0);
        expect(stats.lastDataReceivedMs(PEER)).toBeGreaterThan(0);
        b.dataPlane.sendKeepalive(PEER);
        await b.dataPlane.sync();
        expect(stats.owesKeepaliveSinceMs(PEER)).toBe(0);
        expect(stats.lastDataSentMs(PEER)).toBe(0);
      });

      test('owe another keepalive for data that came after the first', async () => {
        await connect(rig);
        await expectDelivery(a, b, 'one');
        await expectDelivery(a, b, 'two');
        b.dataPlane.sendKeepalive(PEER);
        await b.dataPlane.sync();
        expect(b.dataPlane.stats.owesKeepaliveSinceMs(PEER)).toBeGreaterThan(0);
        b.dataPlane.sendKeepalive(PEER);
        await b.dataPlane.sync();
        expect(b.dataPlane.stats.owesKeepaliveSinceMs(PEER)).toBe(0);
      });
    });

    describe('endpoints', () => {
      test('follow authenticated packets', async () => {
        await connect(rig);
        // B had none: the first packet told it
        expect((await b.event('endpoint-changed')).endpoint).toEqual(a.endpoint);
        a.port = a.dataPlane.listen(0);
        await expectDelivery(a, b, 'from the new port');
        expect((await b.event('endpoint-changed')).endpoint).toEqual(a.endpoint);
        await expectDelivery(b, a, 'to the new port');
      });

      test('follow authenticated handshake messages', async () => {
        b.dataPlane.addPeer(PEER);
        b.dataPlane.handshakeReceived(PEER, pathTo(a), INITIATION_BYTES);
        expect((await b.event('endpoint-changed')).endpoint).toEqual(a.endpoint);
        expect(b.dataPlane.stats.rxBytes(PEER)).toBe(BigInt(INITIATION_BYTES));
        expect(b.dataPlane.stats.lastReceivedMs(PEER)).toBeGreaterThan(0);
      });

      test('are kept when they did not change', async () => {
        await connect(rig);
        await b.event('endpoint-changed');
        await expectDelivery(a, b, 'same');
        await b.dataPlane.sync();
        expect(b.events.rest.filter((event) => event.type === 'endpoint-changed')).toEqual([]);
      });
    });

    describe('allowed IPs', () => {
      const OTHER = 6 as PeerId;

      test('refuse an inner source that is not the peer’s', async () => {
        await connect(rig);
        await b.event('endpoint-changed');
        b.dataPlane.updateAllowedIps(PEER, [], [EVERYTHING_V4]);
        await b.dataPlane.sync();
        a.port = a.dataPlane.listen(0);
        a.send(b.inner, 'refused');
        // it is authentic, so it moves the endpoint; that tells that it was handled
        await b.event('endpoint-changed');
        b.dataPlane.updateAllowedIps(PEER, [{ address: a.inner, length: 32 }], []);
        await b.dataPlane.sync();
        await expectDelivery(a, b, 'allowed');
        expect(b.totalDrops).toBe(1);
      });

      test('choose the peer by the longest prefix', async () => {
        await connect(rig);
        a.dataPlane.addPeer(OTHER);
        a.dataPlane.updateAllowedIps(OTHER, [{ address: b.inner, length: 32 }], []);
        a.dataPlane.setEndpoint(OTHER, b.endpoint);
        await a.dataPlane.sync();
        a.send(b.inner, 'for the other peer');
        expect((await a.event('handshake-needed')).peer).toBe(OTHER);
      });

      test('move to the peer that got them last', async () => {
        await connect(rig);
        a.dataPlane.addPeer(OTHER);
        a.dataPlane.updateAllowedIps(OTHER, [EVERYTHING_V4], []);
        a.dataPlane.updateAllowedIps(PEER, [EVERYTHING_V4], []);
        // no longer the other peer's, so this removes nothing
        a.dataPlane.updateAllowedIps(OTHER, [], [EVERYTHING_V4]);
        await a.dataPlane.sync();
        await expectDelivery(a, b, 'by the first peer');
      });
    });

    describe('handshake messages', () => {
      test('arrive with the path back', async () => {
        addPeer(a, b);
        b.dataPlane.setPublicKey(PUBLIC_KEY);
        await b.dataPlane.sync();
        const message = handshakeMessage(1, INITIATION_BYTES, PUBLIC_KEY);
        a.dataPlane.sendHandshake(PEER, message);
        const { path, bytes } = await b.datagrams.take();
        expect(bytes).toEqual(message);
        expect(path.remote).toEqual(a.endpoint);
        expect(path.local).toEqual(b.outer);
        await a.dataPlane.sync();
        expect(a.dataPlane.stats.txBytes(PEER)).toBe(BigInt(INITIATION_BYTES));
        expect(a.dataPlane.stats.lastSentMs(PEER)).toBeGreaterThan(0);
      });

      test('are answered along that path', async () => {
        addPeer(a, b);
        a.dataPlane.setPublicKey(PUBLIC_KEY);
        b.dataPlane.setPublicKey(PUBLIC_KEY);
        await Promise.all([a.dataPlane.sync(), b.dataPlane.sync()]);
        const initiation = handshakeMessage(1, INITIATION_BYTES, PUBLIC_KEY);
        a.dataPlane.sendHandshake(PEER, initiation);
        const { path } = await b.datagrams.take();
        const cookieReply = new Uint8Array(64);
        cookieReply[0] = 3;
        const unasked = cookieReply.slice();
        unasked.set(
          initiation.subarray(4, 8).map((byte) => byte ^ 0xff),
          4,
        );
        b.dataPlane.sendDatagram(path, unasked);
        cookieReply.set(initiation.subarray(4, 8), 4);
        b.dataPlane.sendDatagram(path, cookieReply);
        const answer = await a.datagrams.take();
        expect(answer.bytes).toEqual(cookieReply);
        expect(answer.path.remote).toEqual(b.endpoint);
      });

      test('with a wrong mac1, type or length are dropped', async () => {
        addPeer(a, b);
        b.dataPlane.setPublicKey(PUBLIC_KEY);
        await b.dataPlane.sync();
        const good = handshakeMessage(1, INITIATION_BYTES, PUBLIC_KEY);
        const otherKey = handshakeMessage(1, INITIATION_BYTES, new Uint8Array(32));
        const long = handshakeMessage(1, INITIATION_BYTES + 1, PUBLIC_KEY);
        const reserved = handshakeMessage(1, INITIATION_BYTES, PUBLIC_KEY);
        reserved[1] = 1;
        for (const message of [otherKey, long, reserved, new Uint8Array(3), good]) {
          a.dataPlane.sendHandshake(PEER, message);
        }
        expect((await b.datagrams.take()).bytes).toEqual(good);
        expect(b.datagrams.rest).toEqual([]);
        expect(b.totalDrops).toBe(4);
      });

      test('are all dropped without a key of our own', async () => {
        addPeer(a, b);
        a.dataPlane.sendHandshake(PEER, handshakeMessage(1, INITIATION_BYTES, PUBLIC_KEY));
        // the data packets that follow show that it has been read
        addPeer(b, null);
        await confirm(rig, session(rig));
        await expectDelivery(a, b, 'after it');
        expect(b.datagrams.rest).toEqual([]);
        expect(b.totalDrops).toBe(1);
      });

      test('wait in a queue that read() empties in slices', async () => {
        addPeer(a, b);
        b.dataPlane.setPublicKey(PUBLIC_KEY);
        await b.dataPlane.sync();
        const message = handshakeMessage(1, INITIATION_BYTES, PUBLIC_KEY);
        for (let i = 0; i < 50; i++) a.dataPlane.sendHandshake(PEER, message);
        for (let i = 0; i < 50; i++) expect((await b.datagrams.take()).bytes).toEqual(message);
      });

      test('go nowhere without an endpoint', async () => {
        a.dataPlane.addPeer(PEER);
        a.dataPlane.sendHandshake(PEER, handshakeMessage(1, INITIATION_BYTES, PUBLIC_KEY));
        await a.dataPlane.sync();
        expect(a.dataPlane.stats.txBytes(PEER)).toBe(0n);
      });
    });

    describe('gossip', () => {
      const message = (length: number) => new Uint8Array(length).fill(0x80);

      test('arrives with the path back, where it is accepted', async () => {
        b.dataPlane.acceptGossip(TOKEN_KEY);
        await b.dataPlane.sync();
        a.dataPlane.sendDatagram(pathTo(b), message(1400));
        const { path, bytes } = await b.datagrams.take();
        expect(bytes).toEqual(message(1400));
        expect(path.remote).toEqual(a.endpoint);
        expect(b.totalDrops).toBe(0);
      });

      test('is junk where it is not accepted, or too long or too short', async () => {
        a.dataPlane.sendDatagram(pathTo(b), message(100));
        await connect(rig);
        await expectDelivery(a, b, 'after it');
        b.dataPlane.acceptGossip(TOKEN_KEY);
        await b.dataPlane.sync();
        for (const length of [1401, 3, 4]) a.dataPlane.sendDatagram(pathTo(b), message(length));
        expect((await b.datagrams.take()).bytes).toEqual(message(4));
        expect(b.totalDrops).toBe(3);
      });

      test('that names a token of ours arrives beside a flood of what does not', async () => {
        b.dataPlane.acceptGossip(TOKEN_KEY);
        await b.dataPlane.sync();
        const token = new LocalTokens(meshCrypto, seededRandom(1), AGREEMENT_SECRET).draw();
        for (let i = 0; i < 300; i++) a.dataPlane.sendDatagram(pathTo(b), message(116));
        const data = Uint8Array.of(0x83, 0, 0, 0, ...encodeToken(token), ...message(20));
        a.dataPlane.sendDatagram(pathTo(b), data);
        const isData = ({ bytes }: { bytes: Uint8Array }) => bytes[0] === 0x83;
        expect((await b.datagrams.take(isData)).bytes).toEqual(data);
      });

      test('waits in a bounded queue of its own beside handshake messages', async () => {
        addPeer(a, b);
        b.dataPlane.setPublicKey(PUBLIC_KEY);
        b.dataPlane.acceptGossip(TOKEN_KEY);
        await b.dataPlane.sync();
        const handshake = handshakeMessage(1, INITIATION_BYTES, PUBLIC_KEY);
        for (let i = 0; i < 20; i++) {
          a.dataPlane.sendDatagram(pathTo(b), message(100));
          a.dataPlane.sendHandshake(PEER, handshake);
        }
        for (let i = 0; i < 20; i++) {
          await b.datagrams.take(({ bytes }) => bytes.length === INITIATION_BYTES);
          await b.datagrams.take(({ bytes }) => bytes.length === 100);
        }
      });
    });

    describe('sockets', () => {
      test('refuse a port in use and keep the earlier one', async () => {
        await connect(rig);
        const inUse = expect.objectContaining({ code: 'EADDRINUSE' });
        expect(() => a.dataPlane.listen(b.port)).toThrow(inUse);
        await expectDelivery(b, a, 'on the earlier port');
      });

      test('send and receive nothing after unlisten()', async () => {
        await connect(rig);
        await b.event('endpoint-changed');
        const before = b.dataPlane.stats.rxBytes(PEER);
        b.dataPlane.unlisten();
        await b.dataPlane.sync();
        a.dataPlane.sendKeepalive(PEER);
        await a.dataPlane.sync();
        expect(b.dataPlane.listen(b.port)).toBe(b.port);
        await expectDelivery(a, b, 'received');
        // 20 + 8 + 8 bytes padded to 48, header and tag; nothing of the keepalive
        expect(b.dataPlane.stats.rxBytes(PEER)).toBe(before + 80n);
      });
    });

    describe('peers', () => {
      test('are forgotten with their keys and routes; the id is free then', async () => {
        const keys = await connect(rig);
        b.dataPlane.removePeer(PEER);
        expect((await b.event('keypair-retired')).localIndex).toBe(keys.responder.localIndex);
        expect((await b.event('peer-removed')).peer).toBe(PEER);
        b.dataPlane.addPeer(PEER);
        await b.dataPlane.sync();
        expect(b.dataPlane.stats.rxBytes(PEER)).toBe(0n);
      });
    });
  });
}
