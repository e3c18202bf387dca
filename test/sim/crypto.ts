// Cryptography for simulations: the shapes and the failures of the real one (a changed byte does not verify, a
// wrong key does not open) at a thousandth of its cost. NOT SECURE: a "private" key is its public key, and nothing is
// secret. Used nowhere but here.

import type { MeshCrypto, PrivateKey, SigningKey } from '../../src/core/crypto.js';

const KEY_LENGTH = 32;
const SIGNATURE_LENGTH = 64;
const TAG_LENGTH = 16;
const MAC_LENGTH = 16;

// What the digest is for: the same input means different things in different places.
const HASH = 1;
const MAC = 2;
const SEAL = 3;
const AGREE = 4;
const SHARED = 5;
const SIGN = 6;

/** A digest that is good enough to tell inputs apart: two multiply-rotate lanes, mixed at the end as in MurmurHash3. */
function digest(purpose: number, length: number, ...parts: readonly Uint8Array[]): Uint8Array {
  let a = 0x9e3779b9 ^ purpose;
  let b = 0x85ebca6b;
  for (const part of parts) {
    for (let i = 0; i < part.length; i++) {
      const byte = part[i] as number;
      a = Math.imul(a ^ byte, 0x01000193);
      b = Math.imul(b + byte, 0x5bd1e995);
      b ^= b >>> 15;
    }
  }
  const out = new Uint8Array(length);
  for (let i = 0; i < length; i += 4) {
    a = mix(a + i);
    b = mix(b ^ a);
    out[i] = b;
    out[i + 1] = b >>> 8;
    out[i + 2] = b >>> 16;
    out[i + 3] = b >>> 24;
  }
  return out;
}

function mix(word: number): number {
  let h = Math.imul(word ^ (word >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
}

function equal(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** What datagrams are made of is short-lived: a piece of a slab costs a fifth of an allocation of its own. */
const SLAB_BYTES = 256 * 1024;
let slab = new ArrayBuffer(SLAB_BYTES);
let slabUsed = 0;

function pieceOfSlab(length: number): Uint8Array {
  if (length > SLAB_BYTES) return new Uint8Array(length);
  if (slabUsed + length > SLAB_BYTES) {
    slab = new ArrayBuffer(SLAB_BYTES);
    slabUsed = 0;
  }
  const piece = new Uint8Array(slab, slabUsed, length);
  slabUsed += length;
  return piece;
}

function seal(key: Uint8Array, nonce: Uint8Array, plaintext: Uint8Array, aad: Uint8Array) {
  const sealed = pieceOfSlab(plaintext.length + TAG_LENGTH);
  sealed.set(plaintext);
  sealed.set(digest(SEAL, TAG_LENGTH, key, nonce, aad, plaintext), plaintext.length);
  return sealed;
}

function open(key: Uint8Array, nonce: Uint8Array, sealed: Uint8Array, aad: Uint8Array) {
  if (sealed.length < TAG_LENGTH) return null;
  const plaintext = pieceOfSlab(sealed.length - TAG_LENGTH);
  for (let i = 0; i < plaintext.length; i++) plaintext[i] = sealed[i] as number;
  const tag = digest(SEAL, TAG_LENGTH, key, nonce, aad, plaintext);
  for (let i = 0; i < TAG_LENGTH; i++) if (tag[i] !== sealed[plaintext.length + i]) return null;
  return plaintext;
}

function counterNonce(counter: number): Uint8Array {
  return Uint8Array.of(counter, counter >>> 8, counter >>> 16, counter >>> 24);
}

function agreementKey(publicKey: Uint8Array): PrivateKey {
  return {
    publicKey,
    diffieHellman(other) {
      if (other.every((byte) => byte === 0)) return null;
      // the same from either side
      const sum = publicKey.map((byte, i) => byte + (other[i] ?? 0));
      const difference = publicKey.map((byte, i) => byte ^ (other[i] ?? 0));
      return digest(SHARED, KEY_LENGTH, sum, difference);
    },
  };
}

const agreementPublicKey = (publicKey: Uint8Array) => digest(AGREE, KEY_LENGTH, publicKey);

function signature(publicKey: Uint8Array, message: Uint8Array): Uint8Array {
  return digest(SIGN, SIGNATURE_LENGTH, publicKey, message);
}

export const simulationCrypto: MeshCrypto = {
  importPrivateKey: (bytes) => agreementKey(bytes),
  hash: (...parts) => digest(HASH, KEY_LENGTH, ...parts),
  hmac: (key, ...parts) => digest(MAC, KEY_LENGTH, key, ...parts),
  mac: (key, ...parts) => digest(MAC, MAC_LENGTH, key, ...parts),
  seal: (key, counter, plaintext, aad) => seal(key, counterNonce(counter), plaintext, aad),
  open: (key, counter, sealed, aad) => open(key, counterNonce(counter), sealed, aad),
  xseal: seal,
  xopen: open,
  equal,
  importSigningKey(seed): SigningKey {
    const publicKey = digest(HASH, KEY_LENGTH, seed);
    const agreementSecret = agreementPublicKey(publicKey);
    return {
      publicKey,
      agreementKey: agreementKey(agreementSecret),
      agreementSecret,
      sign: (message) => signature(publicKey, message),
    };
  },
  verify: (publicKey, message, claimed) => equal(signature(publicKey, message), claimed),
  agreementPublicKey,
};
