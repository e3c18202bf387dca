import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { hex, toHex } from '../../test/support/wg.js';
import { decodeMsgpack, encodeMsgpack, Fields, type Msgpack } from './msgpack.js';

const value: fc.Arbitrary<Msgpack> = fc.letrec<{ value: Msgpack }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 5, withCrossShrink: true },
    fc.constant(null),
    fc.boolean(),
    fc.maxSafeInteger().map((n) => n + 0), // no -0
    fc.integer().map((n) => n + 0),
    fc.string({ unit: 'grapheme', maxLength: 40 }),
    fc.uint8Array({ maxLength: 300 }),
    fc.array(tie('value'), { maxLength: 5 }),
    fc
      .array(fc.tuple(fc.string({ maxLength: 5 }), tie('value')), { maxLength: 5 })
      .map((entries) => new Map(entries)),
  ),
})).value;

describe('msgpack', () => {
  test('survives writing and reading', () => {
    fc.assert(
      fc.property(value, (original) => {
        expect(decodeMsgpack(encodeMsgpack(original))).toEqual(original);
      }),
      { numRuns: 500 },
    );
  });

  // The format's specification, "Formats": every form of what is accepted, at its bounds.
  test.each<[string, Msgpack]>([
    ['c0', null],
    ['c2', false],
    ['c3', true],
    ['00', 0],
    ['7f', 127],
    ['ff', -1],
    ['e0', -32],
    ['cc80', 128],
    ['cd0100', 256],
    ['ceffffffff', 0xffff_ffff],
    ['cf001fffffffffffff', Number.MAX_SAFE_INTEGER],
    ['d080', -128],
    ['d18000', -32768],
    ['d280000000', -0x8000_0000],
    ['d3ffe0000000000001', Number.MIN_SAFE_INTEGER],
    ['cb41f0000000000000', 0x1_0000_0000],
    ['a0', ''],
    ['a3e282ac', '€'],
    ['d90161', 'a'],
    ['da000161', 'a'],
    ['db0000000161', 'a'],
    ['c400', new Uint8Array(0)],
    ['c50001ff', Uint8Array.of(255)],
    ['c600000001ff', Uint8Array.of(255)],
    ['90', []],
    ['dc000101', [1]],
    ['dd0000000101', [1]],
    ['80', new Map()],
    ['81a16101', new Map([['a', 1]])],
    ['de0001a16101', new Map([['a', 1]])],
    ['df00000001d9016101', new Map([['a', 1]])],
  ])('%s is read', (encoded, expected) => {
    expect(decodeMsgpack(hex(encoded))).toEqual(expected);
  });

  test.each([
    ['nothing', ''],
    ['a byte after the value', '0000'],
    ['the unused type', 'c1'],
    ['an extension', 'd40100'],
    ['an extension of 8 bits length', 'c7010100'],
    ['a timestamp', 'd6ff00000000'],
    ['float32', 'ca3f800000'],
    ['a fraction', 'cb3ff8000000000000'],
    ['NaN', 'cb7ff8000000000000'],
    ['infinity', 'cb7ff0000000000000'],
    ['minus zero', 'cb8000000000000000'],
    ['a float that fits an integer', 'cb3ff0000000000000'],
    ['2^53', 'cf0020000000000000'],
    ['2^64 - 1', 'cfffffffffffffffff'],
    ['-2^53', 'd3ffe0000000000000'],
    ['a float of 2^53', 'cb4340000000000000'],
    ['a string cut off', 'a261'],
    ['a length cut off', 'da00'],
    ['an integer cut off', 'ce000000'],
    ['UTF-8 cut off', 'a2e282'],
    ['UTF-8 too long', 'a2c080'],
    ['a surrogate in UTF-8', 'a3eda080'],
    ['an array cut off', '9201'],
    ['a huge array', 'ddffffffff'],
    ['a huge bin', 'c6ffffffff00'],
    ['a huge map', 'dfffffffff'],
    ['a map cut off', '81a161'],
    ['an integer as key', '810101'],
    ['a bin as key', '81c4016101'],
    ['an array as key', '819001'],
    ['nil as key', '81c001'],
    ['a key twice', '82a16101a16102'],
    ['a key twice, written differently', '82a16101d9016102'],
  ])('%s is refused', (_, encoded) => {
    expect(decodeMsgpack(hex(encoded))).toBeUndefined();
  });

  test('a hostile key is a key and no prototype', () => {
    const hostile = encodeMsgpack(
      new Map<string, Msgpack>([
        ['__proto__', new Map([['admin', true]])],
        ['constructor', 1],
        ['toString', 2],
      ]),
    );
    const decoded = decodeMsgpack(hostile);
    expect(decoded).toBeInstanceOf(Map);
    expect([...(decoded as Map<string, Msgpack>).keys()]).toEqual([
      '__proto__',
      'constructor',
      'toString',
    ]);
    expect(({} as Record<string, unknown>).admin).toBeUndefined();
    expect((decoded as unknown as Record<string, unknown>).admin).toBeUndefined();
    expect(Object.getPrototypeOf(decoded)).toBe(Map.prototype);
  });

  test('depth is bounded', () => {
    const nested = (depth: number) => hex(`${'91'.repeat(depth)}c0`);
    expect(decodeMsgpack(nested(8))).toBeDefined();
    expect(decodeMsgpack(nested(9))).toBeUndefined();
    expect(decodeMsgpack(nested(60_000))).toBeUndefined();
    expect(decodeMsgpack(hex(`${'81a161'.repeat(9)}c0`))).toBeUndefined();
  });

  test('count is bounded', () => {
    const limits = { maxBytes: 100, maxDepth: 2, maxCount: 5 };
    expect(decodeMsgpack(hex('94c0c0c0c0'), limits)).toHaveLength(4);
    expect(decodeMsgpack(hex('95c0c0c0c0c0'), limits)).toBeUndefined();
    expect(decodeMsgpack(hex('82a161c0a162c0'), limits)).toBeInstanceOf(Map);
    expect(decodeMsgpack(hex('83a161c0a162c0a163c0'), limits)).toBeUndefined();
  });

  test('size is bounded', () => {
    const limits = { maxBytes: 4, maxDepth: 2, maxCount: 5 };
    expect(decodeMsgpack(hex('a3616161'), limits)).toBe('aaa');
    expect(decodeMsgpack(hex('a461616161'), limits)).toBeUndefined();
  });

  test('nothing throws', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
        decodeMsgpack(bytes);
      }),
      { numRuns: 5_000 },
    );
  });

  test('what was changed or cut is refused, or is another value that can be written', () => {
    fc.assert(
      fc.property(value, fc.nat(), fc.nat(255), (original, at, byte) => {
        const bytes = encodeMsgpack(original);
        const changed = bytes.slice();
        changed[at % bytes.length] = byte;
        const decoded = decodeMsgpack(changed);
        if (decoded !== undefined) encodeMsgpack(decoded);
        expect(decodeMsgpack(bytes.subarray(0, at % bytes.length))).toBeUndefined();
      }),
      { numRuns: 500 },
    );
  });

  test('shares no memory with what it was read from, and reads a part of a larger array', () => {
    const whole = hex('ffff93c4020102a16101ffff');
    const decoded = decodeMsgpack(whole.subarray(2, 10)) as [Uint8Array, string, number];
    whole.fill(0);
    expect(decoded).toEqual([Uint8Array.of(1, 2), 'a', 1]);
    expect(decoded[0].buffer.byteLength).toBe(2);
  });

  test('writes plain arrays of their own', () => {
    const part = hex('00010203').subarray(1, 3);
    const encoded = encodeMsgpack([part]);
    expect(toHex(encoded)).toBe('91c4020102');
    expect(encoded.buffer.byteLength).toBe(encoded.length);
    expect(Buffer.isBuffer(encoded)).toBe(false);
  });

  test('takes a Buffer, of a pool or not, for the bytes it has', () => {
    const pooled = Buffer.from('010203', 'hex');
    expect(pooled.buffer.byteLength).toBeGreaterThan(3);
    expect(toHex(encodeMsgpack([pooled]))).toBe('91c403010203');
    expect(decodeMsgpack(Buffer.from('92c403010203a161', 'hex'))).toEqual([
      Uint8Array.of(1, 2, 3),
      'a',
    ]);
  });

  test.each([[1.5], [Number.NaN], [2 ** 53], ['\ud800']])('%j is not written', (wrong) => {
    expect(() => encodeMsgpack(wrong)).toThrow(RangeError);
  });
});

