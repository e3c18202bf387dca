import { isIP } from 'node:net';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  formatAddress,
  formatEndpoint,
  formatPrefix,
  parseAddress,
  parseDecimal,
  parseEndpoint,
  parsePrefix,
} from './address.js';

const noZone = () => null;

const address = fc.oneof(
  fc.uint8Array({ minLength: 4, maxLength: 4 }),
  fc.uint8Array({ minLength: 16, maxLength: 16 }),
  // many zero groups, as real addresses have
  fc
    .array(fc.constantFrom(0, 0, 0, 1, 0xab), { minLength: 16, maxLength: 16 })
    .map((bytes) => Uint8Array.from(bytes)),
);

describe('addresses', () => {
  // RFC 5952, section 4, and RFC 4291, section 2.2
  test.each([
    ['192.0.2.1', '192.0.2.1'],
    ['2001:0db8::0001', '2001:db8::1'],
    ['2001:db8:0:0:0:0:2:1', '2001:db8::2:1'],
    ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
    ['2001:0:0:1:0:0:0:1', '2001:0:0:1::1'],
    ['2001:db8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
    ['2001:DB8::ABCD', '2001:db8::abcd'],
    ['::', '::'],
    ['::1', '::1'],
    ['1::', '1::'],
    ['::ffff:192.0.2.1', '::ffff:192.0.2.1'],
    ['::ffff:c000:201', '::ffff:192.0.2.1'],
    ['::192.0.2.1', '::c000:201'],
    ['1:2:3:4:5:6:7::', '1:2:3:4:5:6:7:0'],
  ])('%s is written %s', (text, canonical) => {
    const parsed = parseAddress(text);
    expect(parsed && formatAddress(parsed)).toBe(canonical);
  });

  test.each([
    '',
    '1.2.3',
    '1.2.3.4.5',
    '1.2.3.256',
    '01.2.3.4',
    '1.2.3.',
    '.1.2.3',
    '1..2.3',
    '1.2.3.4 ',
    '0x1.2.3.4',
    ':',
    ':::',
    '1:2:3:4:5:6:7',
    '1:2:3:4:5:6:7:8:9',
    '1::2::3',
    '12345::',
    '::g',
    ':1::',
    '1:',
    '::1.2.3',
    '1.2.3.4::',
    '::1.2.3.4:1',
    '1:2:3:4:5:6:7::8',
    'fe80::1%eth0',
    'host',
  ])('%j is none', (text) => {
    expect(parseAddress(text)).toBeNull();
  });

  test('survive writing and reading', () => {
    fc.assert(
      fc.property(address, (bytes) => {
        expect(parseAddress(formatAddress(bytes))).toEqual(bytes);
      }),
    );
  });

  test('are read exactly where Node sees one', () => {
    const text = fc.oneof(fc.ipV4(), fc.ipV6(), fc.stringMatching(/^[0-9a-f:.]{0,20}$/));
    fc.assert(
      fc.property(text, (candidate) => {
        expect(parseAddress(candidate) !== null).toBe(isIP(candidate) !== 0);
      }),
      { numRuns: 2000 },
    );
  });
});

describe('prefixes', () => {
  test.each([
    ['10.1.2.3/8', '10.0.0.0/8'],
    ['10.1.2.3/32', '10.1.2.3/32'],
    ['10.1.2.3/0', '0.0.0.0/0'],
    ['10.255.255.255/13', '10.248.0.0/13'],
    ['2001:db8:ffff::1/33', '2001:db8:8000::/33'],
    ['::1/128', '::1/128'],
    ['ffff::/0', '::/0'],
  ])('%s is %s', (text, canonical) => {
    const parsed = parsePrefix(text);
    expect(parsed && formatPrefix(parsed)).toBe(canonical);
  });

  test.each([
    '10.0.0.0',
    '10.0.0.0/',
    '10.0.0.0/33',
    '::/129',
    '10.0.0.0/08',
    '10.0.0.0/+8',
    '10.0.0.0/-1',
    '/8',
    '10.0.0/8',
    '10.0.0.0/8/8',
    'fe80::1%1/64',
  ])('%j is none', (text) => {
    expect(parsePrefix(text)).toBeNull();
  });
});

describe('endpoints', () => {
  const indices: Record<string, number> = { eth0: 2, '3': 3 };
  const resolveZone = (zone: string) => indices[zone] ?? null;
  const nameZone = (index: number) => (index === 2 ? 'eth0' : `${index}`);

  test.each([
    ['192.0.2.1:51820', '192.0.2.1:51820'],
    ['[2001:db8::1]:1', '[2001:db8::1]:1'],
    ['[fe80::1%eth0]:65535', '[fe80::1%eth0]:65535'],
    ['[fe80::1%3]:0', '[fe80::1%3]:0'],
    ['[::ffff:192.0.2.1]:7', '192.0.2.1:7'],
  ])('%s is %s', (text, canonical) => {
    const parsed = parseEndpoint(text, resolveZone);
    expect(parsed && formatEndpoint(parsed, nameZone)).toBe(canonical);
  });

  test.each([
    '192.0.2.1',
    '192.0.2.1:',
    '192.0.2.1:65536',
    '192.0.2.1:-1',
    '2001:db8::1:1',
    '[2001:db8::1]',
    '[192.0.2.1]:1',
    '[fe80::1%none]:1',
    '[fe80::1%]:1',
    'example.com:1',
    '192.0.2.1:1x',
    ' 192.0.2.1:1',
    '',
  ])('%j is none', (text) => {
    expect(parseEndpoint(text, resolveZone)).toBeNull();
  });

  test('survive writing and reading', () => {
    const isMapped = (text: string) => text.startsWith('::ffff:');
    fc.assert(
      fc.property(address, fc.integer({ min: 0, max: 65535 }), (bytes, port) => {
        fc.pre(!isMapped(formatAddress(bytes)));
        const endpoint = { address: bytes, port, scopeId: 0 };
        expect(parseEndpoint(formatEndpoint(endpoint, nameZone), noZone)).toEqual(endpoint);
      }),
    );
  });
});

describe('decimals', () => {
  test.each([
    ['0', 0],
    ['65535', 65535],
    ['00080', 80],
  ])('%s is %d', (text, value) => {
    expect(parseDecimal(text, 65535)).toBe(value);
  });

  test.each(['', '-1', '+1', '0x10', '1e3', '65536', ' 1', '1 ', '9'.repeat(400)])(
    '%j is none',
    (text) => {
      expect(parseDecimal(text, 65535)).toBeNull();
    },
  );
});
