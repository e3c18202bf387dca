// Curve25519 keys between their bytes and the forms the core keeps them in.

import { fromHex, toHex } from '../core/hex.js';
import type { PublicKey } from '../core/types.js';

export const KEY_LENGTH = 32;

/** @param bytes 32 bytes */
export function encodePublicKey(bytes: Uint8Array): PublicKey {
  return toHex(bytes) as PublicKey;
}

export function decodePublicKey(key: PublicKey): Uint8Array {
  return fromHex(key) as Uint8Array;
}

/** A copy with the fixed bits of an X25519 scalar set (RFC 7748, 5). */
export function clampPrivateKey(bytes: Uint8Array): Uint8Array {
  const clamped = new Uint8Array(bytes);
  clamped[0] = (clamped[0] ?? 0) & 0xf8;
  clamped[31] = ((clamped[31] ?? 0) & 0x7f) | 0x40;
  return clamped;
}
