import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Reader } from './reader.js';
import { Writer } from './writer.js';

describe('Reader', () => {
  it('reads what a Writer wrote, and is finished exactly at the end', () => {
    const reader = new Reader(new Writer(7).u32(0xdeadbeef).put(Uint8Array.of(1, 2, 3)).bytes);
    expect(reader.u32()).toBe(0xdeadbeef);
    expect(reader.finished).toBe(false);
    expect(reader.bytes(3)).toEqual(Uint8Array.of(1, 2, 3));
    expect(reader.finished).toBe(true);
  });

  it('never reads past the end, and stays failed', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 16 }), fc.array(fc.nat(20)), (bytes, reads) => {
        const reader = new Reader(bytes);
        let offset = 0;
        let failed = false;
        for (const length of reads) {
          const got = reader.bytes(length);
          failed ||= offset + length > bytes.length;
          if (!failed) offset += length;
          expect(got).toEqual(failed ? new Uint8Array(0) : bytes.slice(offset - length, offset));
        }
        expect(reader.finished).toBe(!failed && offset === bytes.length);
      }),
    );
  });

  it('gives zero for an integer that is not all there', () => {
    const reader = new Reader(Uint8Array.of(1, 2, 3));
    expect(reader.u32()).toBe(0);
    expect(reader.bytes(1)).toEqual(new Uint8Array(0));
    expect(reader.finished).toBe(false);
  });
});

describe('Writer', () => {
  it('refuses to write past its end', () => {
    expect(() => new Writer(3).u32(1)).toThrow(RangeError);
    expect(() => new Writer(3).put(new Uint8Array(4))).toThrow(RangeError);
  });
});
