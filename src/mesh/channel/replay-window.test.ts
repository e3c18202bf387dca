import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { REPLAY_WINDOW, ReplayWindow } from './replay-window.js';

const MAX = 2 ** 32 - 1;

/** The same by remembering everything. */
class Remembered {
  readonly #seen = new Set<number>();
  #newest = -1;

  accept(counter: number): boolean {
    if (counter <= this.#newest - REPLAY_WINDOW || this.#seen.has(counter)) return false;
    this.#seen.add(counter);
    this.#newest = Math.max(this.#newest, counter);
    return true;
  }
}

function accept(window: ReplayWindow, counter: number): boolean {
  const fresh = window.isFresh(counter);
  if (fresh) window.accept(counter);
  return fresh;
}

describe('ReplayWindow', () => {
  it('takes each counter once, as far back as its window and no farther', () => {
    const window = new ReplayWindow();
    expect(accept(window, 5_000)).toBe(true);
    expect(accept(window, 5_000)).toBe(false);
    expect(accept(window, 5_000 - REPLAY_WINDOW)).toBe(false);
    expect(accept(window, 5_001 - REPLAY_WINDOW)).toBe(true);
    expect(accept(window, 5_001 - REPLAY_WINDOW)).toBe(false);
    expect(accept(window, 0)).toBe(false);
  });

  it('forgets nothing by asking', () => {
    const window = new ReplayWindow();
    accept(window, 3);
    expect(window.isFresh(MAX)).toBe(true);
    expect(window.isFresh(3)).toBe(false);
    expect(window.isFresh(2)).toBe(true);
  });

  it('reaches the last counter', () => {
    const window = new ReplayWindow();
    for (const counter of [MAX - 1, MAX, MAX - REPLAY_WINDOW + 1]) {
      expect(accept(window, counter)).toBe(true);
      expect(accept(window, counter)).toBe(false);
    }
    expect(accept(window, MAX - REPLAY_WINDOW)).toBe(false);
  });

  it.each([0, 10_000, MAX - 3_000])('does as one that remembers everything, from %i', (start) => {
    const step = fc.oneof(
      { weight: 6, arbitrary: fc.integer({ min: -40, max: 40 }) },
      { weight: 2, arbitrary: fc.integer({ min: -REPLAY_WINDOW - 2, max: REPLAY_WINDOW + 70 }) },
      { weight: 1, arbitrary: fc.integer({ min: 0, max: 3_000 }) },
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
        const [window, remembered] = [new ReplayWindow(), new Remembered()];
        let newest = start;
        for (const step of steps) {
          const counter = Math.min(Math.max(newest + step, 0), MAX);
          expect(accept(window, counter), `${counter}`).toBe(remembered.accept(counter));
          newest = Math.max(newest, counter);
        }
      }),
    );
  });
});
