import { describe, expect, test } from 'vitest';
import { decodeBatch, encodeEndpoint, encodePath, encodePrefixes } from './control-codec.js';

const V4 = { address: Uint8Array.of(192, 0, 2, 1), port: 0x1234, scopeId: 0 };
const V6 = {
  address: Uint8Array.from({ length: 16 }, (_, i) => i + 1),
  port: 1,
  scopeId: 0x01020304,
};

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}

describe('to the addon', () => {
  test('endpoints are 24 bytes', () => {
    expect(hex(encodeEndpoint(V4))).toBe(`0400${'3412'}00000000c0000201${'00'.repeat(12)}`);
    expect(hex(encodeEndpoint(V6))).toBe('060001000403020' + '10102030405060708090a0b0c0d0e0f10');
  });

  test('paths are 48 bytes', () => {
    const local = Uint8Array.of(192, 0, 2, 9);
    expect(hex(encodePath({ remote: V4, local, interfaceIndex: 7 }))).toBe(
      `04013412${'00'.repeat(4)}c0000201${'00'.repeat(12)}c0000209${'00'.repeat(12)}0700000000000000`,
    );
    const without = encodePath({ remote: V6, local: null, interfaceIndex: 0 });
    expect(hex(without)).toBe(hex(encodeEndpoint(V6)) + '00'.repeat(24));
  });

  test('prefixes are 18 bytes each', () => {
    const prefixes = [
      { address: Uint8Array.of(10, 0, 0, 0), length: 8 },
      { address: new Uint8Array(16).fill(0xff, 0, 2), length: 16 },
    ];
    expect(hex(encodePrefixes(prefixes))).toBe(
      `04080a000000${'00'.repeat(12)}0610ffff${'00'.repeat(14)}`,
    );
    expect(encodePrefixes([])).toHaveLength(0);
  });
});

function u32(...values: number[]): number[] {
  return [...new Uint8Array(Uint32Array.from(values).buffer)];
}

describe('from the addon', () => {
  test('events come in order, answers to sync() apart', () => {
    const none = new Array<number>(24).fill(0);
    const bytes = Uint8Array.from([
      ...u32(0, 8, 0, 0),
      ...u32(1, 5, 0, 0),
      ...none,
      ...u32(2, 6, 0, 0),
      ...none,
      ...u32(3, 7, 0, 0),
      ...encodeEndpoint(V6),
      ...u32(8, 99, 0, 0),
      ...none,
      ...u32(4, 0xfffffffe, 0, 0),
      ...none,
      ...u32(5, 8, 0, 0),
      ...none,
      ...u32(6, 0, 1, 1420),
      ...none,
      ...u32(7, 0, 0, 0),
      ...none,
    ]);
    expect(decodeBatch(bytes)).toEqual({
      backlog: 0,
      underLoad: false,
      datagrams: [],
      syncedTokens: [99],
      events: [
        { type: 'handshake-needed', peer: 5 },
        { type: 'keypair-confirmed', peer: 6 },
        { type: 'endpoint-changed', peer: 7, endpoint: V6 },
        { type: 'keypair-retired', localIndex: 0xfffffffe },
        { type: 'peer-removed', peer: 8 },
        { type: 'link-changed', up: true, mtu: 1420 },
        { type: 'link-gone' },
      ],
    });
  });

  test('datagrams come with their paths, padded to 4', () => {
    const first = { remote: V4, local: Uint8Array.of(10, 0, 0, 1), interfaceIndex: 3 };
    const second = { remote: V6, local: null, interfaceIndex: 0 };
    const bytes = Buffer.from([
      ...u32(12, 0, 2, 0),
      ...encodePath(first),
      ...u32(5),
      1,
      2,
      3,
      4,
      5,
      0,
      0,
      0,
      ...encodePath(second),
      ...u32(1),
      9,
      0,
      0,
      0,
    ]);
    const batch = decodeBatch(bytes);
    expect(batch.backlog).toBe(12);
    expect(batch.datagrams).toEqual([
      { path: first, bytes: Uint8Array.of(1, 2, 3, 4, 5) },
      { path: second, bytes: Uint8Array.of(9) },
    ]);
    // not views of the batch, which they would keep alive
    bytes.fill(0xff);
    expect(batch.datagrams[0]?.bytes).toEqual(Uint8Array.of(1, 2, 3, 4, 5));
  });

  test('unknown events are refused', () => {
    const bytes = Uint8Array.from([
      ...u32(0, 1, 0, 0),
      ...u32(77, 0, 0, 0),
      ...new Array(24).fill(0),
    ]);
    expect(() => decodeBatch(bytes)).toThrow('another version');
  });
});
