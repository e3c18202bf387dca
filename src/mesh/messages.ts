// What members say to one another inside a channel (docs/protocol.md, "Gossip"): messages <-> msgpack. A packet is an array of messages, a
// message an array that begins with its type, so that news, encoded once, rides on many packets as it is. Types that
// are not known, and what follows the known fields of a message, are skipped: a later version may add both.

import type { Endpoint } from '../core/types.js';
import { decodeMsgpack, encodeMsgpack, type Msgpack } from '../wire/msgpack.js';
import { decodeEndpoint, encodeEndpoint } from '../wire/network.js';
import { NODE_ID_BYTES, nodeIdOf, publicKeyOf, SIGNATURE_BYTES } from './identity.js';
import type { Accusation, NodeId } from './types.js';

export const PROOF_NONCE_BYTES = 16;
export const PATH_NONCE_BYTES = 8;
export const MAX_FRAGMENTS = 4;

export interface ProofRequest {
  readonly requester: NodeId;
  /** 16 bytes, chosen by the requester. */
  readonly nonce: Uint8Array;
}

export interface Join {
  readonly type: 'join';
  readonly inviteId: Uint8Array;
  readonly proof: Uint8Array;
  readonly name: string;
}

export type JoinResult =
  | { readonly type: 'join-refused'; readonly inviteId: Uint8Array; readonly reason: string }
  | {
      readonly type: 'join-accepted';
      readonly inviteId: Uint8Array;
      readonly certificate: Uint8Array;
      /** Identities of the authorities that the joiner is to trust. */
      readonly authorities: readonly NodeId[];
      /** As text, such as 10.86.0.0/16; empty: no IPv4 inside the mesh. */
      readonly v4Prefix: string;
      /** The issuer's own record: whom to start with. */
      readonly payload: Uint8Array;
      readonly signature: Uint8Array;
    };

export type Message =
  /** "Are you alive?" `proofFor`: an ack is wanted that a third member can verify. */
  | {
      readonly type: 'ping';
      readonly sequence: number;
      readonly target: NodeId;
      readonly proofFor: ProofRequest | null;
    }
  /** `observed` is where the ping came from. `proof`: Ed25519 over proofPayload(), if asked for. */
  | {
      readonly type: 'ack';
      readonly sequence: number;
      readonly observed: Endpoint;
      readonly proof: Uint8Array | null;
    }
  /** "Ping `target` for me, and tell me within `waitMs` if it does not answer you." */
  | {
      readonly type: 'indirect-ping';
      readonly sequence: number;
      readonly target: NodeId;
      readonly nonce: Uint8Array;
      readonly waitMs: number;
    }
  | { readonly type: 'relayed-ack'; readonly sequence: number; readonly proof: Uint8Array }
  | { readonly type: 'nack'; readonly sequence: number }
  /** The sender's own record. `answer`: the receiver's is wanted in return. All that a stranger may say, but join. */
  | {
      readonly type: 'hello';
      readonly payload: Uint8Array;
      readonly signature: Uint8Array;
      readonly answer: boolean;
    }
  | { readonly type: 'record'; readonly payload: Uint8Array; readonly signature: Uint8Array }
  | ({ readonly type: 'accusation' } & Accusation)
  | { readonly type: 'revocation'; readonly bytes: Uint8Array }
  | { readonly type: 'digest'; readonly hash: Uint8Array }
  | { readonly type: 'buckets'; readonly hashes: Uint8Array }
  | { readonly type: 'page'; readonly bucket: number; readonly entries: Uint8Array }
  | { readonly type: 'want'; readonly keys: Uint8Array }
  /** There is more: begin again after `afterMs`; `busy`: with somebody else. */
  | { readonly type: 'more'; readonly afterMs: number; readonly busy: boolean }
  /** A piece of one message that is too large for a datagram. */
  | {
      readonly type: 'fragment';
      readonly id: number;
      readonly index: number;
      readonly count: number;
      readonly bytes: Uint8Array;
    }
  /** "Do you hear me there?" Answered by the same bytes; see path-validation.ts. */
  | { readonly type: 'path-challenge'; readonly nonce: Uint8Array }
  | { readonly type: 'path-response'; readonly nonce: Uint8Array }
  | Join
  | JoinResult;

