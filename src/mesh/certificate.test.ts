import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { certify, identity, meshCrypto, NOW, opened } from '../../test/support/mesh.js';
import { address, hex, prefix, toHex } from '../../test/support/wg.js';
import vectors from '../../test/vectors/mesh-identity.json' with { type: 'json' };
import { decodeMsgpack, encodeMsgpack, type Msgpack } from '../wire/msgpack.js';
import {
  type Certificate,
  decodeCertificate,
  type IssuerScope,
  isNamePattern,
  scopeViolation,
  seniorityOf,
  signCertificate,
  verifyCertificate,
} from './certificate.js';
import { SIGNATURE_BYTES, signIn } from './identity.js';
import { MAX_SECONDS } from './types.js';

const [authority, subject] = [identity(1), identity(2)];
const scope: IssuerScope = {
  names: ['lab-*', 'printer'],
  groups: ['lab'],
  routes: [prefix('10.20.0.0/16')],
  addresses: [prefix('10.86.9.0/24')],
};

/** Signs whatever payload, as a hostile authority can. */
function forge(changes: Record<string, Msgpack | undefined>) {
  const payload = certify(authority, subject).slice(SIGNATURE_BYTES);
  const fields = new Map(decodeMsgpack(payload) as Map<string, Msgpack>);
  for (const [key, value] of Object.entries(changes)) {
    if (value === undefined) fields.delete(key);
    else fields.set(key, value);
  }
  const changed = encodeMsgpack(fields);
  const signature = signIn('certificate', authority, changed);
  return decodeCertificate(new Uint8Array([...signature, ...changed]));
}

describe('a certificate', () => {
  test('survives with everything in it', () => {
    const certificate: Certificate = {
      subject: subject.id,
      name: 'lab-1',
      groups: ['lab', 'admins'],
      addresses: [address('10.86.9.1'), address('fd00:0:0:0:0:0:0:1')],
      routes: [prefix('10.20.0.0/16')],
      notBefore: NOW,
      notAfter: NOW + 1,
      serial: new Uint8Array(16).fill(9),
      issuer: authority.id,
      canIssue: scope,
    };
    const decoded = opened(signCertificate(authority, certificate));
    expect(decoded).toMatchObject(certificate);
    expect(verifyCertificate(meshCrypto, decoded)).toBe(true);
  });

  test('is that of the vectors', () => {
    for (const text of [vectors.issuerCertificate, vectors.certificate]) {
      const decoded = opened(hex(text));
      expect(verifyCertificate(meshCrypto, decoded)).toBe(true);
      const issuer = [identity(1), identity(2)].find(({ id }) => id === decoded.issuer)!;
      expect(toHex(signCertificate(issuer, decoded))).toBe(text);
    }
    const { canIssue } = opened(hex(vectors.issuerCertificate));
    expect(canIssue).toEqual({
      names: ['lab-*'],
      groups: ['lab'],
      routes: [prefix('10.20.0.0/16')],
      addresses: [],
    });
    expect(opened(hex(vectors.certificate)).issuerCertificate).toEqual(
      hex(vectors.issuerCertificate),
    );
  });

  test('does not verify if a bit of it was changed', () => {
    const bytes = certify(authority, subject);
    for (let i = 0; i < bytes.length; i++) {
      const changed = bytes.slice();
      changed[i] = (changed[i] ?? 0) ^ 0x10;
      const decoded = decodeCertificate(changed);
      expect(decoded !== null && verifyCertificate(meshCrypto, decoded)).toBe(false);
    }
  });

  test.each<[string, Record<string, Msgpack | undefined>]>([
    ['no subject', { s: undefined }],
    ['a bad name', { n: '-' }],
    ['no groups', { g: undefined }],
    ['a bad group', { g: ['a b'] }],
    ['17 groups', { g: Array(17).fill('g') }],
    ['two IPv4 addresses', { a: [new Uint8Array(4), new Uint8Array(4)] }],
    ['a route with host bits', { r: [hex('0a00000108')] }],
    ['33 routes', { r: Array(33).fill(hex('0a00000008')) }],
    ['no beginning', { b: undefined }],
    ['an end before its beginning', { b: NOW, e: NOW - 1 }],
    ['no time', { b: NOW, e: NOW }],
    ['a negative time', { b: -1 }],
    ['a serial of 15 bytes', { q: new Uint8Array(15) }],
    ['a short issuer', { i: new Uint8Array(5) }],
    ['a scope that is none', { d: true }],
    ['a scope without names', { d: new Map<string, Msgpack>([['g', []]]) }],
    ['a chain that is none', { c: 'text' }],
    [
      'a scope below a chain: a second level',
      {
        c: new Uint8Array(10),
        d: new Map<string, Msgpack>([
          ['n', ['*']],
          ['g', []],
          ['r', []],
          ['a', []],
        ]),
      },
    ],
    ['more than 1024 bytes', { later: new Uint8Array(1_000) }],
  ])('with %s is none', (_, changes) => {
    expect(forge(changes)).toBeNull();
  });

  test('with fields of a later version is read', () => {
    expect(forge({ later: 5 })).not.toBeNull();
  });

  test('of any bytes never throws', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        expect(decodeCertificate(bytes)).toBeNull();
      }),
    );
  });

  test('that nobody would take is not signed, and the error says why', () => {
    expect(() => certify(authority, subject, { name: 'Shop' })).toThrow(/"Shop"/);
    expect(() => certify(authority, subject, { notAfter: NOW - 100 * 86_400 })).toThrow(/validity/);
    expect(() => certify(authority, subject, { issuer: subject.id })).toThrow();
    const issuerCertificate = new Uint8Array(1_000);
    expect(() => certify(authority, subject, { issuerCertificate })).toThrow(/fewer/);
  });
});

