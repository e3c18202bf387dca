// The issuing node's side of invites: which are open, and who has used them. Its state is saved before an answer goes
// out, so that a use counts even if the node dies in between; a joiner that asks again gets the same certificate.

import type { MeshCrypto } from '../core/crypto.js';
import { WeftError } from '../core/errors.js';
import { toHex } from '../core/hex.js';
import type { Random } from '../core/random.js';
import type { Endpoint, Prefix } from '../core/types.js';
import { decodeMsgpack, encodeMsgpack, Fields, type Msgpack } from '../wire/msgpack.js';
import { decodePrefix, encodePrefix, isReachable } from '../wire/network.js';
import {
  decodeCertificate,
  MAX_GROUPS,
  SERIAL_BYTES,
  scopeViolation,
  signCertificate,
} from './certificate.js';
import { type Identity, NODE_ID_BYTES, nodeIdOf, publicKeyOf } from './identity.js';
import { createInvite, INVITE_ID_BYTES, INVITE_SECRET_BYTES, inviteProof } from './invite-token.js';
import { isNodeName } from './record.js';
import {
  MAX_CERTIFICATE_BYTES,
  MAX_ENDPOINTS,
  MAX_NAME_BYTES,
  MAX_ROUTES,
  MAX_SECONDS,
  type NodeId,
} from './types.js';

export {
  createInvite,
  INVITE_ID_BYTES,
  INVITE_SECRET_BYTES,
  type Invite,
  inviteProof,
  MESH_ID_BYTES,
  MESH_KEY_BYTES,
  parseInvite,
} from './invite-token.js';

export const MAX_INVITES = 1_024;
export const MAX_INVITE_USES = 1_024;
/** A certificate holds from this long before it is issued: the joiners' and members' clocks differ. */
const BACKDATE_SECONDS = 3_600;
/** How long an invite is remembered after its end, for joiners whose answer was lost. */
const KEEP_SECONDS = 86_400;
/** For so long a name is kept for who has joined under it, until the mesh knows. */
const JOINING_SECONDS = 600;
const STATE_VERSION = 1;
const STATE_LIMITS = { maxBytes: 64 * 1024 * 1024, maxDepth: 8, maxCount: 4_000_000 };

export interface InviteEnvironment {
  readonly crypto: MeshCrypto;
  readonly random: Random;
  readonly meshId: Uint8Array;
  readonly meshKey: Uint8Array;
  /** This node, whom joiners speak to. */
  readonly node: NodeId;
  /** Who signs: an authority whose key is here, or this node as a delegated issuer. */
  readonly signer: Identity;
  /** The delegated issuer's certificate; null if `signer` is an authority. */
  readonly signerCertificate: Uint8Array | null;
  /** The member that goes by a name; null = nobody. Nobody else is certified for it. */
  nameOwner(name: string): NodeId | null;
  /** Whether `authority` took back all that it says of a node: what it certifies for it, nobody accepts. */
  isRevoked(authority: NodeId, node: NodeId): boolean;
}

export interface InviteOptions {
  /** Where the joiner finds this node, best first; at least one. */
  readonly endpoints: readonly Endpoint[];
  readonly lifetimeSeconds: number;
  /** Default 1. */
  readonly uses?: number;
  /** The only name it is good for; default: the joiner's choice. */
  readonly name?: string;
  readonly groups?: readonly string[];
  /** Routes that the joiner may offer. */
  readonly routes?: readonly Prefix[];
  readonly certificateLifetimeSeconds: number;
}

export type Redemption =
  /** `isNew` false: the same joiner again, who is given what it was given before; nothing has changed. */
  | { readonly ok: true; readonly certificate: Uint8Array; readonly isNew: boolean }
  | { readonly ok: false; readonly reason: RedemptionRefusal };

export type RedemptionRefusal =
  /** No such invite, or no proof of its secret: which of them is not told. */
  | 'unknown-invite'
  | 'expired'
  | 'used-up'
  | 'bad-name'
  | 'name-taken'
  | 'revoked'
  /** The issuing node itself may not certify this (any more). */
  | 'cannot-issue';

