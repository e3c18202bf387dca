// The joining side of an invite: a node that is nobody yet proves to the issuer that it has the secret, inside the channel, and is
// given its certificate and what it needs to begin with. See join-desk.ts for the other side.
//
//   join -> issuer            (again and again, at each of its endpoints, until it answers or the time is over)
//   join-accepted <- issuer   checked: it is our certificate, by an authority that is named

import { parsePrefix } from '../core/address.js';
import type { MeshCrypto } from '../core/crypto.js';
import type { Random } from '../core/random.js';
import type { Datagram, Path, Prefix } from '../core/types.js';
import { isV4MeshPrefix } from './addresses.js';
import { decodeCertificate, verifyCertificate } from './certificate.js';
import { Channel } from './channel/channel.js';
import { Counters } from './context.js';
import { FragmentAssembler } from './fragments.js';
import type { Identity } from './identity.js';
import { type Invite, inviteProof } from './invite.js';
import { decodePacket, encodeMessage, type JoinResult, joinMessages } from './messages.js';
import { openRecord } from './record.js';
import type { NodeId, SignedRecord } from './types.js';

const RETRY_MS = 1_000;
const DEFAULT_JOIN_TIMEOUT_MS = 30_000;

export interface JoinerEnvironment {
  readonly crypto: MeshCrypto;
  readonly random: Random;
  readonly identity: Identity;
  /** parseInvite() of the token. */
  readonly invite: Invite;
  /** A DNS label. */
  readonly name: string;
  readonly timeoutMs?: number;
}

export interface Joined {
  readonly ok: true;
  readonly meshId: Uint8Array;
  readonly meshKey: Uint8Array;
  readonly certificate: Uint8Array;
  /** To be trusted from now on. */
  readonly authorities: readonly NodeId[];
  /** Null: no IPv4 inside the mesh. */
  readonly v4Prefix: Prefix | null;
  /** Whom to start with: the issuer. Becomes a saved member, or a seed. */
  readonly members: readonly SignedRecord[];
}

export type JoinFailure =
  /** Nobody answered in time. */
  | 'timeout'
  /** The issuer's answer makes no sense. */
  | 'bad-answer'
  /** Otherwise the issuer's own reason (RedemptionRefusal). */
  | (string & {});

export type JoinerEffect =
  | { readonly type: 'send-datagram'; readonly path: Path; readonly bytes: Uint8Array }
  | {
      readonly type: 'join-finished';
      readonly result: Joined | { readonly ok: false; readonly reason: JoinFailure };
    };

export class Joiner {
  readonly #env: JoinerEnvironment;
  readonly #channel: Channel;
  readonly #fragments: FragmentAssembler;
  readonly #counters = new Counters();
  readonly #join: Uint8Array;
  #nextMs = Infinity;
  #endMs = Infinity;
  #turn = 0;
  #result: Extract<JoinerEffect, { type: 'join-finished' }> | null = null;

  constructor(env: JoinerEnvironment) {
    const { crypto, random, identity, invite, name } = env;
    this.#env = env;
    this.#channel = new Channel({
      crypto,
      random,
      identity,
      meshKey: invite.meshKey,
      isMember: (id) => id === invite.issuer,
    });
    this.#fragments = new FragmentAssembler(() => false);
    const proof = inviteProof(crypto, invite, identity.id);
    this.#join = joinMessages([encodeMessage({ type: 'join', inviteId: invite.id, proof, name })]);
  }

  start(nowMs: number): void {
    this.#endMs = nowMs + (this.#env.timeoutMs ?? DEFAULT_JOIN_TIMEOUT_MS);
    this.#nextMs = nowMs;
  }

  receive(nowMs: number, datagram: Datagram): void {
    const received = this.#channel.receive(nowMs, datagram);
    const { issuer, id } = this.#env.invite;
    if (received === null || received.from !== issuer || this.#endMs === Infinity) return;
    for (const part of decodePacket(received.plaintext) ?? []) {
      const message = part.type === 'fragment' ? this.#fragments.accept(nowMs, issuer, part) : part;
      if (message === null || message === 'refused') continue;
      if (message.type !== 'join-accepted' && message.type !== 'join-refused') continue;
      if (this.#env.crypto.equal(message.inviteId, id)) this.#answered(message);
    }
  }

  tick(nowMs: number): void {
    this.#channel.tick(nowMs);
    if (nowMs >= this.#endMs) this.#finish({ ok: false, reason: 'timeout' });
    if (nowMs < this.#nextMs) return;
    this.#nextMs = nowMs + RETRY_MS;
    const { endpoints, issuer } = this.#env.invite;
    const endpoint = endpoints[this.#turn++ % Math.max(1, endpoints.length)];
    if (endpoint === undefined) return;
    this.#counters.add('join-sent');
    this.#channel.send(nowMs, issuer, endpoint, this.#join);
  }

  nextTickMs(nowMs: number): number {
    if (this.#endMs === Infinity) return Infinity;
    return Math.max(nowMs, Math.min(this.#nextMs, this.#endMs, this.#channel.nextTickMs()));
  }

  /** What is to be done, in order; empties the list. */
  takeEffects(): readonly JoinerEffect[] {
    const effects: JoinerEffect[] = [];
    for (const { path, bytes } of this.#channel.takeDatagrams()) {
      effects.push({ type: 'send-datagram', path, bytes });
    }
    if (this.#result !== null) effects.push(this.#result);
    this.#result = null;
    return effects;
  }

  counters(): Readonly<Record<string, number>> {
    return { ...this.#counters.entries(), ...this.#channel.counters() };
  }

  #answered(answer: JoinResult): void {
    if (answer.type === 'join-refused') {
      this.#finish({ ok: false, reason: answer.reason });
      return;
    }
    this.#finish(this.#checked(answer) ?? { ok: false, reason: 'bad-answer' });
  }

  /** The issuer is who the token says; but what it gives must be of use. */
  #checked(answer: Extract<JoinResult, { type: 'join-accepted' }>): Joined | null {
    const { crypto, identity, invite, name } = this.#env;
    const { certificate, authorities } = answer;
    const leaf = decodeCertificate(certificate);
    if (leaf === null || leaf.subject !== identity.id || leaf.name !== name) return null;
    const delegated = leaf.issuerCertificate && decodeCertificate(leaf.issuerCertificate);
    const authority = delegated?.issuer ?? leaf.issuer;
    if (!authorities.includes(authority) || !verifyCertificate(crypto, leaf)) return null;
    const issuer = openRecord(crypto, answer.payload, answer.signature);
    if (issuer === null || issuer.record.id !== invite.issuer) return null;
    const v4Prefix = answer.v4Prefix === '' ? null : parsePrefix(answer.v4Prefix);
    if (answer.v4Prefix !== '' && (v4Prefix === null || !isV4MeshPrefix(v4Prefix))) return null;
    const { meshId, meshKey } = invite;
    return { ok: true, meshId, meshKey, certificate, authorities, v4Prefix, members: [issuer] };
  }

  #finish(result: Extract<JoinerEffect, { type: 'join-finished' }>['result']): void {
    this.#result = { type: 'join-finished', result };
    this.#endMs = Infinity;
    this.#nextMs = Infinity;
  }
}
