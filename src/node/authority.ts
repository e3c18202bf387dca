// Signing on this host: with an authority's key where there is one, else as a delegated issuer. Every certificate that
// is signed, by invite too, is kept in issued/, so that it can be listed, renewed and revoked later.

import type { MeshCrypto } from '../core/crypto.js';
import { WeftError } from '../core/errors.js';
import { toHex } from '../core/hex.js';
import type { Random } from '../core/random.js';
import type { IpAddress, Prefix } from '../core/types.js';
import {
  decodeCertificate,
  type IssuerScope,
  SERIAL_BYTES,
  type SignedCertificate,
  scopeViolation,
  signCertificate,
} from '../mesh/certificate.js';
import { createIdentity, type Identity } from '../mesh/identity.js';
import {
  decodeRevocation,
  type Revocation,
  type RevocationSubject,
  signRevocation,
} from '../mesh/revocation.js';
import { formatTrustedKey } from '../mesh/trusted-key.js';
import type { NodeId } from '../mesh/types.js';
import type { StateStore } from './state-store.js';

/** Hosts' clocks differ: a certificate holds from this long before it is signed. */
const BACKDATE_SECONDS = 3_600;

/** Who signs here. */
export interface Signer {
  readonly identity: Identity;
  /** Of a delegated issuer; null: `identity` is an authority. */
  readonly certificate: SignedCertificate | null;
  readonly certificateBytes: Uint8Array | null;
}

/** What a certificate says, but for what follows from its signer. */
export interface CertificateRequest {
  readonly subject: NodeId;
  readonly name: string;
  readonly groups: readonly string[];
  readonly addresses: readonly IpAddress[];
  readonly routes: readonly Prefix[];
  readonly lifetimeSeconds: number;
  /** Seconds since 1970; now, if not given. */
  readonly notBefore?: number | undefined;
  readonly canIssue?: IssuerScope;
}

/** From when on a certificate holds that renews this one: who has an address by its start keeps it. Undefined: anew. */
export function renewedStart(
  last: SignedCertificate,
  signer: Signer,
  nowSeconds: number,
): number | undefined {
  const goesOn = last.issuer === signer.identity.id && nowSeconds <= last.notAfter;
  return goesOn ? last.notBefore : undefined;
}

/**
 * @returns the authority of this host, else this node if its certificate lets it sign
 * @throws WeftError ENOAUTHORITY if neither
 */
export function openSigner(store: StateStore, crypto: MeshCrypto): Signer {
  const authority = store.readSeed('authority');
  if (authority !== null) {
    const identity = createIdentity(crypto, authority);
    return { identity, certificate: null, certificateBytes: null };
  }
  const seed = store.readSeed('identity');
  const certificateBytes = store.readCertificate();
  const certificate = certificateBytes.length > 0 ? decodeCertificate(certificateBytes) : null;
  if (seed !== null && certificate?.canIssue !== undefined) {
    return { identity: createIdentity(crypto, seed), certificate, certificateBytes };
  }
  throw new WeftError(
    'ENOAUTHORITY',
    `there is no ${store.seedPath('authority')}: run this where it is, or make an authority with weft authority init`,
  );
}

/** Makes an authority and trusts it here. */
export function createAuthority(
  store: StateStore,
  crypto: MeshCrypto,
  name: string,
  force: boolean,
): Identity {
  const authority = createIdentity(crypto, store.createSeed('authority', force));
  const { id } = authority;
  const key = { kind: 'authority', id, name, groups: [], addresses: [], routes: [] } as const;
  store.writeTrusted(`authority-${id.slice(0, 12)}`, formatTrustedKey(key));
  return authority;
}

/**
 * Signs a certificate and keeps a copy.
 * @throws WeftError ECERTIFICATE if nobody would accept it
 */
export function issueCertificate(
  store: StateStore,
  random: Random,
  signer: Signer,
  request: CertificateRequest,
  nowSeconds: number,
): Uint8Array {
  const { canIssue: ownScope } = signer.certificate ?? {};
  if (ownScope !== undefined) {
    const violation = scopeViolation(request, ownScope);
    if (violation !== null) throw new WeftError('ECERTIFICATE', violation);
    if (request.canIssue !== undefined) {
      throw new WeftError('ECERTIFICATE', 'a delegated issuer cannot let others issue');
    }
  }
  const { lifetimeSeconds, notBefore = nowSeconds - BACKDATE_SECONDS, ...fields } = request;
  const ownEnd = signer.certificate?.notAfter ?? Number.POSITIVE_INFINITY;
  const serial = random.bytes(SERIAL_BYTES);
  const bytes = signCertificate(signer.identity, {
    ...fields,
    serial,
    notBefore,
    notAfter: Math.min(nowSeconds + lifetimeSeconds, ownEnd),
    issuer: signer.identity.id,
    ...(signer.certificateBytes && { issuerCertificate: signer.certificateBytes }),
  });
  store.writeIssued(serial, bytes);
  return bytes;
}

/** @throws WeftError ENOAUTHORITY: only an authority revokes */
export function issueRevocation(
  store: StateStore,
  crypto: MeshCrypto,
  subject: RevocationSubject,
  reason: string,
  nowSeconds: number,
): Uint8Array {
  const signer = openSigner(store, crypto);
  if (signer.certificate !== null) {
    throw new WeftError('ENOAUTHORITY', 'only an authority revokes: run this where its key is');
  }
  return signRevocation(signer.identity, { subject, reason, issuedAt: nowSeconds });
}

/** Whether the signer's authority took back all that it says of a node, as far as this host knows. */
export function isNodeRevoked(store: StateStore, signer: Signer, node: NodeId): boolean {
  const authority = signer.certificate?.issuer ?? signer.identity.id;
  return savedRevocations(store).some(
    ({ authority: by, subject }) =>
      by === authority && subject.kind === 'node' && subject.node === node,
  );
}

/** Tells the certificates that were revoked, as far as this host knows. */
export function revokedHere(store: StateStore): (certificate: SignedCertificate) => boolean {
  const gone = new Set(
    savedRevocations(store).map(({ subject }) =>
      subject.kind === 'node' ? subject.node : toHex(subject.serial),
    ),
  );
  return ({ subject, serial }) => gone.has(subject) || gone.has(toHex(serial));
}

function savedRevocations(store: StateStore): Revocation[] {
  return store
    .readRevocations()
    .map(decodeRevocation)
    .filter((each) => each !== null);
}

/**
 * What was certified last for a node, by its name or id.
 * @throws WeftError ENONODE if it is nobody, or several go by the name
 */
export function lastCertificate(store: StateStore, wanted: string): SignedCertificate {
  const matches = issuedCertificates(store)
    .filter(({ name, subject }) => name === wanted || subject === wanted)
    .sort((a, b) => b.notAfter - a.notAfter);
  const [last] = matches;
  if (last === undefined) {
    throw new WeftError('ENONODE', `nothing was signed here for '${wanted}': weft authority ls`);
  }
  const others = new Set(matches.map(({ subject }) => subject));
  if (others.size === 1) return last;
  const ids = [...others].join(', ');
  throw new WeftError('ENONODE', `'${wanted}' was more than one node: give an id (${ids})`);
}

/** Certificates that were signed here, by hand and by invite. */
export function issuedCertificates(store: StateStore): SignedCertificate[] {
  return store
    .readIssued()
    .map(decodeCertificate)
    .filter((each) => each !== null);
}