/** An invite as `weft invite --list` shows it. */
export interface InviteSummary {
  /** 32 hex digits. */
  readonly id: string;
  readonly expiresAt: number;
  readonly uses: number;
  readonly usesLeft: number;
  readonly name: string | null;
  readonly groups: readonly string[];
  readonly joiners: readonly { readonly id: NodeId; readonly name: string }[];
}

interface Entry {
  readonly id: Uint8Array;
  readonly secret: Uint8Array;
  readonly expiresAt: number;
  readonly uses: number;
  readonly name: string | null;
  readonly groups: readonly string[];
  readonly routes: readonly Prefix[];
  readonly certificateLifetimeSeconds: number;
  readonly redeemed: Map<NodeId, Use>;
}

interface Use {
  readonly name: string;
  readonly certificate: Uint8Array;
  /** Seconds since 1970. */
  readonly at: number;
}

/** Times are seconds since 1970. After `issue`, a new `redeem`, and `cancel`, `state()` has changed: save it first. */
export class InviteBook {
  readonly #env: InviteEnvironment;
  /** By id in hex. */
  readonly #entries: Map<string, Entry>;
  readonly #counters: Record<string, number> = {};

  /**
   * @param state of an earlier `state()`; null = none
   * @throws WeftError EINVITES if it is not one: without it, used invites could be used again
   */
  constructor(env: InviteEnvironment, state: Uint8Array | null = null) {
    this.#env = env;
    this.#entries = state === null ? new Map() : decodeState(state);
  }

  /**
   * @returns the token
   * @throws WeftError EINVITE for options that no certificate could follow from
   */
  issue(nowSeconds: number, options: InviteOptions): string {
    this.#prune(nowSeconds);
    const { random, meshId, meshKey, node, crypto } = this.#env;
    const entry: Entry = {
      id: random.bytes(INVITE_ID_BYTES),
      secret: random.bytes(INVITE_SECRET_BYTES),
      expiresAt: nowSeconds + options.lifetimeSeconds,
      uses: options.uses ?? 1,
      name: options.name ?? null,
      groups: options.groups ?? [],
      routes: options.routes ?? [],
      certificateLifetimeSeconds: options.certificateLifetimeSeconds,
      redeemed: new Map(),
    };
    this.#check(nowSeconds, entry);
    const endpoints = options.endpoints.filter(isReachable).slice(0, MAX_ENDPOINTS);
    if (endpoints.length === 0) {
      throw new WeftError('EINVITE', 'No endpoint of this node is known: set one with Announce');
    }
    this.#entries.set(toHex(entry.id), entry);
    const { id, secret, expiresAt, groups } = entry;
    return createInvite(crypto, {
      meshId,
      meshKey,
      issuer: node,
      endpoints,
      id,
      secret,
      expiresAt,
      groups,
    });
  }