const CODES = {
  ping: 1,
  ack: 2,
  'indirect-ping': 3,
  'relayed-ack': 4,
  nack: 5,
  hello: 6,
  record: 7,
  accusation: 8,
  revocation: 9,
  digest: 10,
  buckets: 11,
  page: 12,
  want: 13,
  more: 14,
  fragment: 15,
  join: 16,
  'join-refused': 17,
  'join-accepted': 18,
  'path-challenge': 19,
  'path-response': 20,
} as const satisfies Record<Message['type'], number>;

const MAX_UINT32 = 0xffff_ffff;
const MAX_FIELD_BYTES = 4_096;
export const MAX_AUTHORITIES = 16;
const LIMITS = { maxBytes: 8_192, maxDepth: 4, maxCount: 512 };

const PROOF_DOMAIN = new TextEncoder().encode('weft/ack/1\0');

/** What a proof signs, domain included: who asked, with which nonce. The signer is the target. */
export function proofPayload({ requester, nonce }: ProofRequest): Uint8Array {
  const payload = new Uint8Array(PROOF_DOMAIN.length + NODE_ID_BYTES + PROOF_NONCE_BYTES);
  payload.set(PROOF_DOMAIN);
  payload.set(publicKeyOf(requester), PROOF_DOMAIN.length);
  payload.set(nonce, PROOF_DOMAIN.length + NODE_ID_BYTES);
  return payload;
}

export function encodeMessage(message: Message): Uint8Array {
  return encodeMsgpack([CODES[message.type], ...fieldsOf(message)]);
}

function fieldsOf(message: Message): Msgpack[] {
  switch (message.type) {
    case 'ping': {
      const { proofFor } = message;
      const fields: Msgpack[] = [message.sequence, publicKeyOf(message.target)];
      if (proofFor !== null) fields.push(publicKeyOf(proofFor.requester), proofFor.nonce);
      return fields;
    }
    case 'ack': {
      const fields: Msgpack[] = [message.sequence, encodeEndpoint(message.observed)];
      if (message.proof !== null) fields.push(message.proof);
      return fields;
    }
    case 'indirect-ping':
      return [message.sequence, publicKeyOf(message.target), message.nonce, message.waitMs];
    case 'relayed-ack':
      return [message.sequence, message.proof];
    case 'nack':
      return [message.sequence];
    case 'hello':
      return [message.payload, message.signature, message.answer];
    case 'record':
      return [message.payload, message.signature];
    case 'accusation':
      return [
        publicKeyOf(message.target),
        message.incarnation,
        publicKeyOf(message.accuser),
        message.signature,
      ];
    case 'revocation':
      return [message.bytes];
    case 'digest':
      return [message.hash];
    case 'buckets':
      return [message.hashes];
    case 'page':
      return [message.bucket, message.entries];
    case 'want':
      return [message.keys];
    case 'more':
      return [message.afterMs, message.busy];
    case 'fragment':
      return [message.id, message.index, message.count, message.bytes];
    case 'path-challenge':
    case 'path-response':
      return [message.nonce];
    case 'join':
      return [message.inviteId, message.proof, message.name];
    case 'join-refused':
      return [message.inviteId, message.reason];
    case 'join-accepted':
      return [
        message.inviteId,
        message.certificate,
        message.authorities.map(publicKeyOf),
        message.v4Prefix,
        message.payload,
        message.signature,
      ];
  }
}

/** Bytes that joinMessages() puts before `count` messages. */
export const PACKET_HEADER_BYTES = 3;