describe('Fields', () => {
  const of = (entries: Record<string, Msgpack>) => Fields.of(new Map(Object.entries(entries)));

  test('reads by name and type, and ignores what it is not asked for', () => {
    const fields = of({ n: 5, t: 'é', b: Uint8Array.of(1, 2), f: true, l: [1, 2], later: null });
    expect(fields.uint('n', 5)).toBe(5);
    expect(fields.text('t', 2)).toBe('é');
    expect(fields.bytes('b', 2)).toEqual(Uint8Array.of(1, 2));
    expect(fields.bytesUpTo('b', 3)).toEqual(Uint8Array.of(1, 2));
    expect(fields.flag('f')).toBe(true);
    expect(fields.list('l', 2, (item) => Number(item) * 2)).toEqual([2, 4]);
    expect(fields.value('n', '', (item) => `<${item}>`)).toBe('<5>');
    expect(fields.has('later')).toBe(true);
    expect(fields.valid).toBe(true);
  });

  test.each<[string, (fields: Fields) => unknown, unknown]>([
    ['a number above its bound', (f) => f.uint('n', 4), 0],
    ['a negative number', (f) => f.uint('m', 4), 0],
    ['text for a number', (f) => f.uint('t', 4), 0],
    ['a missing field', (f) => f.uint('x', 4), 0],
    ['text of too many bytes', (f) => f.text('t', 1), ''],
    ['bytes for text', (f) => f.text('b', 9), ''],
    ['bytes of another length', (f) => f.bytes('b', 3), new Uint8Array(0)],
    ['too many bytes', (f) => f.bytesUpTo('b', 1), new Uint8Array(0)],
    ['text for bytes', (f) => f.bytesUpTo('t', 9), new Uint8Array(0)],
    ['a number for a flag', (f) => f.flag('n'), false],
    ['a list too long', (f) => f.list('l', 1, () => 1), []],
    ['bytes for a list', (f) => f.list('b', 9, () => 1), []],
    ['a bad item', (f) => f.list('l', 2, (item) => (item === 1 ? 1 : null)), []],
    ['a bad nested value', (f) => f.value('l', 'none', () => null), 'none'],
    ['a missing nested value', (f) => f.value('x', 'none', () => 'some'), 'none'],
  ])('%s is not valid', (_, read, empty) => {
    const fields = of({ n: 5, m: -1, t: 'é', b: Uint8Array.of(1, 2), l: [1, 2] });
    expect(read(fields)).toEqual(empty);
    expect(fields.valid).toBe(false);
    expect(fields.uint('n', 5)).toBe(5);
    expect(fields.valid).toBe(false);
  });

  test.each<[Msgpack | undefined]>([[undefined], [null], [[]], ['text'], [new Uint8Array(3)]])(
    '%j has none',
    (wrong) => {
      const fields = Fields.of(wrong);
      expect(fields.has('n')).toBe(false);
      expect(fields.valid).toBe(false);
    },
  );
});
