import { createCipheriv } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { hex, toHex } from '../../test/support/wg.js';
import vectors from '../../test/vectors/primitives.json' with { type: 'json' };
import { createCrypto, systemRandom } from './crypto.js';

const crypto = await createCrypto();
const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });

describe('BLAKE2s', () => {
  it.each(vectors.blake2s.vectors)('hashes $data', ({ data, hash }) => {
    expect(toHex(crypto.hash(hex(data)))).toBe(hash);
  });

  it.each(vectors.hmacBlake2s.vectors)('HMAC with key $key', ({ key, data, mac }) => {
    expect(toHex(crypto.hmac(hex(key), hex(data)))).toBe(mac);
  });

  it.each(vectors.keyedBlake2s128.vectors)('keyed, 128 bits, key $key', ({ key, data, mac }) => {
    expect(toHex(crypto.mac(hex(key), hex(data)))).toBe(mac);
  });

  it('takes its input in parts', () => {
    const whole = Uint8Array.from({ length: 150 }, (_, i) => i);
    const parts = [whole.subarray(0, 1), whole.subarray(1, 70), whole.subarray(70)];
    const key = whole.subarray(0, 32);
    expect(crypto.hash(...parts)).toEqual(crypto.hash(whole));
    expect(crypto.hmac(key, ...parts)).toEqual(crypto.hmac(key, whole));
    expect(crypto.mac(key, ...parts)).toEqual(crypto.mac(key, whole));
  });
});

describe('X25519', () => {
  it.each(vectors.x25519.vectors)('multiplies $point', ({ scalar, point, shared }) => {
    const secret = crypto.importPrivateKey(hex(scalar)).diffieHellman(hex(point));
    expect(secret && toHex(secret)).toBe(shared);
  });

  it('derives the public key of an unclamped scalar', () => {
    const base = new Uint8Array(32);
    base[0] = 9;
    fc.assert(
      fc.property(bytes(32), (scalar) => {
        const key = crypto.importPrivateKey(scalar);
        expect(key.publicKey).toEqual(key.diffieHellman(base));
      }),
      { numRuns: 20 },
    );
  });

  it.each(vectors.lowOrderPoints.points)('gives null for the low-order point %s', (point) => {
    const key = crypto.importPrivateKey(systemRandom.bytes(32));
    expect(key.diffieHellman(hex(point))).toBeNull();
    const highBitSet = hex(point);
    highBitSet[31] = (highBitSet[31] ?? 0) | 0x80;
    expect(key.diffieHellman(highBitSet)).toBeNull();
  });

  it('refuses keys of a wrong length', () => {
    expect(() => crypto.importPrivateKey(new Uint8Array(31))).toThrow(RangeError);
  });
});

describe('ChaCha20-Poly1305', () => {
  it('agrees with OpenSSL and opens what it sealed', () => {
    const any = fc.uint8Array({ maxLength: 200 });
    const counter = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER });
    fc.assert(
      fc.property(bytes(32), counter, any, any, (key, n, plaintext, aad) => {
        const nonce = Buffer.alloc(12);
        nonce.writeBigUInt64LE(BigInt(n), 4);
        const cipher = createCipheriv('chacha20-poly1305', key, nonce, { authTagLength: 16 });
        cipher.setAAD(aad, { plaintextLength: plaintext.length });
        const body = cipher.update(plaintext);
        cipher.final();
        const sealed = crypto.seal(key, n, plaintext, aad);
        expect(toHex(sealed)).toBe(toHex(body) + toHex(cipher.getAuthTag()));
        expect(crypto.open(key, n, sealed, aad)).toEqual(plaintext);
      }),
    );
  });

  it('opens nothing that was changed or cut', () => {
    const key = systemRandom.bytes(32);
    const sealed = crypto.seal(key, 0, hex('010203'), hex('04'));
    for (let i = 0; i < sealed.length; i++) {
      const changed = new Uint8Array(sealed);
      changed[i] = (changed[i] ?? 0) ^ 1;
      expect(crypto.open(key, 0, changed, hex('04'))).toBeNull();
      expect(crypto.open(key, 0, sealed.subarray(0, i), hex('04'))).toBeNull();
    }
    expect(crypto.open(key, 1, sealed, hex('04'))).toBeNull();
    expect(crypto.open(key, 0, sealed, hex('05'))).toBeNull();
  });
});

describe('XChaCha20-Poly1305', () => {
  it.each(vectors.xchacha20poly1305.vectors)('the published vector', (vector) => {
    const { key, nonce, plaintext, aad, sealed } = vector;
    const [k, n, a] = [hex(key), hex(nonce), hex(aad)];
    expect(toHex(crypto.xseal(k, n, hex(plaintext), a))).toBe(sealed);
    expect(toHex(crypto.xopen(k, n, hex(sealed), a) ?? hex(''))).toBe(plaintext);
    expect(crypto.xopen(k, n, hex(sealed), hex('00'))).toBeNull();
    expect(crypto.xopen(k, n, hex(''), a)).toBeNull();
  });
});

describe('equal', () => {
  it('compares lengths and bytes', () => {
    expect(crypto.equal(hex('0102'), hex('0102'))).toBe(true);
    expect(crypto.equal(hex('0102'), hex('0103'))).toBe(false);
    expect(crypto.equal(hex('0102'), hex('010200'))).toBe(false);
  });
});

describe('systemRandom', () => {
  it('gives plain arrays that differ', () => {
    const a = systemRandom.bytes(32);
    expect(a).toHaveLength(32);
    expect(Buffer.isBuffer(a)).toBe(false);
    expect(a).not.toEqual(systemRandom.bytes(32));
  });
});
