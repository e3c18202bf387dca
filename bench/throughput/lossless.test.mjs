/** The search for the highest lossless rate, against tunnels of known capacity. */
import { describe, expect, it } from 'vitest';
import { LOSSLESS_PRECISION, searchLosslessRate } from './lossless.mjs';

/** A tunnel that loses whatever exceeds its capacity; `log` gets every rate that was tried. */
const tunnel =
  (capacity, log = []) =>
  async (pps) => {
    log.push(pps);
    const delivered = Math.min(pps, capacity);
    return { offeredPps: pps, deliveredPps: delivered, lossRatio: 1 - delivered / pps };
  };

describe('searchLosslessRate', () => {
  it.each([1_000, 20_000, 90_000, 1_000_000])(
    'finds %d from far below and far above',
    async (c) => {
      for (const start of [c / 5, c, c * 4]) {
        const rate = await searchLosslessRate(start, tunnel(c));
        expect(rate).toBeLessThanOrEqual(c);
        expect(rate).toBeGreaterThan(c / LOSSLESS_PRECISION);
      }
    },
  );

  it('tries a rate again before it counts as lossy', async () => {
    const steady = tunnel(50_000);
    let hiccups = 1;
    const rate = await searchLosslessRate(40_000, async (pps) => {
      if (hiccups-- > 0) return { offeredPps: pps, deliveredPps: pps / 2, lossRatio: 0.5 };
      return steady(pps);
    });
    expect(rate).toBeGreaterThan(45_000);
  });

  it('stops where the sender can offer no more', async () => {
    const log = [];
    const rate = await searchLosslessRate(80_000, async (pps) => {
      log.push(pps);
      const offered = Math.min(pps, 100_000);
      return { offeredPps: offered, deliveredPps: offered, lossRatio: 0 };
    });
    expect(rate).toBe(100_000);
    expect(log).toEqual([80_000, 120_000]);
  });

  it('says so when every rate loses packets', async () => {
    const log = [];
    const lossy = async (pps) => {
      log.push(pps);
      return { offeredPps: pps, deliveredPps: pps / 2, lossRatio: 0.5 };
    };
    expect(await searchLosslessRate(10_000, lossy)).toBeNull();
    expect(log.length).toBeLessThan(40);
  });
});
