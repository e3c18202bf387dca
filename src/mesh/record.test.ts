import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { identity, meshCrypto, record } from '../../test/support/mesh.js';
import { address, endpoint, hex, prefix, toHex } from '../../test/support/wg.js';
import vectors from '../../test/vectors/mesh-identity.json' with { type: 'json' };
import { decodeMsgpack, encodeMsgpack, type Msgpack } from '../wire/msgpack.js';
import { createIdentity, nodeIdOf, signIn } from './identity.js';
import {
  isNodeName,
  openRecord,
  recordId,
  signAccusation,
  signRecord,
  verifyAccusation,
} from './record.js';
import { MAX_CERTIFICATE_BYTES, type MemberRecord } from './types.js';

const owner = identity(1);
const full: MemberRecord = record(owner, {
  incarnation: 0xffff_ffff,
  name: 'n'.repeat(63),
  endpoints: Array.from({ length: 8 }, (_, i) => endpoint('2001:db8:0:0:0:0:0:7', 1 + i)),
  addresses: [address('10.86.1.2'), address('fd00:0:0:0:1:2:3:4')],
  addressCounter: 0xffff,
  routes: Array.from({ length: 32 }, (_, i) => prefix(`fd20:0:0:${i.toString(16)}:0:0:0:0/64`)),
  capabilities: Array.from({ length: 16 }, (_, i) => `${'c'.repeat(30)}${10 + i}`),
  certificate: new Uint8Array(MAX_CERTIFICATE_BYTES).fill(7),
  left: true,
});

/** Signs whatever payload, as a hostile member can. */
function forge(changes: Record<string, Msgpack | undefined>, signer = owner) {
  const honest = decodeMsgpack(signRecord(owner, record(owner)).payload) as Map<string, Msgpack>;
  const fields = new Map(honest);
  for (const [key, value] of Object.entries(changes)) {
    if (value === undefined) fields.delete(key);
    else fields.set(key, value);
  }
  const payload = encodeMsgpack(fields);
  return openRecord(meshCrypto, payload, signIn('record', signer, payload));
}

