/** A soak's verdict: each check fails on what it is there for, and on nothing else. */
import { describe, expect, it } from 'vitest';
import { judge, lossAtRekeys, rekeyTimes, slope } from './verdict.mjs';

const END = { rssMb: 60, fds: 20 };
const START_MS = 1_700_000_000_000;

/** A faultless run; `change` alters its samples. */
function soak({ seconds = 600, change = (sample) => sample, stream = {}, load = 'tcp' } = {}) {
  const samples = Array.from({ length: 121 }, (_, i) => {
    const t = (i * seconds) / 120;
    return change({
      seconds: t,
      ends: [{ ...END }, { ...END }],
      bytes: t * 5e8,
      tunDropped: 0,
      socketDropped: 0,
      handshakeMs: START_MS + Math.floor(t / 121) * 121_000,
    });
  });
  const sent = seconds * 2000;
  const clean = { sent, delivered: sent, late: 0, gapCount: 0, gaps: [] };
  return { samples, stream: { ...clean, ...stream }, seconds, load };
}

const failed = (run) =>
  judge(run)
    .filter(({ ok }) => !ok)
    .map(({ name }) => name);

const grow = (change) => ({
  change: (sample) => {
    change(sample.ends[1], sample.seconds);
    return sample;
  },
});

describe('judge', () => {
  it('finds nothing wrong with a steady run, long or short', () => {
    expect(failed(soak())).toEqual([]);
    expect(failed(soak({ seconds: 60 }))).toEqual([]);
  });

  it('sees memory that grows steadily, at either end', () => {
    const leak = grow((end, t) => {
      end.rssMb += t / 100;
    });
    expect(failed(soak(leak))).toEqual(['memory of end B does not grow']);
  });

  it('forgives memory that settles during the warm-up, and a saw-tooth', () => {
    const settles = grow((end, t) => {
      end.rssMb += Math.min(t, 50) / 2 + (t % 20) / 20;
    });
    expect(failed(soak(settles))).toEqual([]);
  });

  it('sees descriptors that leak', () => {
    const leak = grow((end, t) => {
      end.fds += Math.floor(t / 200);
    });
    expect(failed(soak(leak))).toEqual(['descriptors of end B do not grow']);
  });

  it('sees a rate that falls', () => {
    const change = (sample) => ({ ...sample, bytes: 5e8 * Math.min(sample.seconds, 400) });
    expect(failed(soak({ change }))).toEqual(['the rate holds']);
    expect(failed(soak({ change, load: 'none' }))).toEqual([]);
  });

  it('sees reordering and missing rekeys', () => {
    expect(failed(soak({ stream: { late: 1 } }))).toEqual(['no reordering']);
    const change = (sample) => ({ ...sample, handshakeMs: START_MS });
    expect(failed(soak({ change }))).toEqual(['rekeys happen']);
  });

  it('sees losses at a rekey, which a loaded tunnel may have everywhere alike', () => {
    const gap = (seconds, missing) => ({ atMs: START_MS + seconds * 1000, missing, number: 0 });
    const delivered = 600 * 2000 - 600 * 3;
    const atRekey = { gaps: [gap(121.3, 3)], gapCount: 1, delivered: 600 * 2000 - 3 };
    const everywhere = Array.from({ length: 600 }, (_, i) => gap(i, 3));
    for (const load of ['tcp', 'none']) {
      expect(failed(soak({ load, stream: atRekey }))).toEqual(['nothing is lost at a rekey']);
    }
    const lossy = { gaps: everywhere, gapCount: 600, delivered };
    expect(failed(soak({ stream: lossy }))).toEqual([]);
    expect(failed(soak({ load: 'none', stream: lossy }))).toEqual(['nothing is lost at a rekey']);
  });

  it('does not vouch for gaps that were not listed', () => {
    expect(failed(soak({ stream: { gapCount: 1 } }))).toEqual(['nothing is lost at a rekey']);
  });

  it('does not judge a handful of samples', () => {
    const run = soak();
    expect(failed({ ...run, samples: run.samples.slice(-5) })).toEqual(['samples']);
  });
});

it('slope is that of the line', () => {
  expect(slope([1, 2, 4].map((x) => ({ x, y: 7 - 3 * x })))).toBeCloseTo(-3);
  expect(slope([{ x: 1, y: 5 }])).toBe(0);
});

it('the first handshake is no rekey', () => {
  const samples = [0, 5000, 5000, 125_000].map((handshakeMs) => ({ handshakeMs }));
  expect(rekeyTimes(samples)).toEqual([125_000]);
});

it('tells losses near a rekey from others', () => {
  const gaps = [999, 10_000, 12_100].map((atMs) => ({ atMs, missing: 2 }));
  expect(lossAtRekeys(gaps, [10_200])).toBe(4);
});
