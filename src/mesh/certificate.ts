// Certificates: what an authority says of a node. An authority may let a node issue too, within a scope; there the chain
// ends. A certificate travels in its subject's record, the certificate of a delegated issuer inside it.
//
//   bytes = Ed25519 signature (64) | msgpack of the certificate

import { formatAddress, formatPrefix } from '../core/address.js';
import type { MeshCrypto } from '../core/crypto.js';
import { WeftError } from '../core/errors.js';
import { contains, covers } from '../core/network.js';
import type { IpAddress, Prefix } from '../core/types.js';
import { decodeMsgpack, encodeMsgpack, Fields, type Msgpack } from '../wire/msgpack.js';
import { decodeIpAddress, decodePrefix, encodePrefix } from '../wire/network.js';
import {
  type Identity,
  NODE_ID_BYTES,
  nodeIdOf,
  publicKeyOf,
  signDocument,
  splitDocument,
  verifyIn,
} from './identity.js';
import { isNodeName } from './record.js';
import {
  MAX_CERTIFICATE_BYTES,
  MAX_NAME_BYTES,
  MAX_ROUTES,
  MAX_SECONDS,
  type NodeId,
} from './types.js';

export const SERIAL_BYTES = 16;
export const MAX_GROUPS = 16;
const MAX_SCOPE_ITEMS = 16;
/** What a delegated issuer signed counts from so much later on: behind all that an authority signed. */
const BEHIND_AUTHORITIES = MAX_SECONDS + 1;

/** What a delegated issuer may put into certificates. An empty list permits nothing of its kind. */
export interface IssuerScope {
  /** Names, or patterns with one `*` for any characters: `*`, `lab-*`. */
  readonly names: readonly string[];
  /** Groups; `*` = any. */
  readonly groups: readonly string[];
  /** Routes within these. */
  readonly routes: readonly Prefix[];
  /** Pinned addresses within these. */
  readonly addresses: readonly Prefix[];
}

/** Times are seconds since 1970: valid from `notBefore` on, up to and without `notAfter`. */
export interface Certificate {
  readonly subject: NodeId;
  readonly name: string;
  readonly groups: readonly string[];
  /** At most one of each family. Its subject has these and no derived address of that family. */
  readonly addresses: readonly IpAddress[];
  /** Prefixes within which its subject may offer routes. */
  readonly routes: readonly Prefix[];
  readonly notBefore: number;
  readonly notAfter: number;
  /** 16 random bytes: what a revocation names. */
  readonly serial: Uint8Array;
  readonly issuer: NodeId;
  /** Its subject is a delegated issuer. */
  readonly canIssue?: IssuerScope;
  /** The delegated issuer's certificate by the authority, if `issuer` is one. */
  readonly issuerCertificate?: Uint8Array;
}

/** A certificate as it was signed. */
export interface SignedCertificate extends Certificate {
  readonly payload: Uint8Array;
  readonly signature: Uint8Array;
}

/**
 * @param certificate its `issuer` is the identity's
 * @throws WeftError ECERTIFICATE if nobody would take it: too large, a bad name, an empty validity
 */
export function signCertificate(issuer: Identity, certificate: Certificate): Uint8Array {
  const bytes = signDocument('certificate', issuer, encodeCertificate(certificate));
  if (bytes.length > MAX_CERTIFICATE_BYTES) {
    throw new WeftError(
      'ECERTIFICATE',
      `The certificate has ${bytes.length} bytes, more than ${MAX_CERTIFICATE_BYTES}: give it fewer routes or groups`,
    );
  }
  if (certificate.issuer !== issuer.id || decodeCertificate(bytes) === null) {
    throw new WeftError(
      'ECERTIFICATE',
      `No node would accept this certificate for "${certificate.name}": check name, groups, addresses, routes and validity`,
    );
  }
  return bytes;
}

/** Null unless it decodes and keeps the bounds. Nothing is verified: see `verifyCertificate`. */
export function decodeCertificate(bytes: Uint8Array): SignedCertificate | null {
  const document = splitDocument(bytes, MAX_CERTIFICATE_BYTES);
  const certificate = document && decodePayload(document.payload);
  return certificate && { ...certificate, ...document };
}

/** The signature alone: whether its issuer may is trust.ts's question. */
export function verifyCertificate(crypto: MeshCrypto, certificate: SignedCertificate): boolean {
  const { issuer, payload, signature } = certificate;
  return verifyIn('certificate', crypto, issuer, payload, signature);
}

/**
 * Ranks subjects that claim one address: the lower comes first. Seconds since 1970 from which the certificate holds. A
 * delegated issuer's word counts behind an authority's, and from its own certificate on at the earliest: it dates what it
 * signs as it likes.
 */
export function seniorityOf({ notBefore, issuerCertificate }: Certificate): number {
  if (issuerCertificate === undefined) return notBefore;
  const issuerSince = decodeCertificate(issuerCertificate)?.notBefore ?? 0;
  return BEHIND_AUTHORITIES + Math.max(notBefore, issuerSince);
}

