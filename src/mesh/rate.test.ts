import { describe, expect, it } from 'vitest';
import { endpoint } from '../../test/support/gossip.js';
import { address, seededRandom } from '../../test/support/wg.js';
import { RateLimit, SOURCE_BUCKETS, SourceRateLimit } from './rate.js';

function allowed(limit: (nowMs: number) => boolean, times: number, nowMs: number): number {
  let count = 0;
  for (let i = 0; i < times; i++) if (limit(nowMs)) count++;
  return count;
}

describe('RateLimit', () => {
  it('allows the burst at once, then the rate', () => {
    const limit = new RateLimit({ perSecond: 4, burst: 3 });
    const allow = (nowMs: number) => limit.allow(nowMs);
    expect(allowed(allow, 10, 1_000)).toBe(3);
    expect(allowed(allow, 10, 1_249)).toBe(0);
    expect(allowed(allow, 10, 1_250)).toBe(1);
    expect(allowed(allow, 10, 1_750)).toBe(2);
    expect(allowed(allow, 10, 100_000)).toBe(3);
  });

  it('is not slowed by what it refuses', () => {
    const limit = new RateLimit({ perSecond: 10, burst: 5 });
    let count = 0;
    for (let ms = 0; ms < 10_000; ms++) if (limit.allow(ms)) count++;
    expect(count).toBe(5 + 99);
  });
});

describe('SourceRateLimit', () => {
  const rate = { perSecond: 1, burst: 2 };

  it('has a bucket for each IPv4 address and IPv6 /64', () => {
    const limit = new SourceRateLimit(rate, seededRandom(1));
    const sources = ['192.0.2.1', '192.0.2.2', '2001:db8:1:2:0:0:0:1', '2001:db8:1:3:0:0:0:1'];
    for (const source of sources.map(address)) {
      expect(allowed((nowMs) => limit.allow(nowMs, source), 5, 0)).toBe(2);
    }
    expect(limit.allow(0, address('2001:db8:1:2:5:6:7:8'))).toBe(false);
    expect(limit.allow(1_000, address('2001:db8:1:2:5:6:7:8'))).toBe(true);
  });

  it('spreads sources evenly, and otherwise with another key', () => {
    const first = new SourceRateLimit(rate, seededRandom(1));
    const second = new SourceRateLimit(rate, seededRandom(2));
    const refused = [first, second].map((limit) => {
      const hosts: number[] = [];
      for (let host = 0; host < SOURCE_BUCKETS; host++) {
        const { address } = endpoint(host);
        if (!limit.allow(0, address)) hosts.push(host);
      }
      return hosts;
    });
    // as many balls as bins of two: about 10 % find theirs full
    for (const hosts of refused) {
      expect(hosts.length).toBeGreaterThan(150);
      expect(hosts.length).toBeLessThan(280);
    }
    expect(refused[0]).not.toEqual(refused[1]);
  });
});
