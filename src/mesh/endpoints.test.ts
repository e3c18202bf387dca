import { describe, expect, test } from 'vitest';
import { distinctEndpoints, ObservedEndpoints } from './endpoints.js';
import type { NodeId } from './types.js';

const at = (host: number, port = 51820) => {
  return { address: Uint8Array.of(192, 0, 2, host), port, scopeId: 0 };
};
const id = (i: number) => `${i}`.padStart(64, '0') as NodeId;

describe('endpoints', () => {
  test('are told once each, and not too many', () => {
    expect(distinctEndpoints([at(1), at(2), at(1), at(1, 2), at(3)], 3)).toEqual([
      at(1),
      at(2),
      at(1, 2),
    ]);
  });
});

describe('observed endpoints', () => {
  test('are believed when two members agree', () => {
    const observed = new ObservedEndpoints();
    expect(observed.report(id(1), at(1))).toBe(true);
    expect(observed.report(id(1), at(1))).toBe(false);
    expect(observed.agreed()).toEqual([]);
    observed.report(id(2), at(1));
    expect(observed.agreed()).toEqual([at(1)]);
    observed.report(id(2), at(2));
    expect(observed.agreed()).toEqual([]);
  });

  test('have changed nothing while one word replaces the same', () => {
    const observed = new ObservedEndpoints();
    for (let i = 0; i < 32; i++) observed.report(id(i), at(1));
    expect(observed.report(id(40), at(1))).toBe(false);
    expect(observed.report(id(41), at(2))).toBe(true);
    for (let i = 42; i < 72; i++) expect(observed.report(id(i), at(1))).toBe(false);
    expect(observed.report(id(72), at(1))).toBe(false);
    // the one that had seen another is the oldest
    expect(observed.report(id(73), at(1))).toBe(true);
  });

  test('are forgotten with the network, and the oldest when there are many', () => {
    const observed = new ObservedEndpoints();
    for (const i of [1, 2]) observed.report(id(i), at(1));
    for (let i = 10; i < 42; i++) observed.report(id(i), at(i, i));
    expect(observed.agreed()).toEqual([]);
    for (const i of [1, 2]) observed.report(id(i), at(1));
    expect(observed.agreed()).toEqual([at(1)]);
    observed.clear();
    expect(observed.agreed()).toEqual([]);
  });
});
