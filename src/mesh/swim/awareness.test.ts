import { describe, expect, test } from 'vitest';
import { Awareness, failedProbeDelta } from './awareness.js';

describe('awareness', () => {
  test('stays between 0 and the multiplier less one', () => {
    const awareness = new Awareness(8);
    awareness.apply(-1);
    expect(awareness.score).toBe(0);
    awareness.apply(20);
    expect(awareness.score).toBe(7);
    expect(awareness.scale(1_000)).toBe(8_000);
  });

  // memberlist, state.go, probeNode()
  test.each([
    { asked: 0, nacks: 0, delta: 1 },
    { asked: 3, nacks: 3, delta: 0 },
    { asked: 3, nacks: 1, delta: 2 },
    { asked: 3, nacks: 0, delta: 3 },
  ])(
    'a failed probe with $nacks nacks of $asked changes it by $delta',
    ({ asked, nacks, delta }) => {
      expect(failedProbeDelta(asked, nacks)).toBe(delta);
    },
  );
});
