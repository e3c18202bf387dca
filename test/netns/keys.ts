// Curve25519 and preshared keys in the base64 of `wg`.
import { createPrivateKey, createPublicKey, randomBytes } from 'node:crypto';

export interface KeyPair {
  readonly privateKey: string;
  readonly publicKey: string;
}

const PKCS8_X25519 = Buffer.from('302e020100300506032b656e04220420', 'hex'); // RFC 8410 section 7

export function generateKeyPair(): KeyPair {
  const secret = randomBytes(32);
  secret[0] = (secret[0] ?? 0) & 248;
  secret[31] = ((secret[31] ?? 0) & 127) | 64;
  return { privateKey: secret.toString('base64'), publicKey: publicKeyOf(secret) };
}

export function randomKey(): string {
  return randomBytes(32).toString('base64');
}

export function hex(base64: string): string {
  return Buffer.from(base64, 'base64').toString('hex');
}

function publicKeyOf(secret: Buffer): string {
  const key = createPrivateKey({
    key: Buffer.concat([PKCS8_X25519, secret]),
    format: 'der',
    type: 'pkcs8',
  });
  return createPublicKey(key)
    .export({ format: 'der', type: 'spki' })
    .subarray(-32)
    .toString('base64');
}
