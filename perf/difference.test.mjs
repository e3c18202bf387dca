import { describe, expect, it } from 'vitest';
import {
  changes,
  checkComparable,
  formatChanges,
  ofTheTunnel,
  perUnit,
  selfWeights,
  stageChanges,
} from './difference.mjs';

const about = { quantity: 'ns', unit: 'byte', units: 10 };

it('perUnit makes captures of different amounts of work comparable', () => {
  const stacks = new Map([['t;a', 50]]);
  expect(perUnit({ about, stacks })).toEqual(new Map([['t;a', 5]]));
  expect(perUnit({ about: { ...about, units: 100 }, stacks }).get('t;a')).toBe(0.5);
});

it('ofTheTunnel leaves out what other processes did', () => {
  const stacks = new Map([
    ['iperf3 (sender);write', 1],
    ['other processes;cc1plus', 2],
    ['swapper;do_idle_[k]', 3],
  ]);
  expect([...ofTheTunnel(stacks).keys()]).toEqual(['iperf3 (sender);write']);
});

it('selfWeights are by function, over all threads and callers', () => {
  const stacks = new Map([
    ['t;a;memcpy', 1],
    ['u;memcpy', 2],
    ['t;a', 4],
  ]);
  expect(Object.fromEntries(selfWeights(stacks))).toEqual({ memcpy: 3, a: 4 });
});

it.each([
  [{ unit: 'datagram' }, /byte, the other datagram/],
  [{ quantity: 'cycles' }, /ns, the other cycles/],
])('captures that differ in %j are not compared', (other, message) => {
  expect(() => checkComparable({ about }, { about: { ...about, ...other } })).toThrow(message);
  checkComparable({ about }, { about: { ...about, units: 99 } });
});

describe('changes', () => {
  const rows = changes(
    new Map([
      ['same', 5],
      ['gone', 3],
      ['grown', 1],
    ]),
    new Map([
      ['same', 5],
      ['grown', 2],
      ['new', 10],
    ]),
  );

  it('come the largest first, with what is on one side only', () => {
    expect(rows).toEqual([
      { name: 'new', before: 0, after: 10, change: 10 },
      { name: 'gone', before: 3, after: 0, change: -3 },
      { name: 'grown', before: 1, after: 2, change: 1 },
      { name: 'same', before: 5, after: 5, change: 0 },
    ]);
  });

  it('are printed with sign and ratio', () => {
    const lines = formatChanges(rows, 'function').split('\n');
    expect(lines[1]).toMatch(/^new +0 +10\.0 +\+10\.0 +-$/);
    expect(lines[2]).toMatch(/^gone +3\.00 +0 +-3\.00 +0\.00x$/);
    expect(lines[3]).toMatch(/^grown +1\.00 +2\.00 +\+1\.00 +2\.00x$/);
  });
});

it('stageChanges keeps the order of a packet’s way', () => {
  const before = new Map([['weft-data (sender);weft::crypto::seal', 4]]);
  const after = new Map([['weft-data (receiver);weft::tun::GroMerger::push', 1]]);
  const rows = stageChanges(before, after);
  expect(rows[0].name).toBe('TUN read');
  expect(rows.find(({ name }) => name === 'seal').change).toBe(-4);
  expect(rows.find(({ name }) => name === 'merge').change).toBe(1);
});
