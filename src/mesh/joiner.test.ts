// Joining by invite: a Joiner and an issuing Mesh, wired to each other.

import { afterEach, describe, expect, test } from 'vitest';
import { simulationCrypto as crypto } from '../../test/sim/crypto.js';
import { SeededRandom } from '../../test/sim/random.js';
import type { Datagram, Endpoint } from '../core/types.js';
import { decodeCertificate, signCertificate } from './certificate.js';
import { Channel } from './channel/channel.js';
import { createIdentity, type Identity } from './identity.js';
import { InviteBook, inviteProof, parseInvite } from './invite.js';
import { Joiner, type JoinerEffect } from './joiner.js';
import { Mesh } from './mesh.js';
import { decodePacket, encodeMessage, joinMessages, type Message } from './messages.js';
import { DEFAULT_SWIM_CONFIG } from './swim/config.js';
import { TrustStore } from './trust.js';

const NOW_SECONDS = 1_700_000_000;
/** Since NOW_SECONDS, for everybody. */
let clockMs = 0;
const meshId = new Uint8Array(16).fill(1);
const meshKey = new Uint8Array(32).fill(2);
const v4Prefix = { address: Uint8Array.of(10, 86, 0, 0), length: 16 };
const identity = (i: number) => createIdentity(crypto, new Uint8Array(32).fill(i));
const authority = identity(100);
const issuer = identity(1);
const at = (host: number): Endpoint => {
  return { address: Uint8Array.of(192, 0, 2, host), port: 51820, scopeId: 0 };
};
const from = (host: number, bytes: Uint8Array): Datagram => {
  return { path: { remote: at(host), local: null, interfaceIndex: 0 }, bytes };
};

function trust(): TrustStore {
  const key = { id: authority.id, name: null, groups: [], addresses: [], routes: [] };
  return new TrustStore(crypto, {
    keys: [{ kind: 'authority', ...key }],
    revocations: [],
    addressing: { meshId, v4Prefix },
  });
}

function meshAt(host: number, who: Identity, name: string, certificate: Uint8Array): Mesh {
  const mesh = new Mesh({
    crypto,
    random: new SeededRandom(host, 0),
    identity: who,
    trust: trust(),
    wallTime: () => {
      const seconds = Math.floor(clockMs / 1_000);
      return { seconds: NOW_SECONDS + seconds, nanoseconds: (clockMs - seconds * 1_000) * 1e6 };
    },
    saved: null,
    config: {
      meshId,
      meshKey,
      name,
      seeds: [{ ...at(1), id: issuer.id }],
      v4Prefix,
      routes: [],
      capabilities: [],
      certificate,
      timings: DEFAULT_SWIM_CONFIG,
    },
  });
  mesh.setLocalEndpoints(0, [at(host)]);
  mesh.start(0);
  return mesh;
}

function issuingMesh(): Mesh {
  const certificate = signCertificate(authority, {
    subject: issuer.id,
    name: 'issuer',
    groups: [],
    addresses: [],
    routes: [],
    notBefore: 0,
    notAfter: NOW_SECONDS + 1e6,
    serial: new Uint8Array(16).fill(1),
    issuer: authority.id,
  });
  const mesh = meshAt(1, issuer, 'issuer', certificate);
  const random = new SeededRandom(3, 0);
  const env = {
    ...{ crypto, random, meshId, meshKey, node: issuer.id },
    ...{ nameOwner: () => null, isRevoked: () => false },
  };
  mesh.setInvites(new InviteBook({ ...env, signer: authority, signerCertificate: null }));
  return mesh;
}

const INVITE = { lifetimeSeconds: 3_600, certificateLifetimeSeconds: 86_400 };

interface Node {
  receive(nowMs: number, datagram: Datagram): void;
  tick(nowMs: number): void;
  nextTickMs(nowMs: number): number;
  takeEffects(): readonly { readonly type: string }[];
}

/** Somebody with a channel, who says what a test wants. */
class StrangerNode implements Node {
  readonly channel: Channel;
  readonly heard: Message[] = [];

  constructor(who: Identity) {
    const random = new SeededRandom(9, 0);
    this.channel = new Channel({ crypto, random, identity: who, meshKey, isMember: () => true });
  }

  say(message: Message): void {
    this.channel.send(0, issuer.id, at(1), joinMessages([encodeMessage(message)]));
  }

  receive(nowMs: number, datagram: Datagram): void {
    const received = this.channel.receive(nowMs, datagram);
    if (received !== null) this.heard.push(...(decodePacket(received.plaintext) ?? []));
  }

  tick(nowMs: number): void {
    this.channel.tick(nowMs);
  }

  nextTickMs(): number {
    return this.channel.nextTickMs();
  }

  takeEffects() {
    return this.channel.takeDatagrams().map((each) => ({ type: 'send-datagram', ...each }));
  }
}

/** Until then nothing can be saved. */
let diskFullUntilMs = 0;
afterEach(() => {
  diskFullUntilMs = 0;
});

/** Runs two nodes, at hosts 1 and 2, without loss for `durationMs`; gives each effect to `see`. */
function run(nodes: [Node, Node], durationMs: number, see: (effect: JoinerEffect) => void): void {
  for (let nowMs = 0; nowMs <= durationMs; nowMs += 10) {
    clockMs = nowMs;
    for (const node of nodes) if (node.nextTickMs(nowMs) <= nowMs) node.tick(nowMs);
    for (const [i, node] of nodes.entries()) {
      for (const effect of node.takeEffects() as readonly JoinerEffect[]) {
        see(effect);
        if (node instanceof Mesh && (effect.type as string) === 'save-invites') {
          node.invitesSaved(nowMs, nowMs >= diskFullUntilMs);
        }
        if (effect.type !== 'send-datagram') continue;
        const to = effect.path.remote.address[3] ?? 0;
        nodes[to - 1]?.receive(nowMs, from(i + 1, effect.bytes));
      }
    }
  }
}

