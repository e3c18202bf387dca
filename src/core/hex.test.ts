import fc from 'fast-check';
import { expect, test } from 'vitest';
import { fromHex, toHex } from './hex.js';

test('writes as Buffer does, and reads what it wrote', () => {
  fc.assert(
    fc.property(fc.uint8Array(), (bytes) => {
      expect(toHex(bytes)).toBe(Buffer.from(bytes).toString('hex'));
      expect(fromHex(toHex(bytes))).toEqual(bytes);
      expect(fromHex(toHex(bytes).toUpperCase())).toEqual(bytes);
    }),
  );
});

test.each(['0', '0g', ' 00', '00\n', '0x00', '０0'])('%j is none', (text) => {
  expect(fromHex(text)).toBeNull();
});
