/** The table of goals: which side of a limit counts as reached, and what is said of a missing row. */
import { describe, expect, it } from 'vitest';
import { formatGoals, goalRows, goalsPlan } from './goals.mjs';
import { TESTS } from './measurements.mjs';
import { METRICS } from './metrics.mjs';
import { summarise } from './summary.mjs';

const sample = (metric, candidate, value, mode = 'offloads', congestion = null) => ({
  round: 1,
  mode,
  congestion,
  candidate,
  metric,
  value,
});

/** The row of a metric when weft and the rivals measured these. */
function rowOf(metric, values, mode, congestion) {
  const samples = Object.entries(values).map(([name, value]) =>
    sample(metric, name, value, mode, congestion),
  );
  return goalRows(summarise(samples, 'wireguard-go')).find(({ met }) => met !== '?');
}

describe('goalRows', () => {
  it.each([
    [2.1, 'NO'],
    [2.2, 'yes'],
    [3, 'goal'],
  ])('throughput %d times as high: %s', (weft, met) => {
    expect(rowOf('tcp', { weft, 'wireguard-go': 1 }, 'offloads', 'cubic').met).toBe(met);
  });

  it.each([
    [0.5, 'NO'],
    [0.45, 'yes'],
    [0.33, 'goal'],
  ])('cost %d times as high: %s', (weft, met) => {
    const row = rowOf('tcp-cycles', { weft, 'wireguard-go': 1 }, 'offloads', 'cubic');
    expect(row.met).toBe(met);
  });

  it('takes CPU time where cycles are not counted', () => {
    const row = rowOf('tcp-cpu-ns', { weft: 1, 'wireguard-go': 4 }, 'offloads', 'cubic');
    expect(row).toMatchObject({ unit: 'ns/B', ratio: 0.25, met: 'goal' });
  });

  it('keeps veth modes and congestion controls apart', () => {
    const values = { weft: 4, 'wireguard-go': 1 };
    expect(rowOf('tcp', values, 'wire', 'cubic')).toMatchObject({ atLeast: 4, met: 'yes' });
    expect(rowOf('tcp', values, 'offloads', 'bbr')).toBeUndefined();
  });

  it('says who is behind whom', () => {
    const values = { weft: 2, 'wireguard-go': 9, boringtun: 4, prototype: 1, plain: 0.1 };
    const { others } = rowOf('ping-avg', values);
    expect(others).toEqual({
      boringtun: { value: 4, ratio: 0.5, ahead: true },
      prototype: { value: 1, ratio: 2, ahead: false },
    });
  });

  it('the table names every row, measured or not', () => {
    const rows = goalRows([]);
    const text = formatGoals(rows);
    expect(text.split('\n')).toHaveLength(rows.length + 2);
    expect(text).toContain('| UDP 64 B, lossless rate | - | - | - | 4x | 8x | ? |');
  });

  it('the preset measures every row', () => {
    const planned = goalsPlan().flatMap(({ mode, tests }) =>
      tests.map((test) => `${mode} ${test}`),
    );
    for (const test of goalsPlan().flatMap(({ tests }) => tests))
      expect(TESTS).toHaveProperty(test);
    const samples = METRICS.flatMap(({ name, test }) =>
      ['weft', 'wireguard-go'].flatMap((candidate) =>
        ['offloads', 'wire']
          .filter((mode) => planned.includes(`${mode} ${test}`))
          .map((mode) =>
            sample(name, candidate, 1, mode, TESTS[test].perCongestion ? 'cubic' : null),
          ),
      ),
    );
    for (const { title, met } of goalRows(summarise(samples, 'wireguard-go'))) {
      expect(met, title).not.toBe('?');
    }
  });
});
