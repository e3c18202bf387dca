import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { encodeQr, type QrMatrix, renderQr } from './qr.js';

interface Vectors {
  readonly codes: readonly { readonly text: string; readonly rows: readonly string[] }[];
}

const vectors = JSON.parse(
  readFileSync(new URL('../../test/vectors/qr.json', import.meta.url), 'utf8'),
) as Vectors;

function rowsOf(matrix: QrMatrix): string[] {
  return matrix.map((row) => {
    const bits = row.map((dark) => (dark ? '1' : '0')).join('');
    return BigInt(`0b1${bits}`).toString(16);
  });
}

describe('a QR code', () => {
  test.each(vectors.codes)('of $text is as qrencode makes it', ({ text, rows }) => {
    const matrix = encodeQr(text);
    expect(matrix && rowsOf(matrix)).toEqual(rows);
  });

  test.each([
    [17, 21],
    [18, 25],
    [230, 53],
    [231, 57],
    [2953, 177],
  ])('of %d bytes has %d modules a side', (length, size) => {
    expect(encodeQr('x'.repeat(length))).toHaveLength(size);
  });

  test('holds 2,953 bytes at most', () => {
    expect(encodeQr('x'.repeat(2954))).toBeNull();
    expect(encodeQr('ü'.repeat(1477))).toBeNull();
  });

  test('is two rows a line with a quiet zone', () => {
    const lines = renderQr([
      [true, false, false],
      [false, false, false],
      [true, true, false],
    ]).split('\n');
    expect(lines).toHaveLength(7);
    expect(lines[0]).toBe('█'.repeat(11));
    expect(lines[2]).toBe('████▄██████');
    expect(lines[3]).toBe('████▄▄█████');
  });
});