function join(mesh: Node, token: string, who: Identity, name: string) {
  const invite = parseInvite(crypto, token);
  const random = new SeededRandom(9, 0);
  const joiner = new Joiner({ crypto, random, identity: who, invite, name });
  joiner.start(0);
  const results: Extract<JoinerEffect, { type: 'join-finished' }>['result'][] = [];
  run([mesh, joiner], 31_000, (effect) => {
    if (effect.type === 'join-finished') results.push(effect.result);
  });
  expect(results).toHaveLength(1);
  return results[0];
}

describe('a joiner', () => {
  test('gets its certificate, and is a member with it', () => {
    const mesh = issuingMesh();
    const shop = identity(2);
    const result = join(mesh, mesh.issueInvite(0, INVITE), shop, 'shop');
    if (!result?.ok) throw new Error(`refused: ${result?.reason}`);
    expect(result).toMatchObject({ meshId, meshKey, v4Prefix, authorities: [authority.id] });
    expect(result.members.map(({ record }) => record.name)).toEqual(['issuer']);
    expect(decodeCertificate(result.certificate)).toMatchObject({ name: 'shop', subject: shop.id });
    const member = meshAt(2, shop, 'shop', result.certificate);
    run([issuingMesh(), member], 2_000, () => {});
    expect(member.member(issuer.id)?.state).toBe('alive');
  });

  test('with a used invite is refused, but may ask again for its own', () => {
    const mesh = issuingMesh();
    const token = mesh.issueInvite(0, INVITE);
    expect(join(mesh, token, identity(2), 'shop')).toMatchObject({ ok: true });
    expect(join(mesh, token, identity(3), 'thief')).toEqual({ ok: false, reason: 'used-up' });
    expect(join(mesh, token, identity(2), 'shop')).toMatchObject({ ok: true });
  });

  test('whom nobody answers gives up', () => {
    const token = issuingMesh().issueInvite(0, INVITE);
    const deaf: Node = {
      receive() {},
      tick() {},
      nextTickMs: () => Infinity,
      takeEffects: () => [],
    };
    expect(join(deaf, token, identity(2), 'shop')).toEqual({ ok: false, reason: 'timeout' });
  });

  test('is not answered by a node that issues no invites', () => {
    const mesh = issuingMesh();
    const token = mesh.issueInvite(0, INVITE);
    mesh.setInvites(null);
    expect(() => mesh.issueInvite(0, INVITE)).toThrow(/authority/);
    expect(join(mesh, token, identity(2), 'shop')).toEqual({ ok: false, reason: 'timeout' });
  });

  test('is answered only once its use is on the disk, though it asks again', () => {
    const mesh = issuingMesh();
    const invite = parseInvite(crypto, mesh.issueInvite(0, INVITE));
    const join = { type: 'join', inviteId: invite.id, name: 'shop' } as const;
    const proof = inviteProof(crypto, invite, identity(2).id);
    const stranger = new StrangerNode(identity(2));
    diskFullUntilMs = 1_000;
    for (let round = 0; round < 3; round++) stranger.say({ ...join, proof });
    run([mesh, stranger], 900, () => {});
    expect(stranger.heard).toEqual([]);
    expect(mesh.counters()).toMatchObject({ joined: 1, 'join-repeated': 2, 'join-not-saved': 3 });
    diskFullUntilMs = 0;
    stranger.say({ ...join, proof });
    run([mesh, stranger], 100, () => {});
    expect(stranger.heard.map(({ type }) => type)).toEqual(['join-accepted']);
  });

  test('with many messages in a datagram gets one answer, and its repetitions are no writes', () => {
    const mesh = issuingMesh();
    const invite = parseInvite(crypto, mesh.issueInvite(0, INVITE));
    const shop = identity(2);
    const join = (proof: Uint8Array) =>
      encodeMessage({ type: 'join', inviteId: invite.id, proof, name: 'shop' });
    const good = join(inviteProof(crypto, invite, shop.id));
    const bad = join(new Uint8Array(32));
    const stranger = new StrangerNode(shop);
    let saved = 0;
    for (const messages of [[bad, bad, bad], [good, good], [good], [good]]) {
      stranger.channel.send(0, issuer.id, at(1), joinMessages(messages));
    }
    run([mesh, stranger], 1_000, ({ type }) => {
      if ((type as string) === 'save-invites') saved++;
    });
    expect(mesh.counters()).toMatchObject({
      'introduction-repeated': 3,
      'join-unknown-invite': 1,
      joined: 1,
      'join-repeated': 2,
    });
    expect(saved).toBe(2);
  });
});

describe('a certificate', () => {
  test('that ends, ends its member in that moment', () => {
    clockMs = 0;
    const mesh = issuingMesh();
    const shop = identity(2);
    const certificate = signCertificate(authority, {
      subject: shop.id,
      name: 'shop',
      groups: [],
      addresses: [],
      routes: [],
      notBefore: NOW_SECONDS - 10,
      notAfter: NOW_SECONDS + 7,
      serial: new Uint8Array(16).fill(2),
      issuer: authority.id,
    });
    const member = meshAt(2, shop, 'shop', certificate);
    run([mesh, member], 6_990, () => {});
    expect(mesh.member(shop.id)?.state).toBe('alive');
    clockMs = 7_000;
    expect(mesh.nextTickMs(6_990)).toBeLessThanOrEqual(7_000);
    mesh.tick(7_000);
    expect(mesh.member(shop.id)).toBeUndefined();
  });
});
