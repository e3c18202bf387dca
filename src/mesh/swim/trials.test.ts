import { expect, test } from 'vitest';
import { Trials } from './trials.js';

const address = (last: number) => Uint8Array.of(192, 0, 2, last);

test('an address is tried once in each pause, and the pauses grow to five minutes', () => {
  const trials = new Trials();
  const triedS: number[] = [];
  for (let s = 0; s <= 1_000; s++) if (trials.begin(1_000 * s, address(1))) triedS.push(s);
  expect(triedS).toEqual([0, 1, 5, 21, 85, 341, 641, 941]);
});

test('others are tried meanwhile, and all again when there is something new', () => {
  const trials = new Trials();
  expect([1, 2, 1, 2].map((last) => trials.begin(0, address(last)))).toEqual([
    true,
    true,
    false,
    false,
  ]);
  trials.reset();
  expect(trials.begin(0, address(1))).toBe(true);
});
