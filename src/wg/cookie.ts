// mac1, mac2 and cookies (whitepaper 5.4.4, 5.4.7): what a handshake message must pass before any Diffie-Hellman.
// CookieChecker is our side as receiver, one a device; CookieJar our side as sender, one a peer.

import type { Crypto } from '../core/crypto.js';
import type { Random } from '../core/random.js';
import type { Endpoint } from '../core/types.js';
import {
  COOKIE_NONCE_LENGTH,
  type CookieReply,
  encodeCookieReply,
  macFields,
} from '../wire/wireguard.js';
import { COOKIE_SECRET_LATENCY_MS, COOKIE_SECRET_MAX_AGE_MS } from './constants.js';
import { RateLimiter } from './rate-limiter.js';

const LABEL_MAC1 = new TextEncoder().encode('mac1----');
const LABEL_COOKIE = new TextEncoder().encode('cookie--');
const SECRET_LENGTH = 32;

/** How a message's macs were found; 'valid' lets it go on to the handshake. */
export type MacVerdict = 'valid' | 'bad-mac1' | 'needs-cookie' | 'rate-limited';

export class CookieChecker {
  readonly #crypto: Crypto;
  readonly #random: Random;
  readonly #onNewSecret: (secret: Uint8Array) => void;
  readonly #rateLimiter = new RateLimiter();
  readonly #mac1Key: Uint8Array;
  readonly #cookieKey: Uint8Array;
  #secret = new Uint8Array(SECRET_LENGTH);
  #secretBornMs = -Infinity;

  /** @param onNewSecret is given a copy of each new cookie secret */
  constructor(
    crypto: Crypto,
    random: Random,
    ourPublicKey: Uint8Array,
    onNewSecret: (secret: Uint8Array) => void,
  ) {
    this.#crypto = crypto;
    this.#random = random;
    this.#onNewSecret = onNewSecret;
    this.#mac1Key = crypto.hash(LABEL_MAC1, ourPublicKey);
    this.#cookieKey = crypto.hash(LABEL_COOKIE, ourPublicKey);
  }

  /** Judges an encoded initiation or response. mac2 and the rate of the source count only under load. */
  verify(nowMs: number, message: Uint8Array, source: Endpoint, underLoad: boolean): MacVerdict {
    const { mac1, mac1Covers, mac2, mac2Covers } = macFields(message);
    if (!this.#crypto.equal(this.#crypto.mac(this.#mac1Key, mac1Covers), mac1)) return 'bad-mac1';
    if (!underLoad) return 'valid';
    const cookie = this.#cookie(nowMs, source);
    if (!this.#crypto.equal(this.#crypto.mac(cookie, mac2Covers), mac2)) return 'needs-cookie';
    return this.#rateLimiter.allow(nowMs, source.address) ? 'valid' : 'rate-limited';
  }

  /** The cookie reply to a message whose mac1 is right, sent back to its source. */
  reply(nowMs: number, message: Uint8Array, senderIndex: number, source: Endpoint): Uint8Array {
    const nonce = this.#random.bytes(COOKIE_NONCE_LENGTH);
    const cookie = this.#cookie(nowMs, source);
    return encodeCookieReply({
      receiverIndex: senderIndex,
      nonce,
      encryptedCookie: this.#crypto.xseal(this.#cookieKey, nonce, cookie, macFields(message).mac1),
    });
  }

  wipe(): void {
    this.#secret.fill(0);
  }

  /** A mac of the source's address and port under a secret that changes every two minutes. */
  #cookie(nowMs: number, source: Endpoint): Uint8Array {
    if (nowMs - this.#secretBornMs >= COOKIE_SECRET_MAX_AGE_MS) {
      this.#secret.fill(0);
      this.#secret = new Uint8Array(this.#random.bytes(SECRET_LENGTH));
      this.#secretBornMs = nowMs;
      this.#onNewSecret(this.#secret.slice());
    }
    const port = new Uint8Array([source.port >> 8, source.port]);
    return this.#crypto.mac(this.#secret, source.address, port);
  }
}

/** Puts macs on messages to one peer and keeps the cookie it gave us. */
export class CookieJar {
  readonly #crypto: Crypto;
  readonly #peerPublicKey: Uint8Array;
  #mac1Key: Uint8Array | null = null;
  /** mac1 of the last message, as long as no cookie came for it: a reply must be bound to it. */
  #lastMac1: Uint8Array | null = null;
  #cookie: Uint8Array | null = null;
  #cookieBornMs = 0;

  constructor(crypto: Crypto, peerPublicKey: Uint8Array) {
    this.#crypto = crypto;
    this.#peerPublicKey = peerPublicKey;
  }

  /** Writes both macs of an encoded initiation or response; mac2 stays zero without a fresh cookie. */
  sign(nowMs: number, message: Uint8Array): void {
    this.#mac1Key ??= this.#crypto.hash(LABEL_MAC1, this.#peerPublicKey);
    const { mac1, mac1Covers, mac2, mac2Covers } = macFields(message);
    this.#lastMac1 = this.#crypto.mac(this.#mac1Key, mac1Covers);
    mac1.set(this.#lastMac1);
    const lifetimeMs = COOKIE_SECRET_MAX_AGE_MS - COOKIE_SECRET_LATENCY_MS;
    if (this.#cookie !== null && nowMs - this.#cookieBornMs < lifetimeMs) {
      mac2.set(this.#crypto.mac(this.#cookie, mac2Covers));
    }
  }

  /** Takes the cookie out of a reply. False if it does not answer the last message sent. */
  accept(nowMs: number, reply: CookieReply): boolean {
    if (this.#lastMac1 === null) return false;
    const key = this.#crypto.hash(LABEL_COOKIE, this.#peerPublicKey);
    const cookie = this.#crypto.xopen(key, reply.nonce, reply.encryptedCookie, this.#lastMac1);
    if (cookie === null) return false;
    this.#cookie = cookie;
    this.#cookieBornMs = nowMs;
    this.#lastMac1 = null;
    return true;
  }

  wipe(): void {
    this.#cookie?.fill(0);
    this.#cookie = null;
    this.#lastMac1 = null;
  }
}
