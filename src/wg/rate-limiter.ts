// Token buckets a source address: the last gate before any Diffie-Hellman when under load (whitepaper 5.3). Only
// sources that proved their address by a cookie get here.

import type { IpAddress } from '../core/types.js';

export const PACKETS_PER_SECOND = 20;
export const PACKETS_BURSTABLE = 5;
export const MAX_RATE_LIMITED_SOURCES = 65_536;

const COST_MS = 1_000 / PACKETS_PER_SECOND;
const MAX_CREDIT_MS = COST_MS * PACKETS_BURSTABLE;
// A bucket this old is full again.
const FORGET_AFTER_MS = 1_000;

interface Bucket {
  creditMs: number;
  lastMs: number;
}

/** 20 messages a second with bursts of 5 for each IPv4 address or IPv6 /64, in bounded memory. */
export class RateLimiter {
  /** Least recently used first: a bucket moves to the end when it is used. */
  readonly #buckets = new Map<number | string, Bucket>();

  allow(nowMs: number, source: IpAddress): boolean {
    this.#forgetIdle(nowMs);
    const key = bucketKey(source);
    const bucket = this.#buckets.get(key);
    if (bucket === undefined) {
      if (this.#buckets.size >= MAX_RATE_LIMITED_SOURCES) return false;
      this.#buckets.set(key, { creditMs: MAX_CREDIT_MS - COST_MS, lastMs: nowMs });
      return true;
    }
    bucket.creditMs = Math.min(MAX_CREDIT_MS, bucket.creditMs + nowMs - bucket.lastMs);
    bucket.lastMs = nowMs;
    this.#buckets.delete(key);
    this.#buckets.set(key, bucket);
    if (bucket.creditMs < COST_MS) return false;
    bucket.creditMs -= COST_MS;
    return true;
  }

  #forgetIdle(nowMs: number): void {
    for (const [key, bucket] of this.#buckets) {
      if (nowMs - bucket.lastMs <= FORGET_AFTER_MS) return;
      this.#buckets.delete(key);
    }
  }
}

function bucketKey(source: IpAddress): number | string {
  const view = new DataView(source.buffer, source.byteOffset, source.byteLength);
  const high = view.getUint32(0);
  return source.length === 4 ? high : `${high}:${view.getUint32(4)}`;
}