  #check(nowSeconds: number, entry: Entry): void {
    const fail = (message: string): never => {
      throw new WeftError('EINVITE', message);
    };
    if (this.#entries.size >= MAX_INVITES) {
      fail(`There are ${MAX_INVITES} open invites: cancel some, or wait until they expire`);
    }
    const { expiresAt, uses } = entry;
    if (!Number.isSafeInteger(expiresAt) || expiresAt <= nowSeconds || expiresAt > MAX_SECONDS) {
      fail('An invite lasts for a whole number of seconds, at least one');
    }
    if (!Number.isInteger(uses) || uses < 1 || uses > MAX_INVITE_USES) {
      fail(`An invite has 1 to ${MAX_INVITE_USES} uses`);
    }
    if (entry.name !== null && uses > 1) fail('An invite for one name has one use');
    // its person is told now what its joiner could only be refused for; the longest name shows whether all fits
    const name = entry.name ?? 'n'.repeat(MAX_NAME_BYTES);
    const trial =
      this.#forbidden(nowSeconds, entry, entry.name) ??
      this.#sign(nowSeconds, entry, this.#env.node, name);
    if (typeof trial === 'string') fail(`This node cannot issue such a certificate: ${trial}`);
  }

  /**
   * @param inviteId as the joiner sent it, of any length
   * @param proof `inviteProof`
   * @param joiner whom the channel has authenticated
   */
  redeem(
    inviteId: Uint8Array,
    proof: Uint8Array,
    joiner: NodeId,
    name: string,
    nowSeconds: number,
  ): Redemption {
    const redemption = this.#redeem(inviteId, proof, joiner, name, nowSeconds);
    this.#count(redemption.ok ? 'redeemed' : redemption.reason);
    return redemption;
  }

  #redeem(
    inviteId: Uint8Array,
    proof: Uint8Array,
    joiner: NodeId,
    name: string,
    nowSeconds: number,
  ): Redemption {
    const { crypto, node } = this.#env;
    const entry = inviteId.length === INVITE_ID_BYTES ? this.#entries.get(toHex(inviteId)) : null;
    if (!entry) return refuse('unknown-invite');
    const expected = inviteProof(crypto, { ...entry, issuer: node }, joiner);
    if (!crypto.equal(expected, proof)) return refuse('unknown-invite');
    if (this.#env.isRevoked(this.#authority(), joiner)) return refuse('revoked');
    const earlier = entry.redeemed.get(joiner);
    if (earlier !== undefined) return { ok: true, certificate: earlier.certificate, isNew: false };
    if (nowSeconds >= entry.expiresAt) return refuse('expired');
    if (entry.redeemed.size >= entry.uses) return refuse('used-up');
    if (!isNodeName(name) || (entry.name !== null && entry.name !== name)) {
      return refuse('bad-name');
    }
    const owner = this.#env.nameOwner(name) ?? this.#joinerNamed(name, nowSeconds);
    if (owner !== null && owner !== joiner) return refuse('name-taken');
    const certificate =
      this.#forbidden(nowSeconds, entry, name) ?? this.#sign(nowSeconds, entry, joiner, name);
    if (typeof certificate === 'string') return refuse('cannot-issue');
    entry.redeemed.set(joiner, { name, certificate, at: nowSeconds });
    return { ok: true, certificate, isNew: true };
  }

  /** Whom certificates come from, directly or by a delegated issuer. */
  #authority(): NodeId {
    const { signer, signerCertificate } = this.#env;
    return (signerCertificate && decodeCertificate(signerCertificate)?.issuer) ?? signer.id;
  }

  /** A joiner of a moment ago, who is no member yet. */
  #joinerNamed(name: string, nowSeconds: number): NodeId | null {
    for (const { redeemed } of this.#entries.values()) {
      for (const [id, use] of redeemed) {
        if (use.name === name && nowSeconds < use.at + JOINING_SECONDS) return id;
      }
    }
    return null;
  }

  /**
   * Why this node may not certify it; null if it may.
   * @param name null = not known yet
   */
  #forbidden(nowSeconds: number, entry: Entry, name: string | null): string | null {
    const { signerCertificate } = this.#env;
    if (signerCertificate === null) return null;
    const own = decodeCertificate(signerCertificate);
    if (own?.canIssue === undefined) return 'its own certificate does not let it';
    if (nowSeconds >= own.notAfter) return 'its own certificate has expired';
    const { groups, routes } = entry;
    return scopeViolation({ name, groups, routes, addresses: [] }, own.canIssue);
  }

  /** The certificate, or why there is none. */
  #sign(nowSeconds: number, entry: Entry, subject: NodeId, name: string): Uint8Array | string {
    const { signer, signerCertificate, random } = this.#env;
    const { groups, routes } = entry;
    const own = signerCertificate && decodeCertificate(signerCertificate);
    const notAfter = Math.min(
      nowSeconds + entry.certificateLifetimeSeconds,
      own?.notAfter ?? Infinity,
    );
    try {
      return signCertificate(signer, {
        subject,
        name,
        groups,
        addresses: [],
        routes,
        notBefore: Math.max(0, nowSeconds - BACKDATE_SECONDS),
        notAfter,
        serial: random.bytes(SERIAL_BYTES),
        issuer: signer.id,
        ...(signerCertificate && { issuerCertificate: signerCertificate }),
      });
    } catch (error) {
      if (error instanceof WeftError) return error.message;
      throw error;
    }
  }

  /** @param id as in `list()`; false if there is none */
  cancel(id: string): boolean {
    return this.#entries.delete(id);
  }

  /** Those that can still be used, or were of late. */
  list(nowSeconds: number): InviteSummary[] {
    this.#prune(nowSeconds);
    return [...this.#entries].map(([id, { expiresAt, uses, name, groups, redeemed }]) => ({
      id,
      expiresAt,
      uses,
      usesLeft: nowSeconds >= expiresAt ? 0 : uses - redeemed.size,
      name,
      groups,
      joiners: [...redeemed].map(([joiner, use]) => ({ id: joiner, name: use.name })),
    }));
  }

  /** Everything that must survive a restart. It holds the invites' secrets. */
  state(): Uint8Array {
    const entries = [...this.#entries.values()].map(encodeEntry);
    return encodeMsgpack(
      new Map<string, Msgpack>([
        ['v', STATE_VERSION],
        ['e', entries],
      ]),
    );
  }

  /** Redemptions by outcome. */
  counters(): Readonly<Record<string, number>> {
    return this.#counters;
  }

  #prune(nowSeconds: number): void {
    for (const [id, { expiresAt }] of this.#entries) {
      if (nowSeconds >= expiresAt + KEEP_SECONDS) this.#entries.delete(id);
    }
  }

  #count(what: string): void {
    this.#counters[what] = (this.#counters[what] ?? 0) + 1;
  }
}

