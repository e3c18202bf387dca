// The primitives of the protocol cores, each from the library that is fastest for it on Node: X25519, BLAKE2s and its
// HMAC from OpenSSL by node:crypto, keyed BLAKE2s (which OpenSSL has not) from @noble/hashes, the AEADs from libsodium.

import {
  createHash,
  createHmac,
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  type KeyObject,
  randomBytes,
  timingSafeEqual,
} from 'node:crypto';
import { blake2s } from '@noble/hashes/blake2.js';
import type Sodium from 'libsodium-wrappers';
import type { Crypto, PrivateKey } from '../core/crypto.js';
import type { Random } from '../core/random.js';

const HASH = 'blake2s256';
const KEY_LENGTH = 32;
const MAC_LENGTH = 16;
const NONCE_LENGTH = 12;
const TAG_LENGTH = 16;
const UNUSED_X = base64url(new Uint8Array(KEY_LENGTH));

/** The operating system's generator. */
export const systemRandom: Random = {
  bytes: (length) => plain(randomBytes(length)),
};

/**
 * Loads libsodium (its WebAssembly compiles off the main thread: start this early and await it late).
 */
export async function createCrypto(): Promise<Crypto> {
  const { default: sodium } = await import('libsodium-wrappers');
  await sodium.ready;
  return {
    importPrivateKey: (bytes) => new NodePrivateKey(bytes),
    hash(...parts) {
      const hash = createHash(HASH);
      for (const part of parts) hash.update(part);
      return plain(hash.digest());
    },
    hmac(key, ...parts) {
      const hmac = createHmac(HASH, key);
      for (const part of parts) hmac.update(part);
      return plain(hmac.digest());
    },
    mac(key, ...parts) {
      const mac = blake2s.create({ key, dkLen: MAC_LENGTH });
      for (const part of parts) mac.update(part);
      return mac.digest();
    },
    equal: (a, b) => a.length === b.length && timingSafeEqual(a, b),
    ...aeads(sodium),
  };
}

function aeads(sodium: typeof Sodium): Pick<Crypto, 'seal' | 'open' | 'xseal' | 'xopen'> {
  return {
    seal: (key, counter, plaintext, aad) =>
      sodium.crypto_aead_chacha20poly1305_ietf_encrypt(plaintext, aad, null, nonce(counter), key),
    open: (key, counter, sealed, aad) =>
      verified(sealed, () =>
        sodium.crypto_aead_chacha20poly1305_ietf_decrypt(null, sealed, aad, nonce(counter), key),
      ),
    xseal: (key, nonce24, plaintext, aad) =>
      sodium.crypto_aead_xchacha20poly1305_ietf_encrypt(plaintext, aad, null, nonce24, key),
    xopen: (key, nonce24, sealed, aad) =>
      verified(sealed, () =>
        sodium.crypto_aead_xchacha20poly1305_ietf_decrypt(null, sealed, aad, nonce24, key),
      ),
  };
}

/** libsodium throws where the tag does not verify; hostile input is no exception to us. */
function verified(sealed: Uint8Array, decrypt: () => Uint8Array): Uint8Array | null {
  if (sealed.length < TAG_LENGTH) return null;
  try {
    return decrypt();
  } catch {
    return null;
  }
}

function nonce(counter: number): Uint8Array {
  const bytes = new Uint8Array(NONCE_LENGTH);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(4, BigInt(counter), true);
  return bytes;
}

/** The same memory without Buffer's own slice() and toString(), which the cores do not expect. */
function plain(buffer: Buffer): Uint8Array {
  return new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.length);
}

/** Keeps the key inside OpenSSL: importing costs as much as a Diffie-Hellman. */
class NodePrivateKey implements PrivateKey {
  readonly publicKey: Uint8Array;
  readonly #key: KeyObject;

  constructor(bytes: Uint8Array) {
    if (bytes.length !== KEY_LENGTH) throw new RangeError('An X25519 private key has 32 bytes');
    // As JWK: Node needs 35 us for it, and 350 us for PKCS #8. OpenSSL derives the public key without a look at x, and
    // sets the bits of the scalar (RFC 7748, 5) itself.
    const jwk = { kty: 'OKP', crv: 'X25519', d: base64url(bytes), x: UNUSED_X };
    this.#key = createPrivateKey({ key: jwk, format: 'jwk' });
    const { x } = createPublicKey(this.#key).export({ format: 'jwk' });
    this.publicKey = new Uint8Array(Buffer.from(x ?? '', 'base64url'));
  }

  diffieHellman(publicKey: Uint8Array): Uint8Array | null {
    const jwk = { kty: 'OKP', crv: 'X25519', x: base64url(publicKey) };
    const key = createPublicKey({ key: jwk, format: 'jwk' });
    try {
      return plain(diffieHellman({ privateKey: this.#key, publicKey: key }));
    } catch {
      // OpenSSL refuses an all-zero result (RFC 7748, 6.1).
      return null;
    }
  }
}

function base64url(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('base64url');
}
