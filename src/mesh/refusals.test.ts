import { describe, expect, test } from 'vitest';
import { Refusals } from './refusals.js';
import type { NodeId } from './types.js';

const id = (number: number) => `${number}`.padStart(64, '0') as NodeId;

describe('refusals', () => {
  test('hold for a minute, for this incarnation and earlier ones', () => {
    const refusals = new Refusals();
    refusals.refuse(0, id(1), 5);
    expect(refusals.of(59_999, id(1), 5)).toBe('refused');
    expect(refusals.of(59_999, id(1), 4)).toBe('refused');
    expect(refusals.of(59_999, id(1), 6)).toBeNull();
    expect(refusals.of(59_999, id(2), 5)).toBeNull();
    expect(refusals.of(60_000, id(1), 5)).toBeNull();
  });

  test('end when others are trusted; what was forgotten stays so', () => {
    const refusals = new Refusals();
    refusals.refuse(0, id(1), 5);
    refusals.forget(id(2), 5);
    refusals.trustChanged();
    expect(refusals.of(1, id(1), 5)).toBeNull();
    expect(refusals.of(1, id(2), 5)).toBe('forgotten');
    expect(refusals.of(1, id(2), 6)).toBeNull();
    refusals.admit(id(2));
    expect(refusals.of(1, id(2), 5)).toBeNull();
  });

  test('are of the latest 1,024', () => {
    const refusals = new Refusals();
    for (let i = 0; i <= 1_024; i++) refusals.refuse(0, id(i), 1);
    expect(refusals.of(1, id(0), 1)).toBeNull();
    expect(refusals.of(1, id(1), 1)).toBe('refused');
  });
});