function refuse(reason: RedemptionRefusal): Redemption {
  return { ok: false, reason };
}

function encodeEntry(entry: Entry): Msgpack {
  return new Map<string, Msgpack>([
    ['i', entry.id],
    ['s', entry.secret],
    ['x', entry.expiresAt],
    ['u', entry.uses],
    ['n', entry.name ?? ''],
    ['g', entry.groups],
    ['r', entry.routes.map(encodePrefix)],
    ['l', entry.certificateLifetimeSeconds],
    [
      'j',
      [...entry.redeemed].map(
        ([id, { name, certificate, at }]): Msgpack =>
          new Map<string, Msgpack>([
            ['i', publicKeyOf(id)],
            ['n', name],
            ['c', certificate],
            ['t', at],
          ]),
      ),
    ],
  ]);
}

function decodeState(state: Uint8Array): Map<string, Entry> {
  const fields = Fields.of(decodeMsgpack(state, STATE_LIMITS));
  const version = fields.uint('v', STATE_VERSION);
  const entries = fields.list('e', MAX_INVITES, decodeEntry);
  if (!fields.valid || version !== STATE_VERSION) {
    throw new WeftError(
      'EINVITES',
      'The saved invites are damaged: restore the file, or remove it to cancel all open invites',
    );
  }
  return new Map(entries.map((entry) => [toHex(entry.id), entry]));
}

function decodeEntry(value: Msgpack): Entry | null {
  const fields = Fields.of(value);
  const name = fields.text('n', MAX_NAME_BYTES);
  const entry: Entry = {
    id: fields.bytes('i', INVITE_ID_BYTES),
    secret: fields.bytes('s', INVITE_SECRET_BYTES),
    expiresAt: fields.uint('x', MAX_SECONDS),
    uses: fields.uint('u', MAX_INVITE_USES),
    name: name === '' ? null : name,
    groups: fields.list('g', MAX_GROUPS, (item) => (typeof item === 'string' ? item : null)),
    routes: fields.list('r', MAX_ROUTES, decodePrefix),
    certificateLifetimeSeconds: fields.uint('l', MAX_SECONDS),
    redeemed: new Map(fields.list('j', MAX_INVITE_USES, decodeUse)),
  };
  return fields.valid ? entry : null;
}

function decodeUse(value: Msgpack): [NodeId, Use] | null {
  const fields = Fields.of(value);
  const id = nodeIdOf(fields.bytes('i', NODE_ID_BYTES));
  const use: Use = {
    name: fields.text('n', MAX_NAME_BYTES),
    certificate: fields.bytesUpTo('c', MAX_CERTIFICATE_BYTES),
    at: fields.uint('t', MAX_SECONDS),
  };
  return fields.valid ? [id, use] : null;
}
