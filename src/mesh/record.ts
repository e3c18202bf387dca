// A member's record as its owner signs it, and accusations as their accuser does. What comes from the network is
// decoded, bounded and verified here; whether its owner is trusted is trust.ts's question.

import type { MeshCrypto } from '../core/crypto.js';
import type { IpAddress } from '../core/types.js';
import { decodeMsgpack, encodeMsgpack, Fields, type Msgpack } from '../wire/msgpack.js';
import {
  decodeEndpoint,
  decodeIpAddress,
  decodePrefix,
  encodeEndpoint,
  encodePrefix,
} from '../wire/network.js';
import { Writer } from '../wire/writer.js';
import { isContactable } from './endpoints.js';
import {
  type Identity,
  NODE_ID_BYTES,
  nodeIdOf,
  publicKeyOf,
  SIGNATURE_BYTES,
  signIn,
  verifyIn,
} from './identity.js';
import {
  type Accusation,
  MAX_CAPABILITIES,
  MAX_CAPABILITY_BYTES,
  MAX_CERTIFICATE_BYTES,
  MAX_ENDPOINTS,
  MAX_NAME_BYTES,
  MAX_ROUTES,
  type MemberRecord,
  type NodeId,
  type SignedRecord,
} from './types.js';

export const MAX_INCARNATION = 0xffff_ffff;
export const MAX_ADDRESS_COUNTER = 0xffff;

/** Bytes of a record's payload: every field at its bound. */
const MAX_RECORD_BYTES = 4_096;
const LIMITS = { maxBytes: MAX_RECORD_BYTES, maxDepth: 2, maxCount: 128 };

/** A DNS label (RFC 1035, 2.3.1; RFC 1123, 2.1) in lower case. */
export function isNodeName(name: string): boolean {
  return name.length <= MAX_NAME_BYTES && /^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?$/.test(name);
}

/**
 * @param record its id is the identity's
 * @throws RangeError if it exceeds the bounds of types.ts, so that nobody would take it
 */
export function signRecord(identity: Identity, record: MemberRecord): SignedRecord {
  const payload = encodeRecord(record);
  if (record.id !== identity.id || decodeRecord(payload) === null) {
    throw new RangeError('This record would not decode at a member');
  }
  return { record, payload, signature: signIn('record', identity, payload) };
}

/** Null unless it decodes, keeps the bounds, and is signed by the identity it is about. */
export function openRecord(
  crypto: MeshCrypto,
  payload: Uint8Array,
  signature: Uint8Array,
): SignedRecord | null {
  const record = decodeRecord(payload);
  return record && verifyRecord(crypto, { record, payload, signature });
}

/** Null unless it is signed by the identity it is about. `record` is what `payload` decodes to. */
export function verifyRecord(crypto: MeshCrypto, signed: SignedRecord): SignedRecord | null {
  const { record, payload, signature } = signed;
  return verifyIn('record', crypto, record.id, payload, signature) ? signed : null;
}

/** msgpack map, see docs/protocol.md. Empty lists, zero and false are left out. */
function encodeRecord(record: MemberRecord): Uint8Array {
  const fields = new Map<string, Msgpack>([
    ['id', publicKeyOf(record.id)],
    ['i', record.incarnation],
    ['n', record.name],
  ]);
  const put = (key: string, items: readonly Msgpack[]) => {
    if (items.length > 0) fields.set(key, items);
  };
  put('e', record.endpoints.map(encodeEndpoint));
  put('a', record.addresses);
  if (record.addressCounter !== 0) fields.set('k', record.addressCounter);
  put('r', record.routes.map(encodePrefix));
  put('c', record.capabilities);
  if (record.certificate.length > 0) fields.set('x', record.certificate);
  if (record.left) fields.set('l', true);
  return encodeMsgpack(fields);
}

/** Nothing is verified: tells only whether openRecord() is worth its signature check. */
export function decodeRecord(payload: Uint8Array): MemberRecord | null {
  const fields = Fields.of(decodeMsgpack(payload, LIMITS));
  const listOf = <T>(key: string, max: number, decode: (item: Msgpack) => T | null): T[] =>
    fields.has(key) ? fields.list(key, max, decode) : [];
  const record: MemberRecord = {
    id: nodeIdOf(fields.bytes('id', NODE_ID_BYTES)),
    incarnation: fields.uint('i', MAX_INCARNATION),
    name: fields.text('n', MAX_NAME_BYTES),
    // what cannot be its own is as if it were not there: nobody is sent there
    endpoints: listOf('e', MAX_ENDPOINTS, decodeEndpoint).filter(isContactable),
    addresses: listOf('a', 2, decodeIpAddress),
    addressCounter: fields.has('k') ? fields.uint('k', MAX_ADDRESS_COUNTER) : 0,
    routes: listOf('r', MAX_ROUTES, decodePrefix),
    capabilities: listOf('c', MAX_CAPABILITIES, decodeCapability),
    certificate: fields.has('x') ? fields.bytesUpTo('x', MAX_CERTIFICATE_BYTES) : new Uint8Array(0),
    left: fields.has('l') && fields.flag('l'),
  };
  if (!isNodeName(record.name) || sameFamily(record.addresses)) return null;
  return fields.valid ? record : null;
}

/** How a record begins whose `id` is written first, as encodeRecord() does: after the byte that counts the entries. */
const ID_ENTRY = [0xa2, 0x69, 0x64, 0xc4, NODE_ID_BYTES];
const ID_AT = 1 + ID_ENTRY.length;

/** Whose record this is, at a hundredth of the cost of decodeRecord(). Says nothing of what follows; null: no record. */
export function recordId(payload: Uint8Array): NodeId | null {
  const idFirst =
    payload.length >= ID_AT + NODE_ID_BYTES &&
    ((payload[0] ?? 0) & 0xf0) === 0x80 &&
    ID_ENTRY.every((byte, i) => byte === payload[1 + i]);
  if (!idFirst) return decodeRecord(payload)?.id ?? null;
  return nodeIdOf(payload.subarray(ID_AT, ID_AT + NODE_ID_BYTES));
}

function decodeCapability(value: Msgpack): string | null {
  if (typeof value !== 'string' || value.length > MAX_CAPABILITY_BYTES) return null;
  return /^[a-z0-9][a-z0-9./-]*$/.test(value) ? value : null;
}

function sameFamily(addresses: readonly IpAddress[]): boolean {
  return addresses.length === 2 && addresses[0]?.length === addresses[1]?.length;
}

export function signAccusation(
  identity: Identity,
  target: NodeId,
  incarnation: number,
): Accusation {
  const payload = accusationPayload(target, incarnation, identity.id);
  const signature = signIn('accusation', identity, payload);
  return { target, incarnation, accuser: identity.id, signature };
}

export function verifyAccusation(crypto: MeshCrypto, accusation: Accusation): boolean {
  const { target, incarnation, accuser, signature } = accusation;
  if (signature.length !== SIGNATURE_BYTES) return false;
  const payload = accusationPayload(target, incarnation, accuser);
  return verifyIn('accusation', crypto, accuser, payload, signature);
}

/** target | incarnation u32 LE | accuser */
function accusationPayload(target: NodeId, incarnation: number, accuser: NodeId): Uint8Array {
  return new Writer(2 * NODE_ID_BYTES + 4)
    .put(publicKeyOf(target))
    .u32(incarnation)
    .put(publicKeyOf(accuser)).bytes;
}
