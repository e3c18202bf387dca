import fc from 'fast-check';
import sodium from 'libsodium-wrappers';
import { describe, expect, it } from 'vitest';
import { hex, toHex } from '../../test/support/wg.js';
import vectors from '../../test/vectors/ed25519.json' with { type: 'json' };
import { createMeshCrypto } from './mesh-crypto.js';

await sodium.ready;
const crypto = await createMeshCrypto();
const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });

function sodiumVerifies(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array) {
  try {
    return sodium.crypto_sign_verify_detached(signature, message, publicKey);
  } catch {
    return false; // of a wrong length
  }
}

describe('Ed25519', () => {
  it.each(vectors.rfc8032.vectors)('signs as RFC 8032 with seed $seed', (vector) => {
    const key = crypto.importSigningKey(hex(vector.seed));
    const message = hex(vector.message);
    expect(toHex(key.publicKey)).toBe(vector.publicKey);
    expect(toHex(key.sign(message))).toBe(vector.signature);
    expect(crypto.verify(key.publicKey, message, hex(vector.signature))).toBe(true);
  });

  it.each(vectors.edgeCases.vectors)('edge case $case verifies: $valid', (vector) => {
    const args = [hex(vector.publicKey), hex(vector.message), hex(vector.signature)] as const;
    expect(crypto.verify(...args)).toBe(vector.valid);
    expect(sodiumVerifies(...args)).toBe(vector.valid);
  });

  it('verifies nothing that was changed', () => {
    const key = crypto.importSigningKey(new Uint8Array(32).fill(1));
    const other = crypto.importSigningKey(new Uint8Array(32).fill(2));
    const message = hex('010203');
    const signature = key.sign(message);
    for (let i = 0; i < signature.length * 8; i++) {
      const changed = signature.slice();
      changed[i >> 3] = (changed[i >> 3] ?? 0) ^ (1 << (i & 7));
      expect(crypto.verify(key.publicKey, message, changed)).toBe(false);
    }
    expect(crypto.verify(other.publicKey, message, signature)).toBe(false);
    expect(crypto.verify(key.publicKey, hex('010204'), signature)).toBe(false);
    expect(crypto.verify(key.publicKey, message, signature)).toBe(true);
  });

  it('does not take S + L for S (RFC 8032, 5.1.7)', () => {
    const key = crypto.importSigningKey(new Uint8Array(32).fill(1));
    const message = hex('010203');
    const signature = key.sign(message);
    let carry = 0;
    const order = hex('edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010');
    for (let i = 0; i < 32; i++) {
      const sum = (signature[32 + i] ?? 0) + (order[i] ?? 0) + carry;
      signature[32 + i] = sum & 0xff;
      carry = sum >> 8;
    }
    expect(carry).toBe(0);
    expect(crypto.verify(key.publicKey, message, signature)).toBe(false);
  });

  it('decides as libsodium on any key and signature', () => {
    const key = crypto.importSigningKey(new Uint8Array(32).fill(3));
    const good = key.sign(hex('00'));
    const halves = fc.oneof(
      bytes(32),
      fc.constantFrom(good.slice(0, 32), good.slice(32), new Uint8Array(32)),
    );
    const keys = fc.oneof(bytes(32), fc.constant(key.publicKey), fc.uint8Array({ maxLength: 40 }));
    fc.assert(
      fc.property(keys, halves, halves, (publicKey, r, s) => {
        const signature = new Uint8Array([...r, ...s]);
        const ours = crypto.verify(publicKey, hex('00'), signature);
        expect(ours).toBe(sodiumVerifies(publicKey, hex('00'), signature));
      }),
      { numRuns: 300 },
    );
  });

  it('has keys of 32 bytes, signatures of 64', () => {
    const key = crypto.importSigningKey(new Uint8Array(32).fill(1));
    const signature = key.sign(hex('00'));
    expect(() => crypto.importSigningKey(new Uint8Array(31))).toThrow(RangeError);
    expect(crypto.verify(key.publicKey.subarray(1), hex('00'), signature)).toBe(false);
    expect(crypto.verify(key.publicKey, hex('00'), signature.subarray(1))).toBe(false);
    expect(crypto.verify(key.publicKey, hex('00'), new Uint8Array(65))).toBe(false);
    expect(crypto.verify(new Uint8Array(0), hex('00'), signature)).toBe(false);
  });

  it('goes on verifying when more keys than it keeps have been seen', () => {
    const message = hex('00');
    const keys = Array.from({ length: 4_200 }, (_, i) =>
      crypto.importSigningKey(
        new Uint8Array(32)
          .fill(7)
          .fill(i >> 8, 1, 2)
          .fill(i & 0xff, 2, 3),
      ),
    );
    const signature = keys[0]!.sign(message);
    for (const key of keys) {
      expect(crypto.verify(key.publicKey, message, signature)).toBe(key === keys[0]);
    }
    expect(crypto.verify(keys[0]!.publicKey, message, signature)).toBe(true);
  });
});

describe('the X25519 key of an identity', () => {
  it.each(vectors.rfc8032.vectors)('follows from seed $seed', (vector) => {
    const key = crypto.importSigningKey(hex(vector.seed));
    expect(toHex(key.agreementSecret)).toBe(vector.agreementSecret);
    expect(toHex(key.agreementKey.publicKey)).toBe(vector.agreementPublicKey);
    expect(toHex(crypto.agreementPublicKey(key.publicKey)!)).toBe(vector.agreementPublicKey);
  });

  it('is the same from the private and from the public key, and agrees', () => {
    fc.assert(
      fc.property(bytes(32), bytes(32), (seedA, seedB) => {
        const a = crypto.importSigningKey(seedA);
        const b = crypto.importSigningKey(seedB);
        expect(crypto.agreementPublicKey(a.publicKey)).toEqual(a.agreementKey.publicKey);
        const shared = a.agreementKey.diffieHellman(crypto.agreementPublicKey(b.publicKey)!);
        expect(shared).not.toBeNull();
        expect(b.agreementKey.diffieHellman(a.agreementKey.publicKey)).toEqual(shared);
      }),
      { numRuns: 30 },
    );
  });

  it.each([
    ['of small order', '0100000000000000000000000000000000000000000000000000000000000000'],
    ['of order 8', 'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa'],
    ['minus zero', 'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff'],
    ['not canonical', 'eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f'],
    ['of mixed order', 'cdb267ce40c5cd45306fa5d2f29731459387dbf9eb933b7bd5aed9a765b88d4d'],
    ['off the curve', '0200000000000000000000000000000000000000000000000000000000000000'],
    ['too short', '58'],
  ])('does not exist for a point %s', (_, point) => {
    expect(crypto.agreementPublicKey(hex(point))).toBeNull();
  });
});
