// Headers of gossip datagrams, which share WireGuard's UDP port (docs/protocol.md, "Gossip"), bytes <-> fields. The first
// byte tells them apart: 0x80 and above, which neither WireGuard (1..4) nor STUN (0..3) begins with. All integers are
// little-endian; the type is a u32 whose upper three bytes are zero. Lengths are exact but for data.

import { Reader } from './reader.js';
import { Writer } from './writer.js';

/** First bytes from this one on are the mesh's. */
export const FIRST_GOSSIP_BYTE = 0x80;

export const HELLO_TYPE = 0x80;
export const COOKIE_TYPE = 0x81;
export const ACCEPT_TYPE = 0x82;
export const DATA_TYPE = 0x83;
export const UNKNOWN_TYPE = 0x84;

export const TOKEN_LENGTH = 8;
export const NONCE_LENGTH = 24;
export const COOKIE_LENGTH = 16;
export const MAC_LENGTH = 16;
const TAG_LENGTH = 16;
const ID_LENGTH = 32;

export const HELLO_LENGTH =
  4 + TOKEN_LENGTH + NONCE_LENGTH + ID_LENGTH + 2 * TAG_LENGTH + COOKIE_LENGTH;
export const COOKIE_REPLY_LENGTH = 4 + TOKEN_LENGTH + COOKIE_LENGTH + MAC_LENGTH;
export const ACCEPT_LENGTH = 4 + TOKEN_LENGTH + NONCE_LENGTH + TOKEN_LENGTH + TAG_LENGTH;
export const UNKNOWN_LENGTH = 4 + TOKEN_LENGTH + MAC_LENGTH;
export const DATA_HEADER_LENGTH = 16;

/** With headers of IPv6 and UDP a full data datagram has 1,280 bytes, the least MTU that IPv6 allows (RFC 8200, 5). */
export const MAX_PLAINTEXT = 1_200;
export const MAX_DATA_LENGTH = DATA_HEADER_LENGTH + MAX_PLAINTEXT + TAG_LENGTH;

/** The name of one direction of a session, chosen by the one who receives by it. */
export interface Token {
  /** u32: finds the session. */
  readonly index: number;
  /** u32: proves to the chooser, even after a restart, that it was chosen by it. */
  readonly check: number;
}

/** Asks for a session. All of its bytes but the cookie stay the same when it is repeated. */
export interface Hello {
  readonly token: Token;
  /** 24 bytes. */
  readonly nonce: Uint8Array;
  /** 32 + 16 bytes. */
  readonly encryptedSender: Uint8Array;
  /** 16 bytes: the tag of an empty plaintext. */
  readonly proof: Uint8Array;
  /** 16 bytes; zero without a cookie. */
  readonly cookie: Uint8Array;
}

/** Answers a hello whose cookie is missing or wrong. */
export interface Cookie {
  /** Of the hello. */
  readonly token: Token;
  readonly cookie: Uint8Array;
  readonly mac: Uint8Array;
}

/** Answers a hello whose sender has proven itself. */
export interface Accept {
  /** Of the hello. */
  readonly token: Token;
  /** 24 bytes. */
  readonly nonce: Uint8Array;
  /** 8 + 16 bytes. */
  readonly encryptedToken: Uint8Array;
}

export interface Data {
  readonly token: Token;
  /** u32. */
  readonly counter: number;
  /** The first 16 bytes of the datagram: type, token and counter. */
  readonly header: Uint8Array;
  readonly sealed: Uint8Array;
}

/** Answers data whose token was chosen by the sender of this, which has no session for it any more. */
export interface Unknown {
  /** Of the data. */
  readonly token: Token;
  readonly mac: Uint8Array;
}

/** A decoded datagram. Its byte fields are views into it. */
export type GossipDatagram =
  | ({ readonly type: typeof HELLO_TYPE } & Hello)
  | ({ readonly type: typeof COOKIE_TYPE } & Cookie)
  | ({ readonly type: typeof ACCEPT_TYPE } & Accept)
  | ({ readonly type: typeof DATA_TYPE } & Data)
  | ({ readonly type: typeof UNKNOWN_TYPE } & Unknown);

/** Null unless `bytes` is exactly one gossip datagram. */
export function decodeGossip(bytes: Uint8Array): GossipDatagram | null {
  if (bytes.length > MAX_DATA_LENGTH) return null;
  const reader = new Reader(bytes);
  const datagram = readDatagram(reader, bytes);
  return datagram !== null && reader.finished ? datagram : null;
}

