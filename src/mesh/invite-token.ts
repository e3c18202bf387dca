// Invites. The token carries a secret from the issuing node to a person and on to the joiner, who proves knowledge of it
// over the authenticated channel; the issuing node answers with a certificate.
//
//   "weft1:" | base64url( msgpack of the invite | first 4 bytes of its BLAKE2s )

import type { MeshCrypto } from '../core/crypto.js';
import { WeftError } from '../core/errors.js';
import type { Endpoint } from '../core/types.js';
import { decodeMsgpack, encodeMsgpack, Fields, type Msgpack } from '../wire/msgpack.js';
import { decodeEndpoint, encodeEndpoint } from '../wire/network.js';
import { MAX_GROUPS } from './certificate.js';
import { NODE_ID_BYTES, nodeIdOf, publicKeyOf } from './identity.js';
import { isNodeName } from './record.js';
import { MAX_ENDPOINTS, MAX_SECONDS, type NodeId } from './types.js';

export const MESH_ID_BYTES = 16;
export const MESH_KEY_BYTES = 32;
export const INVITE_ID_BYTES = 16;
export const INVITE_SECRET_BYTES = 32;

const SCHEME = 'weft1:';
const CHECKSUM_BYTES = 4;
const MAX_TOKEN_CHARACTERS = 2_048;
const LIMITS = { maxBytes: 1_024, maxDepth: 2, maxCount: 64 };
const PROOF_LABEL = new TextEncoder().encode('weft/invite/1\0');

/** What a joiner learns from the token. It holds secrets: the mesh key and the invite's own. */
export interface Invite {
  readonly meshId: Uint8Array;
  readonly meshKey: Uint8Array;
  /** The node that answers, and whose identity the channel proves. */
  readonly issuer: NodeId;
  readonly endpoints: readonly Endpoint[];
  readonly id: Uint8Array;
  readonly secret: Uint8Array;
  /** Seconds since 1970. */
  readonly expiresAt: number;
  readonly groups: readonly string[];
}

/** The token of an invite. */
export function createInvite(crypto: Pick<MeshCrypto, 'hash'>, invite: Invite): string {
  const payload = encodeMsgpack(
    new Map<string, Msgpack>([
      ['m', invite.meshId],
      ['k', invite.meshKey],
      ['i', publicKeyOf(invite.issuer)],
      ['e', invite.endpoints.map(encodeEndpoint)],
      ['n', invite.id],
      ['s', invite.secret],
      ['x', invite.expiresAt],
      ['g', invite.groups],
    ]),
  );
  const bytes = new Uint8Array(payload.length + CHECKSUM_BYTES);
  bytes.set(payload);
  bytes.set(checksum(crypto, payload), payload.length);
  return SCHEME + encodeBase64Url(bytes);
}

/**
 * @param text a token, as pasted: white space and line breaks in it do no harm
 * @throws WeftError EINVITE, which says what is wrong with the paste
 */
export function parseInvite(crypto: Pick<MeshCrypto, 'hash'>, text: string): Invite {
  const token = text.replace(/\s+/g, '');
  const fail = (message: string): never => {
    throw new WeftError('EINVITE', message);
  };
  if (token === '') fail('No invite given: paste the line that `weft invite` printed');
  if (!token.startsWith(SCHEME)) {
    fail(`This is no invite: an invite begins with "${SCHEME}" and is one line of \`weft invite\``);
  }
  const bytes = token.length <= MAX_TOKEN_CHARACTERS ? decodeBase64Url(token) : null;
  const payload = bytes?.subarray(0, -CHECKSUM_BYTES);
  const sum = bytes?.subarray(-CHECKSUM_BYTES);
  if (!payload || !sum || checksum(crypto, payload).join() !== sum.join()) {
    return fail(
      'The invite is damaged or cut off: copy it again, from its first character to its last',
    );
  }
  return (
    decodeInvite(payload) ??
    fail('The invite is of a version that this weft does not know: update it')
  );
}

function decodeInvite(payload: Uint8Array): Invite | null {
  const fields = Fields.of(decodeMsgpack(payload, LIMITS));
  const invite: Invite = {
    meshId: fields.bytes('m', MESH_ID_BYTES),
    meshKey: fields.bytes('k', MESH_KEY_BYTES),
    issuer: nodeIdOf(fields.bytes('i', NODE_ID_BYTES)),
    endpoints: fields.list('e', MAX_ENDPOINTS, decodeEndpoint),
    id: fields.bytes('n', INVITE_ID_BYTES),
    secret: fields.bytes('s', INVITE_SECRET_BYTES),
    expiresAt: fields.uint('x', MAX_SECONDS),
    groups: fields.list('g', MAX_GROUPS, (item) =>
      typeof item === 'string' && isNodeName(item) ? item : null,
    ),
  };
  return fields.valid ? invite : null;
}

/**
 * What the joiner sends over the channel: it knows the secret, and says so to this issuer in this channel only.
 * @returns HMAC-BLAKE2s of "weft/invite/1\0" | invite id | joiner | issuer, keyed by the secret
 */
export function inviteProof(
  crypto: Pick<MeshCrypto, 'hmac'>,
  invite: Pick<Invite, 'id' | 'secret' | 'issuer'>,
  joiner: NodeId,
): Uint8Array {
  const { id, secret, issuer } = invite;
  return crypto.hmac(secret, PROOF_LABEL, id, publicKeyOf(joiner), publicKeyOf(issuer));
}

function checksum(crypto: Pick<MeshCrypto, 'hash'>, payload: Uint8Array): Uint8Array {
  return crypto.hash(payload).subarray(0, CHECKSUM_BYTES);
}

function encodeBase64Url(bytes: Uint8Array): string {
  const base64 = btoa(String.fromCharCode(...bytes));
  return base64.replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
}

/** Null if what follows the scheme is not base64url. */
function decodeBase64Url(token: string): Uint8Array | null {
  const text = token.slice(SCHEME.length);
  if (!/^[A-Za-z0-9_-]*$/.test(text) || text.length % 4 === 1) return null;
  const binary = atob(text.replaceAll('-', '+').replaceAll('_', '/'));
  return Uint8Array.from(binary, (character) => character.charCodeAt(0));
}
