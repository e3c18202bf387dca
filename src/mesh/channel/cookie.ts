// Cookies: proof that whoever says hello receives at the address it sends from. Nothing is kept for one; it is a MAC of
// the address and the hello's token under a secret that lives a minute. Who has a wrong one is given the right one.

import type { Crypto } from '../../core/crypto.js';
import type { Random } from '../../core/random.js';
import type { Endpoint } from '../../core/types.js';
import { encodeToken, type Token } from '../../wire/gossip.js';
import { COOKIE_SECRET_MS } from './limits.js';

const SECRET_LENGTH = 32;

export class CookieMaker {
  readonly #crypto: Crypto;
  readonly #random: Random;
  #secret = new Uint8Array(SECRET_LENGTH);
  #secretBornMs = -Infinity;

  constructor(crypto: Crypto, random: Random) {
    this.#crypto = crypto;
    this.#random = random;
  }

  /** 16 bytes. */
  make(nowMs: number, source: Endpoint, token: Token): Uint8Array {
    if (nowMs - this.#secretBornMs >= COOKIE_SECRET_MS) {
      this.#secret = new Uint8Array(this.#random.bytes(SECRET_LENGTH));
      this.#secretBornMs = nowMs;
    }
    const port = Uint8Array.of(source.port >> 8, source.port);
    return this.#crypto.mac(this.#secret, source.address, port, encodeToken(token));
  }
}
