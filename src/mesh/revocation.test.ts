import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { identity, meshCrypto, NOW } from '../../test/support/mesh.js';
import { hex, toHex } from '../../test/support/wg.js';
import vectors from '../../test/vectors/mesh-identity.json' with { type: 'json' };
import { encodeMsgpack, type Msgpack } from '../wire/msgpack.js';
import { publicKeyOf, signIn } from './identity.js';
import {
  decodeRevocation,
  type RevocationSubject,
  revocationId,
  signRevocation,
  verifyRevocation,
} from './revocation.js';

const authority = identity(1);
const serial = new Uint8Array(16).fill(0x22);
const subjects: [string, RevocationSubject][] = [
  ['certificate', { kind: 'certificate', serial }],
  ['node', { kind: 'node', node: identity(3).id }],
];

describe('a revocation', () => {
  test.each(subjects)('of a %s survives and verifies', (_, subject) => {
    const reason = 'r'.repeat(128);
    const bytes = signRevocation(authority, { subject, reason, issuedAt: NOW });
    const decoded = decodeRevocation(bytes)!;
    expect(decoded).toMatchObject({ authority: authority.id, subject, reason, issuedAt: NOW });
    expect(verifyRevocation(meshCrypto, decoded)).toBe(true);
  });

  test('is that of the vectors', () => {
    const texts = [
      ['certificate', 'laptop lost'],
      ['node', ''],
    ] as const;
    for (const [kind, reason] of texts) {
      const subject = subjects.find(([name]) => name === kind)![1];
      const bytes = signRevocation(authority, { subject, reason, issuedAt: NOW });
      expect(toHex(bytes)).toBe(vectors.revocations[kind]);
    }
  });

  test('does not verify if a bit of it was changed', () => {
    const bytes = hex(vectors.revocations.node);
    for (let i = 0; i < bytes.length; i++) {
      const changed = bytes.slice();
      changed[i] = (changed[i] ?? 0) ^ 0x10;
      const decoded = decodeRevocation(changed);
      expect(decoded !== null && verifyRevocation(meshCrypto, decoded)).toBe(false);
    }
  });

  const good: [string, Msgpack][] = [
    ['a', publicKeyOf(authority.id)],
    ['q', serial],
    ['r', ''],
    ['t', NOW],
  ];
  test.each<[string, [string, Msgpack][]]>([
    ['no subject', [['later', 1]]],
    [
      'two subjects',
      [
        ['q', serial],
        ['n', publicKeyOf(authority.id)],
      ],
    ],
    ['a short serial', [['q', new Uint8Array(15)]]],
    ['a reason of 129 bytes', [['r', 'r'.repeat(129)]]],
    ['an escape sequence as reason', [['r', '\x1b[2J']]],
    ['a negative time', [['t', -1]]],
    ['too many bytes', [['later', new Uint8Array(400)]]],
  ])('with %s is none', (name, changes) => {
    const entries = good.filter(([key]) => name !== 'no subject' || key !== 'q');
    const payload = encodeMsgpack(new Map([...entries, ...changes]));
    const signature = signIn('revocation', authority, payload);
    expect(decodeRevocation(new Uint8Array([...signature, ...payload]))).toBeNull();
  });

  test('has a bounded reason', () => {
    const subject = subjects[0]![1];
    const sign = (reason: string) => signRevocation(authority, { subject, reason, issuedAt: NOW });
    expect(() => sign('é'.repeat(65))).toThrow(/128 bytes/);
    expect(sign('é'.repeat(64)).length).toBeLessThan(384);
  });

  test('is known by its bytes', () => {
    const { certificate, node } = vectors.revocations;
    const id = revocationId(meshCrypto, hex(node));
    expect(id).toMatch(/^[0-9a-f]{64}$/);
    expect(revocationId(meshCrypto, hex(node))).toBe(id);
    expect(revocationId(meshCrypto, hex(certificate))).not.toBe(id);
  });

  test('of any bytes never throws', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
        expect(decodeRevocation(bytes)).toBeNull();
      }),
    );
  });
});
