// Revocations: an authority takes back one certificate, or all it ever said of a node. They are gossiped and kept for
// ever, known by the hash of their bytes.
//
//   bytes = Ed25519 signature (64) | msgpack of the revocation

import type { MeshCrypto } from '../core/crypto.js';
import { WeftError } from '../core/errors.js';
import { toHex } from '../core/hex.js';
import { decodeMsgpack, encodeMsgpack, Fields, type Msgpack } from '../wire/msgpack.js';
import { SERIAL_BYTES } from './certificate.js';
import {
  type Identity,
  NODE_ID_BYTES,
  nodeIdOf,
  publicKeyOf,
  signDocument,
  splitDocument,
  verifyIn,
} from './identity.js';
import { MAX_SECONDS, type NodeId } from './types.js';

const MAX_REASON_BYTES = 128;
export const MAX_REVOCATION_BYTES = 384;

export type RevocationSubject =
  /** One certificate, and what it let its subject issue. */
  | { readonly kind: 'certificate'; readonly serial: Uint8Array }
  /** A node: its certificates, what it issued, and trust in its key. */
  | { readonly kind: 'node'; readonly node: NodeId };

export interface Revocation {
  readonly authority: NodeId;
  readonly subject: RevocationSubject;
  /** For people; at most 128 bytes, no control characters. */
  readonly reason: string;
  /** Seconds since 1970. */
  readonly issuedAt: number;
}

export interface SignedRevocation extends Revocation {
  readonly payload: Uint8Array;
  readonly signature: Uint8Array;
}

/** @throws WeftError EREVOCATION if nobody would take it: the reason is too long, or not one line */
export function signRevocation(
  authority: Identity,
  revocation: Omit<Revocation, 'authority'>,
): Uint8Array {
  const payload = encodeRevocation({ ...revocation, authority: authority.id });
  const bytes = signDocument('revocation', authority, payload);
  if (decodeRevocation(bytes) === null) {
    throw new WeftError(
      'EREVOCATION',
      `A reason is one line of at most ${MAX_REASON_BYTES} bytes: shorten it`,
    );
  }
  return bytes;
}

/** Null unless it decodes and keeps the bounds. Nothing is verified. */
export function decodeRevocation(bytes: Uint8Array): SignedRevocation | null {
  const document = splitDocument(bytes, MAX_REVOCATION_BYTES);
  if (document === null) return null;
  const fields = Fields.of(
    decodeMsgpack(document.payload, { maxBytes: MAX_REVOCATION_BYTES, maxDepth: 1, maxCount: 32 }),
  );
  const subject: RevocationSubject = fields.has('q')
    ? { kind: 'certificate', serial: fields.bytes('q', SERIAL_BYTES) }
    : { kind: 'node', node: nodeIdOf(fields.bytes('n', NODE_ID_BYTES)) };
  const revocation: SignedRevocation = {
    authority: nodeIdOf(fields.bytes('a', NODE_ID_BYTES)),
    subject,
    reason: fields.text('r', MAX_REASON_BYTES),
    issuedAt: fields.uint('t', MAX_SECONDS),
    ...document,
  };
  if (fields.has('q') && fields.has('n')) return null;
  // it ends up on terminals
  if (/\p{Cc}/u.test(revocation.reason)) return null;
  return fields.valid ? revocation : null;
}

/** By the authority it names; whether that one is trusted is trust.ts's question. */
export function verifyRevocation(crypto: MeshCrypto, revocation: SignedRevocation): boolean {
  const { authority, payload, signature } = revocation;
  return verifyIn('revocation', crypto, authority, payload, signature);
}

/** What a revocation is known by: BLAKE2s-256 of its bytes, in hex. */
export function revocationId(crypto: MeshCrypto, bytes: Uint8Array): string {
  return toHex(crypto.hash(bytes));
}

function encodeRevocation(revocation: Revocation): Uint8Array {
  const { authority, subject, reason, issuedAt } = revocation;
  return encodeMsgpack(
    new Map<string, Msgpack>([
      ['a', publicKeyOf(authority)],
      subject.kind === 'node' ? ['n', publicKeyOf(subject.node)] : ['q', subject.serial],
      ['r', reason],
      ['t', issuedAt],
    ]),
  );
}
