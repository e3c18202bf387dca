// Whom this node accepts, and for what: default deny. A record is accepted because its key is in trusted.d, or because
// of a certificate of an authority in trusted.d; and only if every name, address and route it claims is covered by what
// is said there. The files are read by the shell; reading none of them trusts nobody.

import { formatAddress, formatPrefix } from '../core/address.js';
import type { MeshCrypto } from '../core/crypto.js';
import { toHex } from '../core/hex.js';
import { contains, covers } from '../core/network.js';
import type { IpAddress, Prefix } from '../core/types.js';
import { addressKey, deriveV4, deriveV6, hostRoutes } from './addresses.js';
import {
  decodeCertificate,
  type SignedCertificate,
  scopeViolation,
  seniorityOf,
  verifyCertificate,
} from './certificate.js';
import {
  decodeRevocation,
  MAX_REVOCATION_BYTES,
  type Revocation,
  revocationId,
  verifyRevocation,
} from './revocation.js';
import type { TrustedKey } from './trusted-key.js';
import { MAX_MEMBERS, type MemberRecord, type NodeId } from './types.js';

export { formatTrustedKey, parseTrustedKey, type TrustedKey } from './trusted-key.js';

const SECONDS_PER_DAY = 86_400;
/** Days before its end at which a certificate is warned of. */
const EXPIRY_WARNING_DAYS = [1, 7, 30] as const;
/** Certificates whose signature need not be verified again: one a member, and its issuer's. */
const MAX_VERIFIED = 2 * MAX_MEMBERS;

/** What derived addresses follow from; the same at every node of a mesh. */
export interface Addressing {
  readonly meshId: Uint8Array;
  /** Null: no IPv4 addresses but pinned ones. */
  readonly v4Prefix: Prefix | null;
}

export type Refusal =
  /** Neither a trusted key nor a certificate by a trusted authority. */
  | 'unknown'
  | 'malformed'
  | 'bad-signature'
  /** The certificate is of another node. */
  | 'wrong-subject'
  | 'revoked'
  | 'not-yet-valid'
  | 'expired'
  | 'name-mismatch'
  /** It claims an address or a route that nothing gives it, or its issuer had no right to. */
  | 'out-of-scope';

export type Verdict = Acceptance | Denial;

export interface Acceptance {
  readonly ok: true;
  readonly by: 'key' | 'certificate';
  readonly certificate?: SignedCertificate;
  /** When the certificate, or its issuer's, ends, in seconds since 1970. */
  readonly notAfter?: number;
  /** Whole days until then. */
  readonly expiresInDays?: number;
  readonly groups: readonly string[];
  /** Addresses that were given to it, those of plain devices behind it too: they win over derived ones. */
  readonly pinned: readonly IpAddress[];
  /** `seniorityOf` its certificate; 0 if it is trusted by key. */
  readonly since: number;
}

export interface Denial {
  readonly ok: false;
  readonly reason: Refusal;
  /** For logs and status. */
  readonly detail: string;
}

export interface ExpiryWarning {
  readonly id: NodeId;
  readonly name: string;
  /** The certificate ends within so many days. */
  readonly days: (typeof EXPIRY_WARNING_DAYS)[number];
  /** Seconds since 1970. */
  readonly notAfter: number;
}

/** A certificate of a trusted authority, directly or by a delegated issuer, with verified signatures. */
interface Chain {
  readonly authority: NodeId;
  readonly leaf: SignedCertificate;
  readonly issuer: SignedCertificate | null;
}

/** What a record may claim. */
interface Grant {
  readonly name: string | null;
  readonly addresses: readonly IpAddress[];
  readonly routes: readonly Prefix[];
}

/**
 * Immutable but for revocations, which only take away. Trusting other keys is another store.
 * Times are seconds since 1970.
 */
export class TrustStore {
  readonly #crypto: MeshCrypto;
  readonly #addressing: Addressing;
  readonly #nodes = new Map<NodeId, TrustedKey>();
  readonly #authorities = new Map<NodeId, TrustedKey>();
  /** Encoded, by `revocationId`. */
  readonly #revocations = new Map<string, Uint8Array>();
  /** By `revokedKey`. */
  readonly #revoked = new Map<string, Revocation>();
  /** Revoked by any trusted authority. */
  readonly #revokedNodes = new Set<NodeId>();
  /** Hashes of certificates by a trusted key whose signature has verified; oldest first. */
  readonly #verified = new Set<string>();
  readonly #expiries = new Map<NodeId, Expiry>();
  readonly #counters: Record<string, number> = {};

