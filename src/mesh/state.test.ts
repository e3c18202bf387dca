import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { MeshState } from './effects.js';
import { decodeState, encodeState } from './state.js';

const STATE: MeshState = {
  incarnation: 4_000_000_000,
  addressCounter: 2,
  members: [
    { payload: Uint8Array.of(1, 2), signature: new Uint8Array(64).fill(1), state: 'dead' },
    { payload: Uint8Array.of(3), signature: new Uint8Array(64).fill(2), state: 'alive' },
  ],
};

describe('saved state', () => {
  test('survives', () => {
    expect(decodeState(encodeState(STATE))).toEqual(STATE);
  });

  test('of another version, cut short, or random is none', () => {
    const bytes = encodeState(STATE);
    expect(decodeState(bytes.subarray(0, -1))).toBeNull();
    expect(decodeState(new Uint8Array(0))).toBeNull();
    const later = bytes.slice();
    later[3] = 2;
    expect(decodeState(later)).toBeNull();
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), (random) => {
        expect(decodeState(random)).toBeNull();
      }),
    );
  });
});
