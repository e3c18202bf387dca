// Rates in constant memory (the generic cell rate algorithm, ITU-T I.371): one number says when the next event conforms.

import { type Random, randomUint32 } from '../core/random.js';
import type { IpAddress } from '../core/types.js';

/** A rate with a burst: `burst` at once, then `perSecond`. */
export interface Rate {
  readonly perSecond: number;
  readonly burst: number;
}

export const SOURCE_BUCKETS = 2_048;

export class RateLimit {
  readonly #costMs: number;
  readonly #toleranceMs: number;
  /** Theoretical arrival time: when the burst would be whole again. */
  #arrivalMs = -Infinity;

  constructor(rate: Rate) {
    this.#costMs = 1_000 / rate.perSecond;
    this.#toleranceMs = this.#costMs * (rate.burst - 1);
  }

  allow(nowMs: number): boolean {
    const arrivalMs = Math.max(this.#arrivalMs, nowMs);
    if (arrivalMs - nowMs > this.#toleranceMs) return false;
    this.#arrivalMs = arrivalMs + this.#costMs;
    return true;
  }
}

/**
 * A rate for each IPv4 address or IPv6 /64, by a keyed hash: sources that fall into one bucket share it, and nobody can
 * choose into which.
 */
export class SourceRateLimit {
  readonly #costMs: number;
  readonly #toleranceMs: number;
  readonly #arrivalMs = new Float64Array(SOURCE_BUCKETS).fill(-Infinity);
  readonly #hashKey: number;

  constructor(rate: Rate, random: Random) {
    this.#costMs = 1_000 / rate.perSecond;
    this.#toleranceMs = this.#costMs * (rate.burst - 1);
    this.#hashKey = randomUint32(random);
  }

  allow(nowMs: number, source: IpAddress): boolean {
    const bucket = this.#bucketOf(source);
    const arrivalMs = Math.max(this.#arrivalMs[bucket] ?? 0, nowMs);
    if (arrivalMs - nowMs > this.#toleranceMs) return false;
    this.#arrivalMs[bucket] = arrivalMs + this.#costMs;
    return true;
  }

  /** MurmurHash3's mixing of 32-bit words: good enough where a collision only means a smaller share. */
  #bucketOf(source: IpAddress): number {
    const words = source.length === 4 ? 1 : 2;
    let hash = this.#hashKey;
    for (let i = 0; i < 4 * words; i += 4) {
      const word =
        (source[i] ?? 0) |
        ((source[i + 1] ?? 0) << 8) |
        ((source[i + 2] ?? 0) << 16) |
        ((source[i + 3] ?? 0) << 24);
      const mixed = Math.imul(word, 0xcc9e2d51);
      hash ^= Math.imul((mixed << 15) | (mixed >>> 17), 0x1b873593);
      hash = Math.imul((hash << 13) | (hash >>> 19), 5) + 0xe6546b64;
    }
    hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
    hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
    return (hash ^ (hash >>> 16)) & (SOURCE_BUCKETS - 1);
  }
}