  /**
   * @param trust.revocations as saved; those that are malformed, or by no authority of `keys`, are counted and left out
   */
  constructor(
    crypto: MeshCrypto,
    trust: {
      readonly keys: Iterable<TrustedKey>;
      readonly revocations: Iterable<Uint8Array>;
      readonly addressing: Addressing;
    },
  ) {
    this.#crypto = crypto;
    this.#addressing = trust.addressing;
    for (const key of trust.keys) {
      (key.kind === 'authority' ? this.#authorities : this.#nodes).set(key.id, key);
    }
    for (const revocation of trust.revocations) this.addRevocation(revocation);
  }

  nodes(): Iterable<TrustedKey> {
    return this.#nodes.values();
  }

  authorities(): Iterable<TrustedKey> {
    return this.#authorities.values();
  }

  /** Counted, and the end of its certificate noted. @param record whose signature has verified (`openRecord`) */
  judge(record: MemberRecord, nowSeconds: number): Verdict {
    const verdict = this.assess(record, nowSeconds);
    this.#count(verdict.ok ? `accepted-${verdict.by}` : `refused-${verdict.reason}`);
    if (verdict.ok && verdict.notAfter !== undefined) this.#noteExpiry(record, verdict.notAfter);
    return verdict;
  }

  /** What judge() would say, for those who only look. */
  assess(record: MemberRecord, nowSeconds: number): Verdict {
    const byCertificate =
      record.certificate.length > 0 ? this.#judgeByCertificate(record, nowSeconds) : null;
    if (byCertificate?.ok) return byCertificate;
    const key = this.#nodes.get(record.id);
    const byKey = key ? this.#judgeByKey(record, key) : null;
    if (byKey?.ok) return byKey;
    return (
      byCertificate ??
      byKey ??
      deny('unknown', 'its key is not trusted, and it has no certificate: see `weft trust add`')
    );
  }

  #judgeByKey(record: MemberRecord, key: TrustedKey): Verdict {
    if (this.#revokedNodes.has(record.id)) return deny('revoked', 'an authority revoked this node');
    const { name, groups = [], addresses = [], routes = [] } = key;
    const denial = this.#claimsBeyond(record, { name, addresses, routes });
    if (denial !== null) return denial;
    const pinned = [...addresses, ...this.#devicesBehind(record, [routes])];
    return { ok: true, by: 'key', groups, pinned, since: 0 };
  }

  #judgeByCertificate(record: MemberRecord, nowSeconds: number): Verdict {
    const chain = this.#openChain(record.certificate);
    if ('ok' in chain) return chain;
    const { leaf, issuer } = chain;
    if (leaf.subject !== record.id) {
      return deny('wrong-subject', `its certificate is of ${leaf.name} (${leaf.subject})`);
    }
    const denial = this.#refusalOf(chain, nowSeconds) ?? this.#claimsBeyond(record, leaf);
    if (denial !== null) return denial;
    const notAfter = Math.min(leaf.notAfter, issuer?.notAfter ?? leaf.notAfter);
    const grants = [leaf.routes, issuer?.canIssue?.routes ?? leaf.routes];
    return {
      ok: true,
      by: 'certificate',
      certificate: leaf,
      notAfter,
      expiresInDays: Math.floor((notAfter - nowSeconds) / SECONDS_PER_DAY),
      groups: leaf.groups,
      pinned: [...leaf.addresses, ...this.#devicesBehind(record, grants)],
      since: seniorityOf(leaf),
    };
  }

  /** Whether a certificate is by a trusted authority, valid now, and not revoked. */
  certifies(certificate: Uint8Array, nowSeconds: number): boolean {
    const chain = this.#openChain(certificate);
    return !('ok' in chain) && this.#refusalOf(chain, nowSeconds) === null;
  }

  #refusalOf(chain: Chain, nowSeconds: number): Denial | null {
    const { leaf, issuer } = chain;
    return (
      this.#revokedIn(chain) ??
      outsideValidity(leaf, nowSeconds) ??
      (issuer && outsideValidity(issuer, nowSeconds))
    );
  }

  /** Decodes, and verifies what is by a trusted authority. Says nothing of time and revocation. */
  #openChain(bytes: Uint8Array): Chain | Denial {
    const leaf = decodeCertificate(bytes);
    if (leaf === null) return deny('malformed', 'its certificate does not decode');
    if (this.#authorities.has(leaf.issuer)) {
      if (!this.#verify(bytes, leaf)) return deny('bad-signature', 'its certificate is forged');
      return { authority: leaf.issuer, leaf, issuer: null };
    }
    const delegated = leaf.issuerCertificate;
    if (delegated === undefined) return unknownAuthority(leaf.issuer);
    const issuer = decodeCertificate(delegated);
    if (issuer === null) return deny('malformed', "its issuer's certificate does not decode");
    if (!this.#authorities.has(issuer.issuer)) return unknownAuthority(issuer.issuer);
    if (issuer.subject !== leaf.issuer) {
      return deny('wrong-subject', "its issuer's certificate is of another node");
    }
    if (issuer.canIssue === undefined) {
      return deny('out-of-scope', `its issuer ${issuer.name} may not issue certificates`);
    }
    if (!this.#verify(delegated, issuer) || !this.#verify(bytes, leaf)) {
      return deny('bad-signature', "its certificate, or its issuer's, is forged");
    }
    const violation = scopeViolation(leaf, issuer.canIssue);
    if (violation !== null) return deny('out-of-scope', `its certificate: ${violation}`);
    return { authority: issuer.issuer, leaf, issuer };
  }

  #verify(bytes: Uint8Array, certificate: SignedCertificate): boolean {
    const id = toHex(this.#crypto.hash(bytes));
    if (this.#verified.has(id)) return true;
    if (!verifyCertificate(this.#crypto, certificate)) return false;
    if (this.#verified.size >= MAX_VERIFIED) dropOldest(this.#verified);
    this.#verified.add(id);
    return true;
  }

  #revokedIn(chain: Chain): Denial | null {
    for (const certificate of [chain.leaf, chain.issuer]) {
      if (certificate === null) continue;
      const revocation =
        this.#revoked.get(revokedKey(chain.authority, toHex(certificate.serial))) ??
        this.#revoked.get(revokedKey(chain.authority, certificate.subject));
      if (revocation === undefined) continue;
      const what = certificate === chain.leaf ? 'its certificate' : "its issuer's certificate";
      return deny('revoked', `${what} was revoked: ${revocation.reason || 'no reason given'}`);
    }
    return null;
  }

  #claimsBeyond(record: MemberRecord, grant: Grant): Denial | null {
    if (grant.name !== null && grant.name !== record.name) {
      return deny('name-mismatch', `it calls itself ${record.name}, but is ${grant.name}`);
    }
    for (const address of record.addresses) {
      const expected = this.#addressOf(record, address.length, grant.addresses);
      if (expected === null || addressKey(expected) !== addressKey(address)) {
        const due = expected === null ? 'none of this family' : formatAddress(expected);
        const claim = formatAddress(address);
        return deny('out-of-scope', `it claims the address ${claim}, but is due ${due}`);
      }
    }
    const beyond = record.routes.find((route) => !grant.routes.some((own) => covers(own, route)));
    if (beyond !== undefined) {
      return deny('out-of-scope', `it offers the route ${formatPrefix(beyond)} without a right to`);
    }
    return null;
  }

  /**
   * Addresses of the mesh that a record offers host routes to, and was given. A right to routes that reaches beyond the mesh,
   * such as a default route, gives none: it is not meant for members' addresses. Nor does its own address.
   * @param grants of the certificate and of its issuer's: each must give it
   */
  #devicesBehind(record: MemberRecord, grants: readonly (readonly Prefix[])[]): IpAddress[] {
    const { v4Prefix } = this.#addressing;
    if (v4Prefix === null) return [];
    const inside = grants.map((routes) => routes.filter((route) => covers(v4Prefix, route)));
    const own = record.addresses.map(addressKey);
    return hostRoutes(record)
      .filter((address) => !own.includes(addressKey(address)))
      .filter((address) => inside.every((routes) => routes.some((r) => contains(r, address))));
  }

  /** The only address of a family that a record may claim: the pinned one, else the derived one. */
  #addressOf(record: MemberRecord, length: number, pinned: readonly IpAddress[]): IpAddress | null {
    const given = pinned.find((address) => address.length === length);
    if (given !== undefined) return given;
    const { meshId, v4Prefix } = this.#addressing;
    if (length === 16) return deriveV6(this.#crypto, meshId, record.id);
    return v4Prefix && deriveV4(this.#crypto, v4Prefix, record.id, record.addressCounter);
  }

  // --- Revocations ---

  /** `foreign`: by no authority of this node's, which then neither keeps it nor passes it on. */
  addRevocation(bytes: Uint8Array): 'new' | 'known' | 'foreign' | 'bad' {
    const outcome = this.#addRevocation(bytes);
    this.#count(`revocation-${outcome}`);
    return outcome;
  }

  #addRevocation(bytes: Uint8Array): 'new' | 'known' | 'foreign' | 'bad' {
    if (bytes.length > MAX_REVOCATION_BYTES) return 'bad';
    const id = revocationId(this.#crypto, bytes);
    if (this.#revocations.has(id)) return 'known';
    const revocation = decodeRevocation(bytes);
    if (revocation === null) return 'bad';
    const { authority, subject } = revocation;
    if (!this.#authorities.has(authority)) return 'foreign';
    if (!verifyRevocation(this.#crypto, revocation)) return 'bad';
    this.#revocations.set(id, new Uint8Array(bytes));
    if (subject.kind === 'node') {
      this.#revoked.set(revokedKey(authority, subject.node), revocation);
      this.#revokedNodes.add(subject.node);
    } else {
      this.#revoked.set(revokedKey(authority, toHex(subject.serial)), revocation);
    }
    return 'new';
  }

  /** Whether an authority took back all that it says of a node. */
  isRevoked(authority: NodeId, node: NodeId): boolean {
    return this.#revoked.has(revokedKey(authority, node));
  }

  /** Encoded, in the order of arrival; unlimited. */
  revocations(): Iterable<Uint8Array> {
    return this.#revocations.values();
  }

  // --- Expiry ---

  /** Certificates that have come within 30, 7 or 1 days of their end since the last call. */
  expiryWarnings(nowSeconds: number): ExpiryWarning[] {
    const warnings: ExpiryWarning[] = [];
    for (const [id, expiry] of this.#expiries) {
      const left = expiry.notAfter - nowSeconds;
      const days = EXPIRY_WARNING_DAYS.find((limit) => left <= limit * SECONDS_PER_DAY);
      if (left <= 0) this.#expiries.delete(id);
      else if (days !== undefined && days < expiry.warnedDays) {
        expiry.warnedDays = days;
        warnings.push({ id, name: expiry.name, days, notAfter: expiry.notAfter });
      }
    }
    return warnings;
  }

  #noteExpiry({ id, name }: MemberRecord, notAfter: number): void {
    const known = this.#expiries.get(id);
    if (known?.notAfter === notAfter) return;
    if (known === undefined && this.#expiries.size >= MAX_MEMBERS) dropOldest(this.#expiries);
    this.#expiries.set(id, { name, notAfter, warnedDays: Infinity });
  }

  /** Verdicts and revocations by outcome. */
  counters(): Readonly<Record<string, number>> {
    return this.#counters;
  }

  #count(what: string): void {
    this.#counters[what] = (this.#counters[what] ?? 0) + 1;
  }
}

interface Expiry {
  readonly name: string;
  readonly notAfter: number;
  warnedDays: number;
}

/** @param subject a serial or a node, in hex: 32 digits or 64 */
function revokedKey(authority: NodeId, subject: string): string {
  return `${authority}/${subject}`;
}

function deny(reason: Refusal, detail: string): Denial {
  return { ok: false, reason, detail };
}

function unknownAuthority(authority: NodeId): Denial {
  return deny('unknown', `its certificate is by ${authority}, which is no trusted authority`);
}

function outsideValidity(certificate: SignedCertificate, nowSeconds: number): Denial | null {
  const { name, notBefore, notAfter } = certificate;
  if (nowSeconds < notBefore) {
    return deny('not-yet-valid', `the certificate of ${name} holds from ${notBefore} s on`);
  }
  return nowSeconds < notAfter ? null : deny('expired', `the certificate of ${name} has expired`);
}

function dropOldest<K>(collection: { keys(): Iterable<K>; delete(key: K): boolean }): void {
  for (const oldest of collection.keys()) {
    collection.delete(oldest);
    return;
  }
}
