import { describe, expect, test } from 'vitest';
import { SeededRandom } from '../../../test/sim/random.js';
import type { NodeId } from '../types.js';
import { DEFAULT_SWIM_CONFIG } from './config.js';
import { ProbeRing, Prober, probeTimeoutMs, repeatMs } from './probe.js';

const id = (i: number) => `${i}`.padStart(64, '0') as NodeId;

describe('the ring', () => {
  test('gives everybody once in each lap, in another order', () => {
    const ring = new ProbeRing(new SeededRandom(1, 0));
    for (let i = 0; i < 20; i++) ring.add(id(i));
    ring.next(() => false);
    const laps = [0, 1].map(() => Array.from({ length: 20 }, () => ring.next(() => true)));
    for (const lap of laps) expect(new Set(lap).size).toBe(20);
    expect(laps[0]).not.toEqual(laps[1]);
  });

  test('skips who is not wanted, and gives null if nobody is', () => {
    const ring = new ProbeRing(new SeededRandom(1, 0));
    for (let i = 0; i < 5; i++) ring.add(id(i));
    for (let i = 0; i < 5; i++) expect(ring.next((other) => other === id(3))).toBe(id(3));
    expect(ring.next(() => false)).toBeNull();
    ring.remove(id(3));
    expect(ring.next((other) => other === id(3))).toBeNull();
  });
});

describe('a probe', () => {
  const times = { timeoutMs: 500, repeatMs: 250, lastsMs: 1_000 };

  test('is repeated, then others are asked, then it has failed', () => {
    const prober = new Prober(new SeededRandom(1, 0));
    prober.start(0, id(1), 'watch', times);
    const steps: [number, string][] = [];
    for (let nowMs = 0; nowMs <= 2_000; nowMs += 50) {
      for (const { step } of prober.due(nowMs)) steps.push([nowMs, step]);
    }
    expect(steps).toEqual([
      [250, 'repeat'],
      [500, 'ask'],
      [750, 'repeat'],
      [1_000, 'failed'],
    ]);
    expect(prober.nextMs).toBe(Infinity);
  });

  test('asks others at its timeout, however it is repeated', () => {
    const prober = new Prober(new SeededRandom(1, 0));
    prober.start(0, id(1), 'watch', { ...times, repeatMs: 150 });
    const steps: [number, string][] = [];
    for (let nowMs = 0; nowMs <= 2_000; nowMs += 50) {
      for (const { step } of prober.due(nowMs)) steps.push([nowMs, step]);
    }
    expect(steps.filter(([, step]) => step === 'ask')).toEqual([[500, 'ask']]);
    expect(steps.map(([nowMs]) => nowMs)).toEqual([150, 300, 450, 500, 650, 800, 950, 1_000]);
  });

  test.each([
    { rttMs: null, ms: 250 },
    { rttMs: 20, ms: 125 },
    { rttMs: 100, ms: 150 },
    { rttMs: 200, ms: 250 },
  ])('with an RTT of $rttMs is repeated every $ms ms', ({ rttMs, ms }) => {
    expect(repeatMs(500, rttMs)).toBe(ms);
  });

  test('that is quiet asks nobody', () => {
    const prober = new Prober(new SeededRandom(1, 0));
    prober.start(0, id(1), 'quiet', times);
    const steps = [250, 500, 750, 1_000].flatMap((nowMs) =>
      prober.due(nowMs).map(({ step }) => step),
    );
    expect(steps).toEqual(['repeat', 'repeat', 'repeat', 'failed']);
  });

  test('is found by each of its sequence numbers until it is finished', () => {
    const prober = new Prober(new SeededRandom(1, 0));
    const probe = prober.start(0, id(1), 'watch', times);
    const first = prober.sent(0, probe);
    const second = prober.sent(250, probe);
    expect(prober.bySequence(first)).toBe(probe);
    expect(prober.bySequence(second)).toBe(probe);
    prober.finish(probe);
    expect(prober.bySequence(first)).toBeUndefined();
    expect(prober.due(10_000)).toEqual([]);
  });

  test('lasts at least twice its timeout', () => {
    const prober = new Prober(new SeededRandom(1, 0));
    expect(prober.start(0, id(1), 'watch', { ...times, timeoutMs: 3_000 }).endMs).toBe(6_000);
  });

  test.each([
    { rttMs: null, timeoutMs: 500 },
    { rttMs: 100, timeoutMs: 500 },
    { rttMs: 300, timeoutMs: 1_200 },
    { rttMs: 5_000, timeoutMs: 3_000 },
  ])('with an RTT of $rttMs waits $timeoutMs ms', ({ rttMs, timeoutMs }) => {
    expect(probeTimeoutMs(DEFAULT_SWIM_CONFIG, rttMs)).toBe(timeoutMs);
  });
});

test('that a helper failed is believed only of the one that was asked, once', () => {
  const prober = new Prober(new SeededRandom(1, 0));
  const times = { timeoutMs: 500, repeatMs: 250, lastsMs: 1_000 };
  const probe = prober.start(0, id(1), 'watch', times);
  const direct = prober.sent(0, probe);
  const asked = prober.sent(0, probe);
  probe.helpers.set(asked, id(2));
  expect(prober.nacked(direct, id(2))).toBe(false);
  expect(prober.nacked(asked, id(3))).toBe(false);
  expect(prober.nacked(asked, id(2))).toBe(true);
  expect(prober.nacked(asked, id(2))).toBe(false);
  expect(probe.nacks).toBe(1);
});
