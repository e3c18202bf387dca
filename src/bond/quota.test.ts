import { describe, expect, test } from 'vitest';
import { addUsage, formatQuota, parseQuota, usedOf } from './quota.js';

describe('a quota', () => {
  test.each([
    ['50GB/month', { bytes: 50e9, period: 'month' }],
    ['1.5 gb/day', { bytes: 1.5e9, period: 'day' }],
    ['2GiB/month', { bytes: 2 ** 31, period: 'month' }],
  ])('%s', (text, quota) => {
    expect(parseQuota(text)).toEqual(quota);
  });

  test.each(['', '50GB', '50/month', '0GB/day', '-1GB/day', '50GB/week', '50kB/day', '5e9GB/day'])(
    '%j is none',
    (text) => {
      expect(parseQuota(text)).toBeNull();
    },
  );

  test('is written as it is read', () => {
    for (const text of ['50GB/month', '500MB/day', '1.5TB/month']) {
      const quota = parseQuota(text);
      expect(quota && formatQuota(quota)).toBe(text);
    }
  });
});

describe('what was carried', () => {
  const day = { bytes: 1000, period: 'day' } as const;
  const month = { bytes: 1000, period: 'month' } as const;

  test('adds up by day and by month', () => {
    let usage = addUsage(undefined, '2025-11-29', 300);
    usage = addUsage(usage, '2025-11-29', 50);
    expect(usedOf(day, usage, '2025-11-29')).toBe(350);
    usage = addUsage(usage, '2025-11-30', 10);
    expect(usedOf(day, usage, '2025-11-30')).toBe(10);
    expect(usedOf(month, usage, '2025-11-30')).toBe(360);
  });

  test('begins anew with the day and the month, also when nothing is carried', () => {
    const usage = addUsage(undefined, '2025-11-30', 360);
    expect(usedOf(day, usage, '2025-12-01')).toBe(0);
    expect(usedOf(month, usage, '2025-12-01')).toBe(0);
    // the same month of another year
    expect(usedOf(month, usage, '2026-11-30')).toBe(0);
  });
});
