import { describe, expect, it } from 'vitest';
import { address } from '../../test/support/wg.js';
import cases from '../../test/vectors/rate-limiter.json' with { type: 'json' };
import { MAX_RATE_LIMITED_SOURCES, RateLimiter } from './rate-limiter.js';

function ipv4(n: number): Uint8Array {
  return Uint8Array.of(n >>> 24, n >>> 16, n >>> 8, n);
}

describe('RateLimiter', () => {
  it('gives each source its burst and its rate', () => {
    const limiter = new RateLimiter();
    let nowMs = 5_000;
    for (const [step, { waitMs, allowed }] of cases.steps.entries()) {
      nowMs += waitMs;
      for (const source of cases.sources) {
        expect(limiter.allow(nowMs, address(source)), `${source}, step ${step}`).toBe(allowed);
      }
    }
  });

  it('takes an IPv6 /64 for one source, and nothing wider', () => {
    const limiter = new RateLimiter();
    const host = (n: number) => address(`2001:db8:1:2:0:0:0:${n}`);
    for (let i = 1; i <= 5; i++) expect(limiter.allow(0, host(i))).toBe(true);
    expect(limiter.allow(0, host(6))).toBe(false);
    expect(limiter.allow(0, address('2001:db8:1:3:0:0:0:1'))).toBe(true);
  });

  it('holds a bounded number of sources, and forgets those idle for over a second', () => {
    const limiter = new RateLimiter();
    for (let i = 0; i < MAX_RATE_LIMITED_SOURCES; i++) {
      if (!limiter.allow(0, ipv4(i))) throw new Error(`source ${i} refused`);
    }
    const another = ipv4(MAX_RATE_LIMITED_SOURCES);
    expect(limiter.allow(0, another)).toBe(false);
    expect(limiter.allow(500, ipv4(0))).toBe(true);
    expect(limiter.allow(1_000, another)).toBe(false);
    expect(limiter.allow(1_001, another)).toBe(true);
    // The first source was used in between: its bucket of 5 - 2 + refill lives on.
    for (let i = 0; i < 5; i++) expect(limiter.allow(1_001, ipv4(0))).toBe(true);
    expect(limiter.allow(1_001, ipv4(0))).toBe(false);
  });

  it('does not let a refused source refill faster or slower', () => {
    const limiter = new RateLimiter();
    const source = ipv4(1);
    let accepted = 0;
    for (let ms = 0; ms < 10_000; ms++) if (limiter.allow(ms, source)) accepted++;
    expect(accepted).toBe(5 + 199);
  });
});
