/** The HTML reports: one file, no network, nothing of a candidate's text taken as markup. */
import { describe, expect, it } from 'vitest';
import { renderSoak } from '../soak/report.mjs';
import { colours } from './charts.mjs';
import { goalRows } from './goals.mjs';
import { renderReport } from './report.mjs';
import { summarise } from './summary.mjs';

const NAMES = ['plain', 'wireguard-go', 'weft', 'a<b>'];
const samples = NAMES.flatMap((candidate, i) =>
  [1, 2, 3].map((round) => ({
    round,
    mode: 'offloads',
    congestion: 'cubic',
    candidate,
    metric: 'tcp',
    value: (i + 1) * round,
  })),
);
const machine = { cpu: 'a CPU', cores: 2, kernel: '6.1', iperf3: 'iperf 3.12' };

function result() {
  const summary = summarise(samples, 'wireguard-go');
  return {
    startedAt: '2026-01-01T00:00:00Z',
    machine,
    notes: ['a condition & more'],
    baseline: 'wireguard-go',
    candidates: [...NAMES.map((name) => ({ name })), { name: 'kernel', missing: 'no module' }],
    summary,
    goals: goalRows(summary),
    failures: [{ candidate: 'weft', mode: 'wire', round: 2, test: 'tcp', reason: '<died>' }],
    samples,
  };
}

/** No scripts, nothing loaded, and no NaN in a coordinate. */
function expectSelfContained(html) {
  expect(html).not.toMatch(/<script|<link|<img|@import|url\(|https?:/);
  expect(html).not.toMatch(/NaN|Infinity|undefined/);
}

describe('renderReport', () => {
  const html = renderReport(result());

  it('is one file', () => expectSelfContained(html));

  it('escapes what it shows', () => {
    expect(html).not.toMatch(/a<b>|<died>/);
    expect(html).toContain('a condition &#38; more');
  });

  it('says what was skipped and what failed', () => {
    expect(html).toContain('kernel: skipped, no module');
    expect(html).toContain('&#60;died&#62;');
  });

  it('draws a bar and a dot for each round, and has the numbers below', () => {
    expect(html.match(/<rect /g)).toHaveLength(NAMES.length);
    expect(html.match(/<circle /g)).toHaveLength(samples.length);
    expect(html).toContain('<td>weft</td><td>6.00</td><td>3.00</td><td>9.00</td><td>3</td>');
    expect(html).toContain('1.50×');
  });
});

it('a candidate keeps its colour whoever else takes part', () => {
  const alone = colours(['weft']).get('weft');
  const others = [...NAMES, ...Array.from({ length: 12 }, (_, i) => `other${i}`)];
  expect(colours(others).get('weft')).toBe(alone);
  const known = ['weft', 'wireguard-go', 'boringtun', 'gotatun', 'kernel', 'plain', 'x', 'y', 'z'];
  expect(new Set(colours(known).values()).size).toBe(known.length);
});

it('renders a soak', () => {
  const html = renderSoak({
    startedAtMs: 1_700_000_000_000,
    machine,
    candidate: { name: 'weft' },
    options: {
      seconds: 60,
      load: 'tcp',
      pps: 2000,
      datagramBytes: 64,
      mode: 'offloads',
      congestion: 'cubic',
    },
    checks: [{ name: 'memory', ok: false, detail: 'grows <fast>' }],
    counters: [{ drops: {} }, null],
    samples: [0, 1, 2].map((seconds) => ({
      seconds,
      ends: [
        { rssMb: 60, fds: 9 },
        { rssMb: 60 + seconds, fds: 9 },
      ],
      bytes: seconds * 1e9,
      tunDropped: 0,
      socketDropped: 0,
      handshakeMs: 1_700_000_000_000 + seconds * 500,
    })),
  });
  expectSelfContained(html);
  expect(html).toContain('<span class="bad">FAIL</span>');
  expect(html).toContain('grows &#60;fast&#62;');
});
