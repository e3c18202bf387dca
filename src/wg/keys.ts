// Curve25519 keys between their bytes and the forms the core keeps them in.

import type { PublicKey } from '../core/types.js';

export const KEY_LENGTH = 32;

const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));

/** @param bytes 32 bytes */
export function encodePublicKey(bytes: Uint8Array): PublicKey {
  let key = '';
  for (const byte of bytes) key += HEX[byte];
  return key as PublicKey;
}

export function decodePublicKey(key: PublicKey): Uint8Array {
  const bytes = new Uint8Array(KEY_LENGTH);
  for (let i = 0; i < KEY_LENGTH; i++) {
    bytes[i] = Number.parseInt(key.slice(2 * i, 2 * i + 2), 16);
  }
  return bytes;
}

/** A copy with the fixed bits of an X25519 scalar set (RFC 7748, 5). */
export function clampPrivateKey(bytes: Uint8Array): Uint8Array {
  const clamped = new Uint8Array(bytes);
  clamped[0] = (clamped[0] ?? 0) & 0xf8;
  clamped[31] = ((clamped[31] ?? 0) & 0x7f) | 0x40;
  return clamped;
}