describe('the seniority of a certificate', () => {
  const issuerCertificate = (notBefore: number) => certify(authority, subject, { notBefore });
  const delegated = (notBefore: number, issuerSince: number) =>
    opened(
      certify(subject, authority, { notBefore, issuerCertificate: issuerCertificate(issuerSince) }),
    );

  test('is from when on it holds', () => {
    expect(seniorityOf(opened(certify(authority, subject, { notBefore: 17 })))).toBe(17);
  });

  test('by a delegated issuer is behind all others, and from its certificate on', () => {
    const latest = opened(
      certify(authority, subject, { notBefore: MAX_SECONDS - 1, notAfter: MAX_SECONDS }),
    );
    expect(seniorityOf(delegated(0, 0))).toBeGreaterThan(seniorityOf(latest));
    expect(seniorityOf(delegated(1, 500))).toBe(seniorityOf(delegated(500, 500)));
    expect(seniorityOf(delegated(600, 500))).toBeGreaterThan(seniorityOf(delegated(500, 500)));
  });
});

describe("an issuer's scope", () => {
  const asked = { name: 'lab-1', groups: ['lab'], routes: [], addresses: [] };

  test.each([
    ['what it lists', asked],
    ['an exact name', { ...asked, name: 'printer' }],
    ['the shortest name of a pattern', { ...asked, name: 'lab-' }],
    ['a route within', { ...asked, routes: [prefix('10.20.30.0/24')] }],
    ['an address within', { ...asked, addresses: [address('10.86.9.7')] }],
    ['no groups', { ...asked, groups: [] }],
  ])('permits %s', (_, certificate) => {
    expect(scopeViolation(certificate, scope)).toBeNull();
  });

  test.each([
    ['another name', { ...asked, name: 'shop' }, 'name shop'],
    ['a name that ends so', { ...asked, name: 'my-lab-1' }, 'name my-lab-1'],
    ['a name that begins so', { ...asked, name: 'printer2' }, 'name printer2'],
    ['another group', { ...asked, groups: ['lab', 'admins'] }, 'group admins'],
    ['a wider route', { ...asked, routes: [prefix('10.0.0.0/8')] }, 'route 10.0.0.0/8'],
    ['a default route', { ...asked, routes: [prefix('0.0.0.0/0')] }, 'route 0.0.0.0/0'],
    ['another address', { ...asked, addresses: [address('10.86.8.1')] }, 'address 10.86.8.1'],
  ])('does not permit %s', (_, certificate, said) => {
    expect(scopeViolation(certificate, scope)).toContain(said);
  });

  test('without entries permits nothing; with * any name and group', () => {
    const none = { names: [], groups: [], routes: [], addresses: [] };
    const any = { ...none, names: ['*'], groups: ['*'] };
    expect(scopeViolation(asked, none)).toContain('name');
    expect(scopeViolation(asked, any)).toBeNull();
    const both = { ...none, names: ['a*a'] };
    expect(scopeViolation({ ...asked, name: 'a', groups: [] }, both)).toContain('name');
    expect(scopeViolation({ ...asked, name: 'aa', groups: [] }, both)).toBeNull();
  });

  test.each([
    ['*', true],
    ['lab-*', true],
    ['*-lab', true],
    ['a*b', true],
    ['lab', true],
    ['', false],
    ['**', false],
    ['a*b*', false],
    ['A*', false],
    ['.*', false],
    ['a\n', false],
  ])('%j is a pattern: %s', (text, expected) => {
    expect(isNamePattern(text)).toBe(expected);
  });
});