/** A packet of messages that are encoded already: the header of an array, then its elements. */
export function joinMessages(messages: readonly Uint8Array[]): Uint8Array {
  const short = messages.length < 16;
  let length = short ? 1 : PACKET_HEADER_BYTES;
  for (const message of messages) length += message.length;
  const packet = new Uint8Array(length);
  let at: number;
  if (short) {
    packet[0] = 0x90 | messages.length;
    at = 1;
  } else {
    packet[0] = 0xdc;
    packet[1] = messages.length >> 8;
    packet[2] = messages.length & 0xff;
    at = PACKET_HEADER_BYTES;
  }
  for (const message of messages) {
    packet.set(message, at);
    at += message.length;
  }
  return packet;
}

/** Null if it is no packet, or one of its messages is malformed: a sender that is wrong once is not half believed. */
export function decodePacket(bytes: Uint8Array): Message[] | null {
  const packet = decodeMsgpack(bytes, LIMITS);
  if (!Array.isArray(packet)) return null;
  const messages: Message[] = [];
  for (const item of packet as readonly Msgpack[]) {
    const message = parseMessage(item);
    if (message === null) return null;
    if (message !== 'unknown') messages.push(message);
  }
  return messages;
}

/** Of one message alone, as fragments carry it. */
export function decodeMessage(bytes: Uint8Array): Message | null {
  const message = parseMessage(decodeMsgpack(bytes, LIMITS) ?? null);
  return message === 'unknown' ? null : message;
}

function parseMessage(item: Msgpack): Message | 'unknown' | null {
  if (!Array.isArray(item)) return null;
  const fields = new FieldList(item as readonly Msgpack[]);
  const message = readMessage(fields.uint(), fields);
  return fields.valid ? message : null;
}

function readMessage(code: number, fields: FieldList): Message | 'unknown' {
  switch (code) {
    case CODES.ping: {
      const sequence = fields.uint();
      const target = fields.nodeId();
      const proofFor = fields.atEnd
        ? null
        : { requester: fields.nodeId(), nonce: fields.bytes(PROOF_NONCE_BYTES) };
      return { type: 'ping', sequence, target, proofFor };
    }
    case CODES.ack: {
      const sequence = fields.uint();
      const observed = fields.endpoint();
      const proof = fields.atEnd ? null : fields.bytes(SIGNATURE_BYTES);
      return { type: 'ack', sequence, observed, proof };
    }
    case CODES['indirect-ping']:
      return {
        type: 'indirect-ping',
        sequence: fields.uint(),
        target: fields.nodeId(),
        nonce: fields.bytes(PROOF_NONCE_BYTES),
        waitMs: fields.uint(),
      };
    case CODES['relayed-ack']: {
      const sequence = fields.uint();
      return { type: 'relayed-ack', sequence, proof: fields.bytes(SIGNATURE_BYTES) };
    }
    case CODES.nack:
      return { type: 'nack', sequence: fields.uint() };
    case CODES.hello:
      return {
        type: 'hello',
        payload: fields.bytesUpTo(MAX_FIELD_BYTES),
        signature: fields.bytes(SIGNATURE_BYTES),
        answer: fields.flag(),
      };
    case CODES.record: {
      const payload = fields.bytesUpTo(MAX_FIELD_BYTES);
      return { type: 'record', payload, signature: fields.bytes(SIGNATURE_BYTES) };
    }
    case CODES.accusation:
      return {
        type: 'accusation',
        target: fields.nodeId(),
        incarnation: fields.uint(),
        accuser: fields.nodeId(),
        signature: fields.bytes(SIGNATURE_BYTES),
      };
    case CODES.revocation:
      return { type: 'revocation', bytes: fields.bytesUpTo(MAX_FIELD_BYTES) };
    default:
      return readRarer(code, fields);
  }
}

