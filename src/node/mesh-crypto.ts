// Ed25519 for the mesh core, beside the primitives of crypto.ts. Signing and verifying are OpenSSL's by node:crypto,
// which is five times as fast as libsodium's WebAssembly; what OpenSSL lets pass and libsodium does not (points that are
// of small order, or not canonical) is refused here first.
// The way from Edwards to Montgomery keys is libsodium's, which checks that the point is of the prime-order group.

import {
  createHash,
  createPrivateKey,
  createPublicKey,
  type KeyObject,
  sign,
  verify,
} from 'node:crypto';
import type Sodium from 'libsodium-wrappers';
import type { MeshCrypto, PrivateKey, SigningKey } from '../core/crypto.js';
import { fromHex, toHex } from '../core/hex.js';
import { createCrypto } from './crypto.js';

const KEY_LENGTH = 32;
const SIGNATURE_LENGTH = 64;
/** Imported public keys kept: as many as a mesh may have members. */
const MAX_CACHED_KEYS = 4096;

/** p = 2^255 - 19, the field of the curve, little-endian. */
const P = littleEndian('7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffed');
/** y of the points whose order divides 8 (RFC 7748, security considerations; X and -X share it): 1, -1, 0 and two more. */
const SMALL_ORDER_Y = new Set([
  '0100000000000000000000000000000000000000000000000000000000000000',
  'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  '0000000000000000000000000000000000000000000000000000000000000000',
  '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
  'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a',
]);

export async function createMeshCrypto(): Promise<MeshCrypto> {
  const [crypto, { default: sodium }] = await Promise.all([
    createCrypto(),
    import('libsodium-wrappers'),
  ]);
  const publicKeys = new PublicKeyCache();
  return {
    ...crypto,
    importSigningKey: (seed) => new NodeSigningKey(seed, crypto.importPrivateKey),
    verify(publicKey, message, signature) {
      if (signature.length !== SIGNATURE_LENGTH) return false;
      if (!isStrictPoint(signature.subarray(0, KEY_LENGTH))) return false;
      const key = publicKeys.get(publicKey);
      return key !== null && verify(null, message, key, signature);
    },
    agreementPublicKey(publicKey) {
      return isStrictPoint(publicKey) ? montgomeryForm(sodium, publicKey) : null;
    },
  };
}

class NodeSigningKey implements SigningKey {
  readonly publicKey: Uint8Array;
  readonly agreementKey: PrivateKey;
  readonly agreementSecret: Uint8Array;
  readonly #key: KeyObject;

  constructor(seed: Uint8Array, importPrivateKey: (bytes: Uint8Array) => PrivateKey) {
    if (seed.length !== KEY_LENGTH) throw new RangeError('An Ed25519 private key has 32 bytes');
    // OpenSSL derives the public key without a look at x
    const jwk = { kty: 'OKP', crv: 'Ed25519', d: base64url(seed), x: base64url(P) };
    this.#key = createPrivateKey({ key: jwk, format: 'jwk' });
    const { x } = createPublicKey(this.#key).export({ format: 'jwk' });
    this.publicKey = new Uint8Array(Buffer.from(x ?? '', 'base64url'));
    // the scalar of RFC 8032, 5.1.5: the first half of the seed's SHA-512, clamped as X25519's is
    const digest = createHash('sha512').update(seed).digest();
    const scalar = new Uint8Array(digest.subarray(0, KEY_LENGTH));
    digest.fill(0);
    scalar[0] = (scalar[0] ?? 0) & 0xf8;
    scalar[31] = ((scalar[31] ?? 0) & 0x7f) | 0x40;
    this.agreementSecret = scalar;
    this.agreementKey = importPrivateKey(scalar);
  }

  sign(message: Uint8Array): Uint8Array {
    return new Uint8Array(sign(null, message, this.#key));
  }
}

/** Importing a key costs a third of a verification, and members sign again and again. The oldest goes first. */
class PublicKeyCache {
  readonly #keys = new Map<string, KeyObject>();

  /** Null if it is no key that anything may be verified with. */
  get(publicKey: Uint8Array): KeyObject | null {
    const id = toHex(publicKey);
    const cached = this.#keys.get(id);
    if (cached !== undefined) return cached;
    if (!isStrictPoint(publicKey)) return null;
    const jwk = { kty: 'OKP', crv: 'Ed25519', x: base64url(publicKey) };
    const key = createPublicKey({ key: jwk, format: 'jwk' });
    if (this.#keys.size >= MAX_CACHED_KEYS) {
      for (const oldest of this.#keys.keys()) {
        this.#keys.delete(oldest);
        break;
      }
    }
    this.#keys.set(id, key);
    return key;
  }
}

function montgomeryForm(sodium: typeof Sodium, publicKey: Uint8Array): Uint8Array | null {
  try {
    return sodium.crypto_sign_ed25519_pk_to_curve25519(publicKey);
  } catch {
    return null; // not on the curve, or not of the prime-order group
  }
}

/** A canonical encoding (y < p) of a point whose order is not small. It may still be no point of the curve. */
function isStrictPoint(point: Uint8Array): boolean {
  if (point.length !== KEY_LENGTH) return false;
  const y = new Uint8Array(point);
  y[31] = (y[31] ?? 0) & 0x7f;
  return isBelow(y, P) && !SMALL_ORDER_Y.has(toHex(y));
}

/** Little-endian numbers of 32 bytes, both public: time tells nothing. */
function isBelow(number: Uint8Array, bound: Uint8Array): boolean {
  for (let i = KEY_LENGTH - 1; i >= 0; i--) {
    const difference = (number[i] ?? 0) - (bound[i] ?? 0);
    if (difference !== 0) return difference < 0;
  }
  return false;
}

function littleEndian(hex: string): Uint8Array {
  return (fromHex(hex) ?? new Uint8Array(0)).reverse();
}

function base64url(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('base64url');
}
