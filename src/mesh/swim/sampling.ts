// Random choice of members: all of SWIM's bounds rest on it.

import { type Random, randomUint32 } from '../../core/random.js';

/** Uniform in 0 .. n - 1 but for a bias below n / 2^32. */
export function randomBelow(random: Random, n: number): number {
  return randomUint32(random) % n;
}

/** Uniform in [0, 1). */
export function randomFraction(random: Random): number {
  return randomUint32(random) / 2 ** 32;
}

/** Fisher-Yates, in place. */
export function shuffle<T>(random: Random, items: T[]): void {
  for (let i = items.length - 1; i > 0; i--) {
    const j = randomBelow(random, i + 1);
    const item = items[i] as T;
    items[i] = items[j] as T;
    items[j] = item;
  }
}

/** At most `count` distinct items that are `wanted`, each equally likely. */
export function sample<T>(
  random: Random,
  items: readonly T[],
  count: number,
  wanted: (item: T) => boolean,
): T[] {
  const chosen: T[] = [];
  if (items.length === 0) return chosen;
  // A few tries find them among mostly wanted ones; else all are looked at.
  for (let tries = 0; tries < 4 * count && chosen.length < count; tries++) {
    const item = items[randomBelow(random, items.length)] as T;
    if (!chosen.includes(item) && wanted(item)) chosen.push(item);
  }
  if (chosen.length === count) return chosen;
  const rest = items.filter((item) => wanted(item) && !chosen.includes(item));
  shuffle(random, rest);
  return chosen.concat(rest.slice(0, count - chosen.length));
}
