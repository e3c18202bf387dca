import { describe, expect, test } from 'vitest';
import { expectedConfirmations, minimumTimeoutMs, Suspicion } from './suspicion.js';

const LAST_WORD_MS = 2_000;

function suspicionOf(nowMs: number, bounds: { minMs: number; maxMs: number; k: number }) {
  return new Suspicion(nowMs, { ...bounds, lastWordMs: LAST_WORD_MS });
}

describe('suspicion', () => {
  test('shortens with each confirmation, by its logarithm, down to the least', () => {
    const suspicion = suspicionOf(1_000, { minMs: 2_000, maxMs: 30_000, k: 3 });
    const left = [suspicion.deadlineMs - 1_000];
    for (let i = 0; i < 4; i++) {
      suspicion.confirm();
      left.push(Math.round(suspicion.deadlineMs - 1_000));
    }
    // memberlist, suspicion_test.go: min 2 s, max 30 s, k 3
    expect(left).toEqual([30_000, 16_000, 7_811, 2_000, 2_000]);
  });

  test('wants k confirmations and no more', () => {
    const suspicion = suspicionOf(0, { minMs: 1, maxMs: 6, k: 1 });
    expect(suspicion.wantsConfirmation).toBe(true);
    suspicion.confirm();
    expect(suspicion.wantsConfirmation).toBe(false);
  });

  test('lasts the least time where nobody can confirm', () => {
    const suspicion = suspicionOf(0, { minMs: 4_000, maxMs: 24_000, k: 0 });
    expect(suspicion.deadlineMs).toBe(4_000);
  });

  test('is moved by a pause, and begins anew on a sign of life', () => {
    const suspicion = suspicionOf(0, { minMs: 4_000, maxMs: 4_000, k: 0 });
    suspicion.postpone(500);
    expect(suspicion.deadlineMs).toBe(4_500);
    suspicion.restart(10_000);
    expect(suspicion.deadlineMs).toBe(14_000);
  });

  test('asks the suspected before its time is over', () => {
    const suspicion = suspicionOf(0, { minMs: 4_000, maxMs: 24_000, k: 0 });
    expect(suspicion.dueMs).toBe(2_000);
    suspicion.asked(2_000);
    expect(suspicion.dueMs).toBe(4_000);
  });

  test('leaves time for an answer though its end comes early by a confirmation', () => {
    const suspicion = suspicionOf(0, { minMs: 4_000, maxMs: 24_000, k: 1 });
    suspicion.confirm();
    suspicion.asked(10_000);
    expect(suspicion.dueMs).toBe(12_000);
    suspicion.postpone(500);
    expect(suspicion.dueMs).toBe(12_500);
    suspicion.restart(12_000);
    expect(suspicion.isAsked).toBe(false);
  });

  test.each([
    { n: 2, k: 0 },
    { n: 3, k: 0 },
    { n: 4, k: 2 },
    { n: 100, k: 2 },
  ])('of $n members $k can be expected to confirm', ({ n, k }) => {
    expect(expectedConfirmations(4, n)).toBe(k);
  });

  test.each([
    { n: 1, ms: 4_000 },
    { n: 10, ms: 4_000 },
    { n: 100, ms: 8_000 },
    { n: 1_000, ms: 12_000 },
  ])('with $n members lasts at least $ms ms', ({ n, ms }) => {
    expect(minimumTimeoutMs(4, n, 1_000)).toBeCloseTo(ms);
  });
});
