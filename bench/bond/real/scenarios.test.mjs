/** How courses are judged: by what lies after the start, against the links' rates and the best of them alone. */
import { describe, expect, it } from 'vitest';
import { describeLink, SCENARIOS } from './scenarios.mjs';

const scenario = (row, part = '') =>
  SCENARIOS.find((each) => each.row === row && each.name.includes(part));

/** A stream of this rate, in quarters of a second. */
const steady = (seconds, mbps) =>
  Array.from({ length: seconds * 4 }, (_, i) => ({ t: (i + 1) / 4, value: mbps }));

function judge({ judge: verdict, links, load }, course, best = 37) {
  const base = { singles: [], best };
  return verdict({ uplinks: [], ...course }, { links, base, seconds: load.seconds });
}

describe('a filled bond', () => {
  const equal = scenario('1', 'cubic'); // 2 x 40 Mbit/s: 73.9 of payload

  it('is judged by the time after the start', () => {
    const seconds = equal.load.seconds;
    const goodput = [...steady(10, 0), ...steady(seconds - 10, 70)].map(({ value }, i) => ({
      t: (i + 1) / 4,
      value,
    }));
    const { met, value, figure } = judge(equal, { goodput });
    expect(met).toBe(true);
    expect(value).toBeCloseTo(70 / 73.9, 2);
    expect(figure).toContain('90.0 % after 10.0 s');
  });

  it('is not met a little below, and says that the gate was never reached', () => {
    const { met, figure } = judge(equal, { goodput: steady(equal.load.seconds, 66) });
    expect(met).toBe(false);
    expect(figure).toContain('never reached');
  });

  it('must carry twice the best single link under loss', () => {
    const lossy = scenario('13', '0.1 % random loss on both, cubic');
    const goodput = steady(lossy.load.seconds, 70);
    expect(judge(lossy, { goodput }, 30).met).toBe(true);
    expect(judge(lossy, { goodput }, 36).met).toBe(false);
  });
});

describe('any two links', () => {
  it('are never below 95 % of the best single one', () => {
    const pair = scenario('24');
    const goodput = steady(pair.load.seconds, 36);
    expect(judge(pair, { goodput }, 37).met).toBe(true);
    expect(judge(pair, { goodput }, 38).met).toBe(false);
  });
});

describe('a call', () => {
  const call = { delayMs: { p50: 8, p99: 80 }, inversions: 0, missing: 0 };
  const beside = scenario('9');
  const delay = (early, late) =>
    Array.from({ length: 1000 }, (_, i) => ({ t: i / 50, value: i < 100 ? early : late }));

  it('is judged as a whole, and for its order', () => {
    const quick = { ...call, delayMs: { p50: 8, p99: 20 } };
    expect(judge(beside, { call: quick, delay: delay(20, 20) }).met).toBe(true);
    expect(judge(beside, { call, delay: delay(80, 20) }).met).toBe(false);
    expect(judge(beside, { call, delay: delay(80, 20) }).figure).toContain('(after 2 s 20.0)');
    expect(judge(beside, { call: { ...quick, inversions: 1 }, delay: delay(20, 20) }).met).toBe(
      false,
    );
  });

  it('may be silent for 120 ms when a path dies', () => {
    const death = scenario('8');
    const goodput = steady(death.load.seconds, 70);
    expect(judge(death, { goodput, call: { ...call, longestSilenceMs: 119 } }).met).toBe(true);
    expect(judge(death, { goodput, call: { ...call, longestSilenceMs: 121 } }).met).toBe(false);
  });
});

describe('describeLink', () => {
  it('names rate, round trip and what is unusual', () => {
    expect(describeLink({ rate: 40, delay: 10, queue: 100, loss: 0.01 })).toBe(
      '40 Mbit/s 20 ms loss 0.01',
    );
  });
});
