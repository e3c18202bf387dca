import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  ACCEPT_LENGTH,
  ACCEPT_TYPE,
  acceptField,
  COOKIE_REPLY_LENGTH,
  COOKIE_TYPE,
  DATA_HEADER_LENGTH,
  DATA_TYPE,
  decodeGossip,
  decodeToken,
  encodeAccept,
  encodeCookie,
  encodeDataHeader,
  encodeHello,
  encodeToken,
  encodeUnknown,
  FIRST_GOSSIP_BYTE,
  HELLO_LENGTH,
  HELLO_TYPE,
  helloFields,
  MAX_DATA_LENGTH,
  macField,
  UNKNOWN_LENGTH,
  UNKNOWN_TYPE,
} from './gossip.js';

const token = { index: 0x04030201, check: 0x08070605 };
const range = (from: number, length: number) => Uint8Array.from({ length }, (_, i) => from + i);
const filled = (bytes: Uint8Array, from: number) =>
  Uint8Array.from(bytes, (byte, i) => (i < from ? byte : i));

describe('gossip codec', () => {
  it('reads what it writes, field by field', () => {
    const nonce = range(9, 24);
    const hello = filled(encodeHello(token, nonce), 36);
    expect(hello).toHaveLength(HELLO_LENGTH);
    expect(decodeGossip(hello)).toEqual({
      type: HELLO_TYPE,
      token,
      nonce,
      encryptedSender: range(36, 48),
      proof: range(84, 16),
      cookie: range(100, 16),
    });
    const cookie = filled(encodeCookie(token, range(50, 16)), 28);
    expect(cookie).toHaveLength(COOKIE_REPLY_LENGTH);
    expect(decodeGossip(cookie)).toEqual({
      type: COOKIE_TYPE,
      token,
      cookie: range(50, 16),
      mac: range(28, 16),
    });
    const accept = filled(encodeAccept(token, nonce), 36);
    expect(accept).toHaveLength(ACCEPT_LENGTH);
    const encryptedToken = range(36, 24);
    expect(decodeGossip(accept)).toEqual({ type: ACCEPT_TYPE, token, nonce, encryptedToken });
    const header = encodeDataHeader(token, 0xfffffffe);
    const data = Uint8Array.of(...header, ...range(0, 17));
    expect(decodeGossip(data)).toEqual({
      type: DATA_TYPE,
      token,
      counter: 0xfffffffe,
      header,
      sealed: range(0, 17),
    });
    const unknown = filled(encodeUnknown(token), 12);
    expect(decodeGossip(unknown)).toEqual({ type: UNKNOWN_TYPE, token, mac: range(12, 16) });
    expect(decodeToken(encodeToken(token))).toEqual(token);
    expect([...unknown.subarray(0, 12)]).toEqual([UNKNOWN_TYPE, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8]);
  });

  it('gives views of the fields and of what covers them', () => {
    const hello = range(0, HELLO_LENGTH);
    const fields = helloFields(hello);
    expect(fields.senderCovers).toEqual(range(0, 36));
    expect(fields.encryptedSender).toEqual(range(36, 48));
    expect(fields.proofCovers).toEqual(range(0, 84));
    expect(fields.proof).toEqual(range(84, 16));
    expect(fields.cookie).toEqual(range(100, 16));
    fields.cookie.fill(0xee);
    expect(hello[115]).toBe(0xee);
    expect(macField(range(0, 28))).toEqual({ covers: range(0, 12), field: range(12, 16) });
    expect(acceptField(range(0, 60))).toEqual({ covers: range(0, 36), field: range(36, 24) });
  });

  it('takes exact lengths only, and data between its bounds', () => {
    const lengths: Readonly<Record<number, number>> = {
      [HELLO_TYPE]: HELLO_LENGTH,
      [COOKIE_TYPE]: COOKIE_REPLY_LENGTH,
      [ACCEPT_TYPE]: ACCEPT_LENGTH,
      [UNKNOWN_TYPE]: UNKNOWN_LENGTH,
    };
    for (let type = 0; type < 256; type++) {
      for (let length = 0; length <= MAX_DATA_LENGTH + 2; length++) {
        const bytes = new Uint8Array(length);
        if (length > 0) bytes[0] = type;
        const isData = type === DATA_TYPE && length >= DATA_HEADER_LENGTH + 16;
        const valid = lengths[type] === length || (isData && length <= MAX_DATA_LENGTH);
        if ((decodeGossip(bytes) !== null) !== valid) throw new Error(`type ${type}, ${length}`);
      }
    }
  });

  it('is told from WireGuard and STUN by its first byte, and the reserved bytes are zero', () => {
    for (const type of [HELLO_TYPE, COOKIE_TYPE, ACCEPT_TYPE, DATA_TYPE, UNKNOWN_TYPE]) {
      expect(type).toBeGreaterThanOrEqual(FIRST_GOSSIP_BYTE);
    }
    for (const at of [1, 2, 3]) {
      const unknown = encodeUnknown(token);
      unknown[at] = 1;
      expect(decodeGossip(unknown)).toBeNull();
    }
  });

  it('never throws', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 1_300 }), fc.nat(255), (bytes, first) => {
        if (bytes.length > 0) bytes[0] = first;
        decodeGossip(bytes);
      }),
    );
  });
});
