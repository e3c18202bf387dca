import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { hex, toHex } from '../../test/support/wg.js';
import { parseAddress, parsePrefix } from '../core/address.js';
import {
  decodeEndpoint,
  decodeIpAddress,
  decodePrefix,
  encodeEndpoint,
  encodePrefix,
  isUnicast,
} from './network.js';

describe('prefixes', () => {
  test.each([
    ['10.20.0.0/16', '0a14000010'],
    ['0.0.0.0/0', '0000000000'],
    ['10.1.2.3/32', '0a01020320'],
    ['fd20::/64', 'fd20000000000000000000000000000040'],
  ])('%s is %s', (text, encoded) => {
    const prefix = parsePrefix(text)!;
    expect(toHex(encodePrefix(prefix))).toBe(encoded);
    expect(decodePrefix(hex(encoded))).toEqual(prefix);
  });

  test.each([
    ['host bits', '0a14000110'],
    ['a host bit next to the prefix', '0a14800010'],
    ['a length of too many bits', '0a14000021'],
    ['no length', '0a140000'],
    ['a length of 5 bytes', 'fd2000000040'],
    ['nothing', ''],
  ])('%s is none', (_, encoded) => {
    expect(decodePrefix(hex(encoded))).toBeNull();
  });

  test.each([[null], [5], ['0a14000010'], [[10, 20, 0, 0, 16]]])('%j is none', (value) => {
    expect(decodePrefix(value)).toBeNull();
    expect(decodeEndpoint(value)).toBeNull();
    expect(decodeIpAddress(value)).toBeNull();
  });
});

describe('endpoints', () => {
  test('survive without their scope', () => {
    const address = fc
      .oneof(
        fc.uint8Array({ minLength: 4, maxLength: 4 }),
        fc.uint8Array({ minLength: 16, maxLength: 16 }),
      )
      .filter(isUnicast);
    fc.assert(
      fc.property(address, fc.integer({ min: 1, max: 65_535 }), (ip, port) => {
        const encoded = encodeEndpoint({ address: ip, port, scopeId: 7 });
        expect(decodeEndpoint(encoded)).toEqual({ address: ip, port, scopeId: 0 });
      }),
    );
  });

  test('are address and port, big-endian', () => {
    const endpoint = { address: Uint8Array.of(192, 0, 2, 7), port: 51_820, scopeId: 0 };
    expect(toHex(encodeEndpoint(endpoint))).toBe('c0000207ca6c');
  });

  test.each([
    ['port 0', 'c00002070000'],
    ['no port', 'c0000207'],
    ['a length of 5 bytes', 'c0000207ca'],
    ['0.0.0.0', '00000000ca6c'],
    ['multicast', 'e0000001ca6c'],
    ['broadcast', 'ffffffffca6c'],
    ['::', `${'00'.repeat(16)}ca6c`],
    ['IPv6 multicast', `ff02${'00'.repeat(13)}01ca6c`],
  ])('%s is none', (_, encoded) => {
    expect(decodeEndpoint(hex(encoded))).toBeNull();
  });
});

test.each([
  ['192.0.2.1', true],
  ['127.0.0.1', true],
  ['223.255.255.255', true],
  ['0.1.2.3', false],
  ['224.0.0.1', false],
  ['240.0.0.1', false],
  ['255.255.255.255', false],
  ['2001:db8::1', true],
  ['::1', true],
  ['::', false],
  ['ff02::1', false],
])('%s is unicast: %s', (text, expected) => {
  expect(isUnicast(parseAddress(text)!)).toBe(expected);
});
