import { describe, expect, it } from 'vitest';
import { hex, toHex } from '../../test/support/wg.js';
import { encodeTai64n, isLater } from './tai64n.js';

describe('encodeTai64n', () => {
  it('labels seconds and rounds nanoseconds down to 2^24', () => {
    expect(toHex(encodeTai64n({ seconds: 0, nanoseconds: 0 }))).toBe('400000000000000a00000000');
    expect(toHex(encodeTai64n({ seconds: 1, nanoseconds: 2 ** 24 - 1 }))).toBe(
      '400000000000000b00000000',
    );
    expect(toHex(encodeTai64n({ seconds: 2 ** 32, nanoseconds: 999_999_999 }))).toBe(
      '400000010000000a3b000000',
    );
  });
});

describe('isLater', () => {
  it('is strict and compares the first difference', () => {
    const older = hex('400000000000000aff000000');
    const newer = hex('400000000000000b00000000');
    expect(isLater(newer, older)).toBe(true);
    expect(isLater(older, newer)).toBe(false);
    expect(isLater(older, hex('400000000000000aff000000'))).toBe(false);
    expect(isLater(new Uint8Array(12), new Uint8Array(12))).toBe(false);
  });
});
