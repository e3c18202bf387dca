// The report says what the results say.

import { describe, expect, test } from 'vitest';
import { lineChart } from './charts.js';
import { gates } from './gates.js';
import { firstSuspectedMs, memberlistSuspicionMs, serfModelSeconds } from './published.js';
import { renderReport } from './report.js';
import type { Report } from './results.js';

const conditions = { nodes: 100, lossRate: 0.2, seed: 1 };

function reportWith(results: Record<string, unknown>): Report {
  return { startedAt: '', cpu: '<cpu>', node: '', results };
}

const falseAlarms = (hours: number, deaths: number) => ({
  'false-alarms 100 0.2': {
    ...conditions,
    hours,
    deaths,
    suspicions: 10,
    buriedNodes: deaths,
    meanAwareness: 0.1,
    bytesPerSecond: 500,
  },
});

describe('a promise', () => {
  const judge = (results: Record<string, unknown>) =>
    gates(reportWith(results)).find(({ promise }) => promise.includes('20 % loss'))?.held;

  test('is held, broken, or not measured', () => {
    expect(judge(falseAlarms(24, 0))).toBe(true);
    expect(judge(falseAlarms(24, 1))).toBe(false);
    expect(judge({})).toBeNull();
  });

  test('of 24 hours is not held by less', () => {
    expect(judge(falseAlarms(23, 0))).toBeNull();
  });
});

describe('the page', () => {
  test('shows a result, and escapes what is not ours', () => {
    const page = renderReport(reportWith(falseAlarms(24, 3)));
    expect(page).toContain('<td>3</td>');
    expect(page).toContain('&#60;cpu&#62;');
    expect(page).not.toContain('<cpu>');
  });

  test('a chart leaves out what was not reached', () => {
    const options = { title: 't', xLabel: 'x', yLabel: 'y' };
    const points = [
      [1, 2],
      [2, Number.POSITIVE_INFINITY],
      [3, 4],
    ] as const;
    const chart = lineChart(options, [{ name: 'a', points }]);
    expect(chart.match(/<circle/g)).toHaveLength(2);
    expect(chart).not.toContain('NaN');
    expect(lineChart(options, [])).toBe('');
  });
});

test("Serf's model: the time grows with log N, with the interval, and with loss", () => {
  const seconds = (nodes: number, lossRate = 0) => serfModelSeconds(nodes, 0.9999, lossRate);
  // its default: 30 nodes, 0.2 s, fanout 3: 8.4 rounds at 99.99 %
  expect(seconds(30)).toBeCloseTo((Math.log(31 * 9999) / 1.5) * 0.2, 9);
  expect(seconds(1_000) - seconds(100)).toBeCloseTo(seconds(100) - seconds(10), 1);
  expect(seconds(30, 0.5)).toBeCloseTo(2 * seconds(30), 9);
});

test("memberlist's suspicion lasts as it documents", () => {
  expect(memberlistSuspicionMs(100)).toEqual({ minMs: 8_000, maxMs: 48_000 });
});

test('a killed node is suspected within two intervals in 1 - 1/e of all cases', () => {
  expect(firstSuspectedMs(1 - 1 / Math.E)).toBeCloseTo(2_000, 9);
});
