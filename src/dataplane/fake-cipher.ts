// Ciphers for the fake data plane: the real one on injected primitives, or a toy that is quick and not secret.

import type { Crypto } from '../core/crypto.js';

export interface FakeCipher {
  /** Returns ciphertext | 16 bytes of tag. */
  seal(key: Uint8Array, counter: number, plaintext: Uint8Array): Uint8Array;
  /** Null if the tag does not verify. */
  open(key: Uint8Array, counter: number, sealed: Uint8Array): Uint8Array | null;
  /** Whether an initiation or response is meant for the owner of `publicKey` (whitepaper 5.4.4). */
  verifyMac1(publicKey: Uint8Array, message: Uint8Array): boolean;
}

const TAG_BYTES = 16;
const MAC_BYTES = 16;
const NO_AAD = new Uint8Array(0);
const LABEL_MAC1 = new TextEncoder().encode('mac1----');

export function realCipher(crypto: Crypto): FakeCipher {
  return {
    seal: (key, counter, plaintext) => crypto.seal(key, counter, plaintext, NO_AAD),
    open: (key, counter, sealed) => crypto.open(key, counter, sealed, NO_AAD),
    verifyMac1: (publicKey, message) => {
      const covered = message.subarray(0, message.length - 2 * MAC_BYTES);
      const mac1 = message.subarray(covered.length, covered.length + MAC_BYTES);
      return crypto.equal(crypto.mac(crypto.hash(LABEL_MAC1, publicKey), covered), mac1);
    },
  };
}

/** FNV-1a over key, counter and text. */
function toyTag(key: Uint8Array, counter: number, text: Uint8Array): Uint8Array {
  let hash = 0x811c9dc5 ^ counter;
  for (const part of [key, text]) {
    for (const byte of part) hash = Math.imul(hash ^ byte, 0x01000193);
  }
  const tag = new Uint8Array(TAG_BYTES);
  new DataView(tag.buffer).setUint32(0, hash >>> 0);
  return tag;
}

/** Plaintext with a checksum; accepts every mac1. */
export const toyCipher: FakeCipher = {
  seal(key, counter, plaintext) {
    const sealed = new Uint8Array(plaintext.length + TAG_BYTES);
    sealed.set(plaintext);
    sealed.set(toyTag(key, counter, plaintext), plaintext.length);
    return sealed;
  },
  open(key, counter, sealed) {
    const plaintext = sealed.slice(0, sealed.length - TAG_BYTES);
    const tag = toyTag(key, counter, plaintext);
    return tag.every((byte, i) => byte === sealed[plaintext.length + i]) ? plaintext : null;
  },
  verifyMac1: () => true,
};
