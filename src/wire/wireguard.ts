// The WireGuard handshake messages, types 1..3 (whitepaper 5.4.2, 5.4.3, 5.4.7), bytes <-> fields. Data packets (type 4)
// never come here: they stay in the data plane. All integers are little-endian; the type is a u32 whose upper three
// bytes are the reserved zeros.

import { Reader } from './reader.js';
import { Writer } from './writer.js';

export const INITIATION_TYPE = 1;
export const RESPONSE_TYPE = 2;
export const COOKIE_REPLY_TYPE = 3;

export const INITIATION_LENGTH = 148;
export const RESPONSE_LENGTH = 92;
export const COOKIE_REPLY_LENGTH = 64;

/** Length of mac1 and of mac2, the last two fields of an initiation and of a response. */
export const MAC_LENGTH = 16;
export const COOKIE_NONCE_LENGTH = 24;

const KEY_LENGTH = 32;
const TAG_LENGTH = 16;
const TIMESTAMP_LENGTH = 12;

/** Fields of an initiation but its macs, which cover the encoded bytes. */
export interface Initiation {
  readonly senderIndex: number;
  /** 32 bytes. */
  readonly ephemeral: Uint8Array;
  /** 32 + 16 bytes. */
  readonly encryptedStatic: Uint8Array;
  /** 12 + 16 bytes. */
  readonly encryptedTimestamp: Uint8Array;
}

/** Fields of a response but its macs. */
export interface Response {
  readonly senderIndex: number;
  readonly receiverIndex: number;
  /** 32 bytes. */
  readonly ephemeral: Uint8Array;
  /** The tag of an empty plaintext: 16 bytes. */
  readonly encryptedNothing: Uint8Array;
}

export interface CookieReply {
  readonly receiverIndex: number;
  /** 24 bytes. */
  readonly nonce: Uint8Array;
  /** 16 + 16 bytes. */
  readonly encryptedCookie: Uint8Array;
}

/** A decoded message. Its byte fields are views into the datagram. */
export type HandshakeMessage =
  | ({ readonly type: typeof INITIATION_TYPE } & Initiation)
  | ({ readonly type: typeof RESPONSE_TYPE } & Response)
  | ({ readonly type: typeof COOKIE_REPLY_TYPE } & CookieReply);

/** Null unless `bytes` is exactly one message of types 1..3. */
export function decodeHandshakeMessage(bytes: Uint8Array): HandshakeMessage | null {
  const reader = new Reader(bytes);
  const message = readMessage(reader);
  return message !== null && reader.finished ? message : null;
}

function readMessage(reader: Reader): HandshakeMessage | null {
  const type = reader.u32();
  switch (type) {
    case INITIATION_TYPE: {
      const senderIndex = reader.u32();
      const ephemeral = reader.bytes(KEY_LENGTH);
      const encryptedStatic = reader.bytes(KEY_LENGTH + TAG_LENGTH);
      const encryptedTimestamp = reader.bytes(TIMESTAMP_LENGTH + TAG_LENGTH);
      reader.bytes(2 * MAC_LENGTH);
      return { type, senderIndex, ephemeral, encryptedStatic, encryptedTimestamp };
    }
    case RESPONSE_TYPE: {
      const senderIndex = reader.u32();
      const receiverIndex = reader.u32();
      const ephemeral = reader.bytes(KEY_LENGTH);
      const encryptedNothing = reader.bytes(TAG_LENGTH);
      reader.bytes(2 * MAC_LENGTH);
      return { type, senderIndex, receiverIndex, ephemeral, encryptedNothing };
    }
    case COOKIE_REPLY_TYPE: {
      const receiverIndex = reader.u32();
      const nonce = reader.bytes(COOKIE_NONCE_LENGTH);
      const encryptedCookie = reader.bytes(MAC_LENGTH + TAG_LENGTH);
      return { type, receiverIndex, nonce, encryptedCookie };
    }
    default:
      return null;
  }
}

/** 148 bytes, the macs zero. */
export function encodeInitiation(message: Initiation): Uint8Array {
  return new Writer(INITIATION_LENGTH)
    .u32(INITIATION_TYPE)
    .u32(message.senderIndex)
    .put(message.ephemeral)
    .put(message.encryptedStatic)
    .put(message.encryptedTimestamp).bytes;
}

/** 92 bytes, the macs zero. */
export function encodeResponse(message: Response): Uint8Array {
  return new Writer(RESPONSE_LENGTH)
    .u32(RESPONSE_TYPE)
    .u32(message.senderIndex)
    .u32(message.receiverIndex)
    .put(message.ephemeral)
    .put(message.encryptedNothing).bytes;
}

/** 64 bytes. */
export function encodeCookieReply(message: CookieReply): Uint8Array {
  return new Writer(COOKIE_REPLY_LENGTH)
    .u32(COOKIE_REPLY_TYPE)
    .u32(message.receiverIndex)
    .put(message.nonce)
    .put(message.encryptedCookie).bytes;
}

/** The two macs at the end of an encoded initiation or response, and what each covers: views, not copies. */
export interface MacFields {
  readonly mac1: Uint8Array;
  readonly mac1Covers: Uint8Array;
  readonly mac2: Uint8Array;
  readonly mac2Covers: Uint8Array;
}

export function macFields(message: Uint8Array): MacFields {
  const mac2At = message.length - MAC_LENGTH;
  const mac1At = mac2At - MAC_LENGTH;
  return {
    mac1: message.subarray(mac1At, mac2At),
    mac1Covers: message.subarray(0, mac1At),
    mac2: message.subarray(mac2At),
    mac2Covers: message.subarray(0, mac2At),
  };
}