function encodeCertificate(certificate: Certificate): Uint8Array {
  const fields = new Map<string, Msgpack>([
    ['s', publicKeyOf(certificate.subject)],
    ['n', certificate.name],
    ['g', certificate.groups],
    ['a', certificate.addresses],
    ['r', certificate.routes.map(encodePrefix)],
    ['b', certificate.notBefore],
    ['e', certificate.notAfter],
    ['q', certificate.serial],
    ['i', publicKeyOf(certificate.issuer)],
  ]);
  if (certificate.canIssue) fields.set('d', encodeScope(certificate.canIssue));
  if (certificate.issuerCertificate) fields.set('c', certificate.issuerCertificate);
  return encodeMsgpack(fields);
}

function encodeScope(scope: IssuerScope): Msgpack {
  return new Map<string, Msgpack>([
    ['n', scope.names],
    ['g', scope.groups],
    ['r', scope.routes.map(encodePrefix)],
    ['a', scope.addresses.map(encodePrefix)],
  ]);
}

const LIMITS = { maxBytes: MAX_CERTIFICATE_BYTES, maxDepth: 3, maxCount: 256 };

function decodePayload(payload: Uint8Array): Certificate | null {
  const fields = Fields.of(decodeMsgpack(payload, LIMITS));
  const certificate: Certificate = {
    subject: nodeIdOf(fields.bytes('s', NODE_ID_BYTES)),
    name: fields.text('n', MAX_NAME_BYTES),
    groups: fields.list('g', MAX_GROUPS, decodeGroup),
    addresses: fields.list('a', 2, decodeIpAddress),
    routes: fields.list('r', MAX_ROUTES, decodePrefix),
    notBefore: fields.uint('b', MAX_SECONDS),
    notAfter: fields.uint('e', MAX_SECONDS),
    serial: fields.bytes('q', SERIAL_BYTES),
    issuer: nodeIdOf(fields.bytes('i', NODE_ID_BYTES)),
    ...(fields.has('d') && { canIssue: fields.value('d', NO_SCOPE, decodeScope) }),
    ...(fields.has('c') && { issuerCertificate: fields.bytesUpTo('c', MAX_CERTIFICATE_BYTES) }),
  };
  const { addresses, name, notBefore, notAfter } = certificate;
  if (!isNodeName(name) || notBefore >= notAfter) return null;
  if (addresses.length === 2 && addresses[0]?.length === addresses[1]?.length) return null;
  // one level: who was let issue cannot let others
  if (certificate.canIssue && certificate.issuerCertificate) return null;
  return fields.valid ? certificate : null;
}

const NO_SCOPE: IssuerScope = { names: [], groups: [], routes: [], addresses: [] };

function decodeScope(value: Msgpack): IssuerScope | null {
  const fields = Fields.of(value);
  const scope: IssuerScope = {
    names: fields.list('n', MAX_SCOPE_ITEMS, decodePattern),
    groups: fields.list('g', MAX_GROUPS, (item) => (item === '*' ? item : decodeGroup(item))),
    routes: fields.list('r', MAX_SCOPE_ITEMS, decodePrefix),
    addresses: fields.list('a', MAX_SCOPE_ITEMS, decodePrefix),
  };
  return fields.valid ? scope : null;
}

function decodeGroup(value: Msgpack): string | null {
  return typeof value === 'string' && isNodeName(value) ? value : null;
}

function decodePattern(value: Msgpack): string | null {
  return typeof value === 'string' && isNamePattern(value) ? value : null;
}

/** Letters, digits and hyphens with at most one `*`. */
export function isNamePattern(text: string): boolean {
  return text.length > 0 && text.length <= MAX_NAME_BYTES && /^[a-z0-9-]*\*?[a-z0-9-]*$/.test(text);
}

function matches(pattern: string, name: string): boolean {
  const star = pattern.indexOf('*');
  if (star < 0) return pattern === name;
  const [head, tail] = [pattern.slice(0, star), pattern.slice(star + 1)];
  return name.length >= head.length + tail.length && name.startsWith(head) && name.endsWith(tail);
}

/**
 * What the issuer's scope does not permit, for a person to read; null if it permits all of it.
 * @param certificate its name may be null: not known yet
 */
export function scopeViolation(
  certificate: Pick<Certificate, 'groups' | 'routes' | 'addresses'> & { name: string | null },
  scope: IssuerScope,
): string | null {
  const { name, groups, routes, addresses } = certificate;
  if (name !== null && !scope.names.some((pattern) => matches(pattern, name))) {
    return `name ${name} is outside of its issuer's scope`;
  }
  const anyGroup = scope.groups.includes('*');
  const group = groups.find((other) => !anyGroup && !scope.groups.includes(other));
  if (group !== undefined) return `group ${group} is outside of its issuer's scope`;
  const route = routes.find((inner) => !scope.routes.some((outer) => covers(outer, inner)));
  if (route !== undefined) return `route ${formatPrefix(route)} is outside of its issuer's scope`;
  const pinned = addresses.find((ip) => !scope.addresses.some((outer) => contains(outer, ip)));
  if (pinned !== undefined) {
    return `address ${formatAddress(pinned)} is outside of its issuer's scope`;
  }
  return null;
}
