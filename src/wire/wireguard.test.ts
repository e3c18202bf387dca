import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  COOKIE_REPLY_LENGTH,
  decodeHandshakeMessage,
  encodeCookieReply,
  encodeInitiation,
  encodeResponse,
  INITIATION_LENGTH,
  macFields,
  RESPONSE_LENGTH,
} from './wireguard.js';

const index = fc.integer({ min: 0, max: 0xffffffff });
const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });

const initiation = fc.record({
  senderIndex: index,
  ephemeral: bytes(32),
  encryptedStatic: bytes(48),
  encryptedTimestamp: bytes(28),
});
const response = fc.record({
  senderIndex: index,
  receiverIndex: index,
  ephemeral: bytes(32),
  encryptedNothing: bytes(16),
});
const cookieReply = fc.record({
  receiverIndex: index,
  nonce: bytes(24),
  encryptedCookie: bytes(32),
});

describe('handshake messages', () => {
  it('decode to what was encoded', () => {
    fc.assert(
      fc.property(initiation, response, cookieReply, (first, second, cookie) => {
        expect(decodeHandshakeMessage(encodeInitiation(first))).toEqual({ type: 1, ...first });
        expect(decodeHandshakeMessage(encodeResponse(second))).toEqual({ type: 2, ...second });
        expect(decodeHandshakeMessage(encodeCookieReply(cookie))).toEqual({ type: 3, ...cookie });
      }),
    );
  });

  it('have the published layout', () => {
    const fill = (length: number, value: number) => new Uint8Array(length).fill(value);
    const first = encodeInitiation({
      senderIndex: 0x04030201,
      ephemeral: fill(32, 0xaa),
      encryptedStatic: fill(48, 0xbb),
      encryptedTimestamp: fill(28, 0xcc),
    });
    expect(Buffer.from(first).toString('hex')).toBe(
      `0100000001020304${'aa'.repeat(32)}${'bb'.repeat(48)}${'cc'.repeat(28)}${'00'.repeat(32)}`,
    );
    const second = encodeResponse({
      senderIndex: 0x04030201,
      receiverIndex: 0x08070605,
      ephemeral: fill(32, 0xaa),
      encryptedNothing: fill(16, 0xbb),
    });
    expect(Buffer.from(second).toString('hex')).toBe(
      `020000000102030405060708${'aa'.repeat(32)}${'bb'.repeat(16)}${'00'.repeat(32)}`,
    );
    const cookie = encodeCookieReply({
      receiverIndex: 0x04030201,
      nonce: fill(24, 0xaa),
      encryptedCookie: fill(32, 0xbb),
    });
    expect(Buffer.from(cookie).toString('hex')).toBe(
      `0300000001020304${'aa'.repeat(24)}${'bb'.repeat(32)}`,
    );
  });

  it('are refused unless their length is exact', () => {
    const lengths = [INITIATION_LENGTH, RESPONSE_LENGTH, COOKIE_REPLY_LENGTH];
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 3 }),
        fc.uint8Array({ maxLength: 200 }),
        (type, tail) => {
          const message = Uint8Array.of(type, 0, 0, 0, ...tail);
          const decoded = decodeHandshakeMessage(message);
          expect(decoded !== null).toBe(message.length === lengths[type - 1]);
        },
      ),
    );
    for (const [at, length] of lengths.entries()) {
      for (const wrong of [length - 1, length + 1]) {
        const message = new Uint8Array(wrong);
        message[0] = at + 1;
        expect(decodeHandshakeMessage(message)).toBeNull();
      }
    }
  });

  it('are refused with reserved bytes set, or of another type', () => {
    fc.assert(
      fc.property(fc.integer({ min: 4, max: 0xffffffff }), (type) => {
        for (const length of [INITIATION_LENGTH, RESPONSE_LENGTH, COOKIE_REPLY_LENGTH]) {
          const message = new Uint8Array(length);
          new DataView(message.buffer).setUint32(0, type, true);
          expect(decodeHandshakeMessage(message)).toBeNull();
        }
      }),
    );
    expect(decodeHandshakeMessage(new Uint8Array(INITIATION_LENGTH))).toBeNull();
  });

  it('survive any bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (junk) => {
        decodeHandshakeMessage(junk);
      }),
    );
    expect(decodeHandshakeMessage(new Uint8Array(0))).toBeNull();
  });

  it('decode from the middle of a buffer', () => {
    const message = new Uint8Array(10 + RESPONSE_LENGTH + 10);
    message[10] = 2;
    message[14] = 9;
    const view = message.subarray(10, 10 + RESPONSE_LENGTH);
    expect(decodeHandshakeMessage(view)).toMatchObject({ type: 2, senderIndex: 9 });
  });
});

describe('macFields', () => {
  it('are the last 32 bytes, each covering all before it', () => {
    const message = Uint8Array.from({ length: RESPONSE_LENGTH }, (_, i) => i);
    const { mac1, mac1Covers, mac2, mac2Covers } = macFields(message);
    expect([mac1[0], mac1.length, mac1Covers.length]).toEqual([60, 16, 60]);
    expect([mac2[0], mac2.length, mac2Covers.length]).toEqual([76, 16, 76]);
  });
});