function readRarer(code: number, fields: FieldList): Message | 'unknown' {
  switch (code) {
    case CODES.digest:
      return { type: 'digest', hash: fields.bytesUpTo(32) };
    case CODES.buckets:
      return { type: 'buckets', hashes: fields.bytesUpTo(1_200) };
    case CODES.page: {
      const bucket = fields.uint();
      return { type: 'page', bucket, entries: fields.bytesUpTo(1_200) };
    }
    case CODES.want:
      return { type: 'want', keys: fields.bytesUpTo(1_200) };
    case CODES.more:
      return { type: 'more', afterMs: fields.uint(), busy: fields.flag() };
    case CODES.fragment: {
      const id = fields.uint();
      const index = fields.uint(MAX_FRAGMENTS - 1);
      const count = fields.uint(MAX_FRAGMENTS);
      return { type: 'fragment', id, index, count, bytes: fields.bytesUpTo(1_200) };
    }
    case CODES['path-challenge']:
      return { type: 'path-challenge', nonce: fields.bytes(PATH_NONCE_BYTES) };
    case CODES['path-response']:
      return { type: 'path-response', nonce: fields.bytes(PATH_NONCE_BYTES) };
    case CODES.join:
      return {
        type: 'join',
        inviteId: fields.bytesUpTo(32),
        proof: fields.bytesUpTo(64),
        name: fields.text(63),
      };
    case CODES['join-refused']:
      return { type: 'join-refused', inviteId: fields.bytesUpTo(32), reason: fields.word(64) };
    case CODES['join-accepted']:
      return {
        type: 'join-accepted',
        inviteId: fields.bytesUpTo(32),
        certificate: fields.bytesUpTo(MAX_FIELD_BYTES),
        authorities: fields.nodeIds(MAX_AUTHORITIES),
        v4Prefix: fields.text(18),
        payload: fields.bytesUpTo(MAX_FIELD_BYTES),
        signature: fields.bytes(SIGNATURE_BYTES),
      };
    default:
      return 'unknown';
  }
}

/** The elements of an array in order, read by type. A failure sticks, as in Reader. */
class FieldList {
  readonly #items: readonly Msgpack[];
  #at = 0;
  valid = true;

  constructor(items: readonly Msgpack[]) {
    this.#items = items;
  }

  get atEnd(): boolean {
    return this.#at >= this.#items.length;
  }

  uint(max = MAX_UINT32): number {
    const value = this.#next();
    return typeof value === 'number' && value >= 0 && value <= max ? value : this.#fail(0);
  }

  flag(): boolean {
    const value = this.#next();
    return typeof value === 'boolean' ? value : this.#fail(false);
  }

  bytes(length: number): Uint8Array {
    const value = this.bytesUpTo(length);
    return value.length === length ? value : this.#fail(value);
  }

  bytesUpTo(max: number): Uint8Array {
    const value = this.#next();
    return value instanceof Uint8Array && value.length <= max
      ? value
      : this.#fail(new Uint8Array(0));
  }

  text(max: number): string {
    const value = this.#next();
    return typeof value === 'string' && value.length <= max ? value : this.#fail('');
  }

  /** What is shown to people as it is: nothing that a terminal obeys. */
  word(max: number): string {
    const value = this.text(max);
    return /^[a-z-]*$/.test(value) ? value : this.#fail('');
  }

  nodeId(): NodeId {
    return nodeIdOf(this.bytes(NODE_ID_BYTES));
  }

  nodeIds(max: number): NodeId[] {
    const value = this.#next();
    if (!Array.isArray(value) || value.length > max) return this.#fail([]);
    const list = new FieldList(value as readonly Msgpack[]);
    const ids: NodeId[] = [];
    while (!list.atEnd) ids.push(list.nodeId());
    return list.valid ? ids : this.#fail([]);
  }

  endpoint(): Endpoint {
    const value = this.#next();
    return decodeEndpoint(value) ?? this.#fail({ address: new Uint8Array(4), port: 0, scopeId: 0 });
  }

  #next(): Msgpack {
    const value = this.#items[this.#at++];
    return value === undefined ? this.#fail(null) : value;
  }

  #fail<T>(value: T): T {
    this.valid = false;
    return value;
  }
}
