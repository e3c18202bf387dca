import { blake2s } from '@noble/hashes/blake2.js';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { toHex } from '../../core/hex.js';
import { BUCKETS, StateDigest, splitKeys } from './push-pull.js';

const hash = (...parts: readonly Uint8Array[]) => {
  const state = blake2s.create({ dkLen: 32 });
  for (const part of parts) state.update(part);
  return state.digest();
};

type Entry = { key: Uint8Array; version: number; rank: number };

function digestOf(entries: readonly Entry[]): StateDigest {
  const digest = new StateDigest(hash);
  for (const { key, version, rank } of entries) digest.set(key, version, rank);
  return digest;
}

/** What `ours` finds out about `theirs` by all of their pages that differ. */
function compare(ours: StateDigest, theirs: StateDigest) {
  const found = { ours: new Set<string>(), theirs: new Set<string>() };
  for (const bucket of theirs.differing(ours.bucketHashes())) {
    const differences = ours.compare(
      bucket,
      theirs.page(bucket, () => 0),
    );
    for (const key of differences?.ours ?? []) found.ours.add(key);
    for (const key of differences?.theirs ?? []) found.theirs.add(toHex(key));
  }
  return found;
}

const entry = fc.record({
  key: fc.integer({ min: 0, max: 400 }).map((i) => hash(Uint8Array.of(i, i >> 8)).slice(0, 8)),
  version: fc.integer({ min: 0, max: 2 }),
  rank: fc.integer({ min: 0, max: 1 }),
});

describe('digests', () => {
  test('are equal for the same state, however it came about', () => {
    const a = { key: new Uint8Array(8).fill(1), version: 1, rank: 0 };
    const b = { key: new Uint8Array(8).fill(2), version: 1, rank: 0 };
    const one = digestOf([a, b]);
    const other = digestOf([b, { ...a, version: 0 }, a]);
    expect(one.root()).toEqual(other.root());
    other.set(a.key, 1, 1);
    expect(one.root()).not.toEqual(other.root());
    other.delete(a.key);
    other.set(a.key, 1, 0);
    expect(one.root()).toEqual(other.root());
    other.delete(b.key);
    expect(one.root()).not.toEqual(other.root());
  });

  test('find exactly what differs', () => {
    fc.assert(
      fc.property(fc.array(entry), fc.array(entry), (mine, others) => {
        const latest = (entries: readonly Entry[]) =>
          new Map(entries.map(({ key, version, rank }) => [toHex(key), 2 * version + rank]));
        const [a, b] = [latest(mine), latest(others)];
        const found = compare(digestOf(mine), digestOf(others));
        const newer = (x: Map<string, number>, y: Map<string, number>) =>
          new Set([...x].filter(([key, value]) => value > (y.get(key) ?? -1)).map(([key]) => key));
        expect(found.ours).toEqual(newer(a, b));
        expect(found.theirs).toEqual(newer(b, a));
      }),
    );
  });

  const keys = Array.from({ length: 250 }, (_, i) => Uint8Array.of(5, 0, 0, 0, 0, 0, 0, i));
  const entriesOf = (chosen: readonly Uint8Array[]) =>
    chosen.map((key) => ({ key, version: 1, rank: 0 }));

  test('of a bucket that is larger than a page say nothing of what lies before and behind', () => {
    const full = digestOf(entriesOf(keys));
    for (const part of [0, 1, 2]) {
      const page = full.page(5, (parts) => {
        expect(parts).toBe(3);
        return part;
      });
      expect(full.compare(5, page)).toEqual({ ours: [], theirs: [] });
    }
  });

  test('of a bucket that is larger than a page come up in its parts, from both sides', () => {
    const [mine, others] = [keys.filter((_, i) => i !== 3), keys.filter((_, i) => i !== 240)];
    const [a, b] = [digestOf(entriesOf(mine)), digestOf(entriesOf(others))];
    const theirs = (ours: StateDigest, other: StateDigest) =>
      [0, 1, 2].flatMap(
        (part) =>
          ours.compare(
            5,
            other.page(5, () => part),
          )?.theirs ?? [],
      );
    expect(theirs(a, b)).toEqual([keys[3]]);
    expect(theirs(b, a)).toContainEqual(keys[240]);
  });

  test('take no malformed pages', () => {
    const digest = digestOf([{ key: new Uint8Array(8).fill(1), version: 1, rank: 0 }]);
    expect(digest.compare(BUCKETS, new Uint8Array(0))).toBeNull();
    expect(digest.compare(1, new Uint8Array(12))).toBeNull();
    expect(digest.compare(1, new Uint8Array(13 * 200))).toBeNull();
    // not in order
    expect(digest.compare(1, new Uint8Array(26).fill(1))).toBeNull();
    expect(digest.differing(new Uint8Array(3))).toEqual([]);
    expect(splitKeys(new Uint8Array(9))).toBeNull();
    expect(splitKeys(new Uint8Array(16))).toHaveLength(2);
  });
});
