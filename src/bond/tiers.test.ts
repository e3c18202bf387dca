import { describe, expect, test } from 'vitest';
import {
  delayPoints,
  expectedRate,
  jitterPoints,
  lossPoints,
  throughputPoints,
  weightOf,
} from './tiers.js';

describe('the seed’s tables', () => {
  test.each([
    [0.29, 40, 10],
    [0.3, 25, 7],
    [0.49, 25, 7],
    [0.5, 15, 4],
    [0.7, 5, 2],
    [0.85, 0, 0],
    [1, 0, 0],
  ])('measured/expected %d: %d points without telemetry, %d with', (ratio, legacy, telemetry) => {
    expect(throughputPoints(ratio, false)).toBe(legacy);
    expect(throughputPoints(ratio, true)).toBe(telemetry);
  });

  test.each([
    [0.01, 0],
    [0.011, 5],
    [0.051, 10],
    [0.101, 20],
    [0.201, 40],
    [1, 40],
  ])('loss %d: %d points', (share, points) => {
    expect(lossPoints(share)).toBe(points);
  });

  test.each([
    [100, 0],
    [101, 5],
    [201, 10],
    [501, 20],
  ])('%d ms above the base: %d points', (ms, points) => {
    expect(delayPoints(ms)).toBe(points);
  });

  test('jitter', () => {
    expect([50, 51].map(jitterPoints)).toEqual([0, 10]);
  });

  test.each([
    [0, 100],
    [4, 100],
    [5, 85],
    [10, 70],
    [15, 55],
    [25, 40],
    [40, 10],
    [120, 10],
  ])('%d points: weight %d', (points, weight) => {
    expect(weightOf(points)).toBe(weight);
  });
});

describe('the expected rate', () => {
  test('is the median of those that carry at least half of what the best does', () => {
    expect(expectedRate([40e6, 36e6, 30e6, 4e6], 36e6)).toBe(36e6);
    expect(expectedRate([40e6, 30e6], 30e6)).toBe(35e6);
  });

  test('of a slower one is 1000 kbit/s by their number, and 100 at least', () => {
    expect(expectedRate([40e6, 4e6], 4e6)).toBe(500_000);
    expect(expectedRate(Array(20).fill(40e6), 4e6)).toBe(100_000);
  });

  test('of nobody at all is nothing', () => {
    expect(expectedRate([], 0)).toBe(0);
  });
});