describe('a record', () => {
  test.each([
    ['with nothing optional', record(owner)],
    ['with everything at its bound', full],
    ['of one who left', record(owner, { left: true })],
  ])('%s survives', (_, original) => {
    const { payload, signature } = signRecord(owner, original);
    const opened = openRecord(meshCrypto, payload, signature);
    expect(opened?.record).toEqual(original);
    expect(opened?.payload).toBe(payload);
    expect(opened?.signature).toBe(signature);
  });

  test('is small', () => {
    const typical = record(owner, {
      endpoints: [endpoint('192.0.2.1', 51_820)],
      addresses: [address('10.86.1.2'), address('fd00:0:0:0:1:2:3:4')],
    });
    expect(signRecord(owner, typical).payload.length).toBeLessThan(100);
  });

  test.each(['record', 'leftRecord'] as const)('%s is that of the vector', (which) => {
    const { seed, payload, signature } = vectors[which];
    const opened = openRecord(meshCrypto, hex(payload), hex(signature));
    expect(opened).not.toBeNull();
    const signed = signRecord(createIdentity(meshCrypto, hex(seed)), opened!.record);
    expect(toHex(signed.payload)).toBe(payload);
    expect(toHex(signed.signature)).toBe(signature);
  });

  test('of the vector says what was meant', () => {
    const { payload, signature } = vectors.record;
    const { record: read } = openRecord(meshCrypto, hex(payload), hex(signature))!;
    expect(read).toMatchObject({
      incarnation: 7,
      name: 'lab-7',
      endpoints: [endpoint('192.0.2.7', 51_820), endpoint('2001:db8:0:0:0:0:0:7', 51_821)],
      addressCounter: 1,
      routes: [prefix('10.20.30.0/24')],
      capabilities: ['bond/1'],
      certificate: hex(vectors.certificate),
      left: false,
    });
  });

  test('sends nobody to the reader itself, to a link, or to a disguised address', () => {
    const good = [
      '192.0.2.7',
      '10.0.0.1',
      '192.168.1.1',
      '2001:db8:0:0:0:0:0:7',
      'fd00:0:0:0:0:0:0:1',
    ];
    const bad = [
      '127.0.0.1',
      '127.9.9.9',
      '169.254.169.254',
      '0:0:0:0:0:0:0:1',
      'fe80:0:0:0:0:0:0:1',
      'febf:0:0:0:0:0:0:1',
      '0:0:0:0:0:ffff:7f00:1',
    ];
    for (const text of good) {
      const endpoints = [endpoint(text, 51_820)];
      const { payload, signature } = signRecord(owner, record(owner, { endpoints }));
      expect(openRecord(meshCrypto, payload, signature)?.record.endpoints).toEqual(endpoints);
    }
    for (const text of bad) {
      const endpoints = [endpoint(text, 51_820), endpoint('192.0.2.7', 1)];
      const { payload, signature } = signRecord(owner, record(owner, { endpoints }));
      const opened = openRecord(meshCrypto, payload, signature);
      expect(opened?.record.endpoints).toEqual([endpoint('192.0.2.7', 1)]);
    }
  });

  test('of another, by another, or changed is none', () => {
    const { payload, signature } = signRecord(owner, record(owner));
    expect(forge({})).not.toBeNull();
    expect(forge({}, identity(2))).toBeNull();
    for (let i = 0; i < payload.length; i++) {
      const changed = payload.slice();
      changed[i] = (changed[i] ?? 0) ^ 1;
      expect(openRecord(meshCrypto, changed, signature)).toBeNull();
    }
    expect(openRecord(meshCrypto, payload, signature.subarray(0, 63))).toBeNull();
  });

  const ip = (text: string) => address(text);
  test.each<[string, Record<string, Msgpack | undefined>]>([
    ['no id', { id: undefined }],
    ['a short id', { id: new Uint8Array(31) }],
    ['no incarnation', { i: undefined }],
    ['an incarnation of 2^32', { i: 0x1_0000_0000 }],
    ['a negative incarnation', { i: -1 }],
    ['no name', { n: undefined }],
    ['an empty name', { n: '' }],
    ['a name of 64 bytes', { n: 'n'.repeat(64) }],
    ['a name in capitals', { n: 'Shop' }],
    ['a name with a line break', { n: 'shop\n' }],
    ['a name that is a path', { n: '../shop' }],
    ['an endpoint of port 0', { e: [hex('c00002070000')] }],
    ['a multicast endpoint', { e: [hex('e0000001ca6c')] }],
    ['nine endpoints', { e: Array(9).fill(hex('c0000207ca6c')) }],
    ['two IPv4 addresses', { a: [ip('10.86.0.1'), ip('10.86.0.2')] }],
    ['three addresses', { a: [ip('10.86.0.1'), ip('10.86.0.1'), ip('fd00:0:0:0:0:0:0:1')] }],
    ['an address of 5 bytes', { a: [new Uint8Array(5)] }],
    ['an address counter of 2^16', { k: 0x1_0000 }],
    ['a route with host bits', { r: [hex('0a00000108')] }],
    ['33 routes', { r: Array(33).fill(hex('0a00000008')) }],
    ['a capability in capitals', { c: ['BOND'] }],
    ['an empty capability', { c: [''] }],
    ['a capability of 33 bytes', { c: ['c'.repeat(33)] }],
    ['17 capabilities', { c: Array(17).fill('bond/1') }],
    ['a certificate of 1025 bytes', { x: new Uint8Array(MAX_CERTIFICATE_BYTES + 1) }],
    ['left as a number', { l: 1 }],
    ['deep nesting', { later: [[[0]]] }],
    ['too many bytes', { later: new Uint8Array(4_096) }],
  ])('with %s is none', (_, changes) => {
    expect(forge(changes)).toBeNull();
  });

  test('with fields of a later version is read', () => {
    expect(forge({ later: ['x'], __proto__x: 1 })?.record).toEqual(record(owner));
  });

  test('tells whose it is, in whatever order it is written', () => {
    const { payload } = signRecord(owner, record(owner));
    expect(recordId(payload)).toBe(owner.id);
    const entries = [...(decodeMsgpack(payload) as ReadonlyMap<string, Msgpack>)];
    expect(recordId(encodeMsgpack(new Map(entries.reverse())))).toBe(owner.id);
    expect(recordId(payload.subarray(0, 20))).toBeNull();
    expect(recordId(new Uint8Array(0))).toBeNull();
  });

  test('that nobody would take is not signed', () => {
    expect(() => signRecord(owner, record(owner, { name: 'Shop' }))).toThrow(RangeError);
    expect(() => signRecord(owner, record(owner, { incarnation: 2 ** 32 }))).toThrow(RangeError);
    expect(() => signRecord(identity(2), record(owner))).toThrow(RangeError);
  });

  test('of any bytes never throws', () => {
    const signature = new Uint8Array(64);
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        expect(openRecord(meshCrypto, bytes, signature)).toBeNull();
      }),
    );
  });
});

describe('an accusation', () => {
  const [accuser, target] = [identity(1), identity(2)];

  test('is by its accuser, of one incarnation of one member', () => {
    const accusation = signAccusation(accuser, target.id, 7);
    expect(accusation).toMatchObject({ target: target.id, incarnation: 7, accuser: accuser.id });
    expect(verifyAccusation(meshCrypto, accusation)).toBe(true);
    const { id } = identity(3);
    expect(verifyAccusation(meshCrypto, { ...accusation, incarnation: 8 })).toBe(false);
    expect(verifyAccusation(meshCrypto, { ...accusation, target: id })).toBe(false);
    expect(verifyAccusation(meshCrypto, { ...accusation, accuser: id })).toBe(false);
    const signature = accusation.signature.subarray(1);
    expect(verifyAccusation(meshCrypto, { ...accusation, signature })).toBe(false);
  });

  test('is that of the vector', () => {
    const { seed, target: id, incarnation, signature } = vectors.accusation;
    const by = createIdentity(meshCrypto, hex(seed));
    expect(toHex(signAccusation(by, nodeIdOf(hex(id)), incarnation).signature)).toBe(signature);
  });
});

test.each([
  ['a', true],
  ['shop-2', true],
  ['2', true],
  ['x'.repeat(63), true],
  ['x'.repeat(64), false],
  ['', false],
  ['-a', false],
  ['a-', false],
  ['a.b', false],
  ['a_b', false],
  ['ä', false],
  ['A', false],
  ['a\n', false],
])('%j is a node name: %s', (name, expected) => {
  expect(isNodeName(name)).toBe(expected);
});
