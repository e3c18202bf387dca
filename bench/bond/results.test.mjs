import { expect, test } from 'vitest';
import { mergeRuns } from './results.mjs';

const run = (value, met) => ({
  findings: [
    { row: '8', scenario: 'a link dies', unit: 'ms', atLeast: false, gate: 120, value, met },
  ],
});

test('a finding of several seeds is their median and their worst, and met by all or not at all', () => {
  const [finding] = mergeRuns([run(100, true), run(130, false), run(90, true)]);
  expect(finding).toMatchObject({ value: 100, figure: '100 ms', worst: '130 ms', met: false });
});

test('the worst of what is to be large is the least', () => {
  const share = (value) => ({
    findings: [{ row: '1', scenario: 'x', unit: '%', atLeast: true, gate: 0.9, value, met: true }],
  });
  const [finding] = mergeRuns([share(0.95), share(0.912), share(0.97)]);
  expect(finding).toMatchObject({ figure: '95 %', worst: '91.2 %', met: true });
});

test('what never happened is said so', () => {
  expect(mergeRuns([run(1e9, false)])[0].figure).toBe('never');
});