function readDatagram(reader: Reader, bytes: Uint8Array): GossipDatagram | null {
  const type = reader.u32();
  const token = { index: reader.u32(), check: reader.u32() };
  switch (type) {
    case HELLO_TYPE: {
      const nonce = reader.bytes(NONCE_LENGTH);
      const encryptedSender = reader.bytes(ID_LENGTH + TAG_LENGTH);
      const proof = reader.bytes(TAG_LENGTH);
      const cookie = reader.bytes(COOKIE_LENGTH);
      return { type, token, nonce, encryptedSender, proof, cookie };
    }
    case COOKIE_TYPE: {
      const cookie = reader.bytes(COOKIE_LENGTH);
      return { type, token, cookie, mac: reader.bytes(MAC_LENGTH) };
    }
    case ACCEPT_TYPE: {
      const nonce = reader.bytes(NONCE_LENGTH);
      return { type, token, nonce, encryptedToken: reader.bytes(TOKEN_LENGTH + TAG_LENGTH) };
    }
    case DATA_TYPE: {
      const counter = reader.u32();
      const sealedLength = Math.max(bytes.length - DATA_HEADER_LENGTH, TAG_LENGTH);
      const sealed = reader.bytes(sealedLength);
      return { type, token, counter, header: bytes.subarray(0, DATA_HEADER_LENGTH), sealed };
    }
    case UNKNOWN_TYPE:
      return { type, token, mac: reader.bytes(MAC_LENGTH) };
    default:
      return null;
  }
}

/** 8 bytes. */
export function encodeToken(token: Token): Uint8Array {
  return new Writer(TOKEN_LENGTH).u32(token.index).u32(token.check).bytes;
}

/** @param bytes 8 bytes */
export function decodeToken(bytes: Uint8Array): Token {
  const reader = new Reader(bytes);
  return { index: reader.u32(), check: reader.u32() };
}

/** 116 bytes; the fields after the nonce are zero. */
export function encodeHello(token: Token, nonce: Uint8Array): Uint8Array {
  return header(HELLO_LENGTH, HELLO_TYPE, token).put(nonce).bytes;
}

/** The later fields of an encoded hello and what the seals cover: views, not copies. */
export interface HelloFields {
  readonly senderCovers: Uint8Array;
  readonly encryptedSender: Uint8Array;
  readonly proofCovers: Uint8Array;
  readonly proof: Uint8Array;
  readonly cookie: Uint8Array;
}

export function helloFields(hello: Uint8Array): HelloFields {
  const cookieAt = HELLO_LENGTH - COOKIE_LENGTH;
  const proofAt = cookieAt - TAG_LENGTH;
  const senderAt = proofAt - ID_LENGTH - TAG_LENGTH;
  return {
    senderCovers: hello.subarray(0, senderAt),
    encryptedSender: hello.subarray(senderAt, proofAt),
    proofCovers: hello.subarray(0, proofAt),
    proof: hello.subarray(proofAt, cookieAt),
    cookie: hello.subarray(cookieAt, HELLO_LENGTH),
  };
}

/** 44 bytes, the mac zero. */
export function encodeCookie(token: Token, cookie: Uint8Array): Uint8Array {
  return header(COOKIE_REPLY_LENGTH, COOKIE_TYPE, token).put(cookie).bytes;
}

/** 60 bytes; the fields after the nonce are zero. */
export function encodeAccept(token: Token, nonce: Uint8Array): Uint8Array {
  return header(ACCEPT_LENGTH, ACCEPT_TYPE, token).put(nonce).bytes;
}

/** 16 bytes: the header of data, to which the sealed message is appended. */
export function encodeDataHeader(token: Token, counter: number): Uint8Array {
  return header(DATA_HEADER_LENGTH, DATA_TYPE, token).u32(counter).bytes;
}

/** 28 bytes, the mac zero. */
export function encodeUnknown(token: Token): Uint8Array {
  return header(UNKNOWN_LENGTH, UNKNOWN_TYPE, token).bytes;
}

/** The last field of an encoded datagram and what it covers: views, not copies. */
export interface LastField {
  readonly covers: Uint8Array;
  readonly field: Uint8Array;
}

/** Of a cookie or an unknown: the mac. */
export function macField(bytes: Uint8Array): LastField {
  return lastField(bytes, MAC_LENGTH);
}

/** Of an accept: the sealed token. */
export function acceptField(bytes: Uint8Array): LastField {
  return lastField(bytes, TOKEN_LENGTH + TAG_LENGTH);
}

function lastField(bytes: Uint8Array, length: number): LastField {
  const at = bytes.length - length;
  return { covers: bytes.subarray(0, at), field: bytes.subarray(at) };
}

function header(length: number, type: number, token: Token): Writer {
  return new Writer(length).u32(type).u32(token.index).u32(token.check);
}
