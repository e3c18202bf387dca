// Tokens that we choose for others to write. The index is random and finds the session; the check is a MAC of the index
// under a key of our identity, so that after a restart we know our own and tell their users that the session is gone,
// and stay silent to everybody else.

import type { Crypto } from '../../core/crypto.js';
import { type Random, randomUint32 } from '../../core/random.js';
import type { Token } from '../../wire/gossip.js';
import { tokenKey } from './keys.js';

export class LocalTokens {
  readonly #crypto: Crypto;
  readonly #random: Random;
  readonly #key: Uint8Array;
  readonly #taken = new Set<number>();

  /** @param agreementSecret of our identity */
  constructor(crypto: Crypto, random: Random, agreementSecret: Uint8Array) {
    this.#crypto = crypto;
    this.#random = random;
    this.#key = tokenKey(crypto, agreementSecret);
  }

  draw(): Token {
    let index = randomUint32(this.#random);
    while (this.#taken.has(index)) index = randomUint32(this.#random);
    this.#taken.add(index);
    return { index, check: this.#checkOf(index) };
  }

  release(token: Token): void {
    this.#taken.delete(token.index);
  }

  /** True if this identity has once drawn it. */
  isOurs(token: Token): boolean {
    return this.#checkOf(token.index) === token.check;
  }

  #checkOf(index: number): number {
    const bytes = new Uint8Array(4);
    new DataView(bytes.buffer).setUint32(0, index, true);
    const mac = this.#crypto.mac(this.#key, bytes);
    return new DataView(mac.buffer, mac.byteOffset, 4).getUint32(0, true);
  }
}

export function sameToken(a: Token, b: Token): boolean {
  return a.index === b.index && a.check === b.check;
}
