// Who a node is: an Ed25519 key pair, of which the WireGuard key is the Montgomery form. Everything the mesh signs is
// signed by one of these, over a domain of its own: a signature of one kind is never one of another.

import type { MeshCrypto, SigningKey } from '../core/crypto.js';
import { fromHex, toHex } from '../core/hex.js';
import type { PublicKey } from '../core/types.js';
import type { NodeId } from './types.js';

export const NODE_ID_BYTES = 32;
export const SIGNATURE_BYTES = 64;

export interface Identity {
  readonly id: NodeId;
  readonly key: SigningKey;
}

/** @param seed 32 bytes, the private key of RFC 8032 */
export function createIdentity(crypto: MeshCrypto, seed: Uint8Array): Identity {
  const key = crypto.importSigningKey(seed);
  return { id: nodeIdOf(key.publicKey), key };
}

/** @param publicKey Ed25519, 32 bytes */
export function nodeIdOf(publicKey: Uint8Array): NodeId {
  return toHex(publicKey) as NodeId;
}

export function publicKeyOf(id: NodeId): Uint8Array {
  return fromHex(id) ?? new Uint8Array(NODE_ID_BYTES);
}

/** Null if `text` is not 64 hex digits; it may still be no point of the curve. */
export function parseNodeId(text: string): NodeId | null {
  return /^[0-9a-f]{64}$/i.test(text) ? (text.toLowerCase() as NodeId) : null;
}

/** What WireGuard calls this node; null if the identity is no valid key. */
export function wireGuardKeyOf(crypto: MeshCrypto, id: NodeId): PublicKey | null {
  const key = crypto.agreementPublicKey(publicKeyOf(id));
  return key && (toHex(key) as PublicKey);
}

/** What a signature covers. */
export type SigningDomain = 'record' | 'accusation' | 'certificate' | 'revocation';

const DOMAINS: Readonly<Record<SigningDomain, Uint8Array>> = {
  record: domain('record'),
  accusation: domain('accusation'),
  certificate: domain('certificate'),
  revocation: domain('revocation'),
};

function domain(name: SigningDomain): Uint8Array {
  return new TextEncoder().encode(`weft/${name}/1\0`);
}

/** @returns Ed25519 over "weft/NAME/1\0" | payload, 64 bytes */
export function signIn(domain: SigningDomain, identity: Identity, payload: Uint8Array): Uint8Array {
  return identity.key.sign(inDomain(domain, payload));
}

/** signature | payload: a signed document, as it is kept and passed on. */
export function signDocument(
  domain: SigningDomain,
  identity: Identity,
  payload: Uint8Array,
): Uint8Array {
  const bytes = new Uint8Array(SIGNATURE_BYTES + payload.length);
  bytes.set(signIn(domain, identity, payload));
  bytes.set(payload, SIGNATURE_BYTES);
  return bytes;
}

/** Copies of the two parts of a signed document; nothing is verified. Null: it is none, or longer than `maxBytes`. */
export function splitDocument(
  bytes: Uint8Array,
  maxBytes: number,
): { signature: Uint8Array; payload: Uint8Array } | null {
  if (bytes.length > maxBytes || bytes.length < SIGNATURE_BYTES) return null;
  const signature = bytes.slice(0, SIGNATURE_BYTES);
  return { signature, payload: bytes.slice(SIGNATURE_BYTES) };
}

export function verifyIn(
  domain: SigningDomain,
  crypto: MeshCrypto,
  signer: NodeId,
  payload: Uint8Array,
  signature: Uint8Array,
): boolean {
  if (signature.length !== SIGNATURE_BYTES) return false;
  return crypto.verify(publicKeyOf(signer), inDomain(domain, payload), signature);
}

function inDomain(domain: SigningDomain, payload: Uint8Array): Uint8Array {
  const prefix = DOMAINS[domain];
  const message = new Uint8Array(prefix.length + payload.length);
  message.set(prefix);
  message.set(payload, prefix.length);
  return message;
}
