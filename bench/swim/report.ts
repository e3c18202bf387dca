// Results -> one self-contained HTML page: what was promised and what came out, then a chart and a table for each question.

import { DEFAULT_SWIM_CONFIG, type SwimConfig } from '../../src/mesh/swim/config.js';
import { escapeHtml, lineChart, type Series, table } from './charts.js';
import { gates } from './gates.js';
import {
  firstSuspectedMs,
  LIFEGUARD_FEWER_FALSE_POSITIVES,
  MEMBERLIST_LAN,
  memberlistSuspicionMs,
  SWIM_FIRST_PROBE_PERIODS,
  serfModelSeconds,
} from './published.js';
import {
  type Convergence,
  type Detection,
  type FalseAlarmRate,
  type Idle,
  type Joining,
  type Partition,
  type Pauses,
  type Report,
  type Restart,
  resultsOf,
} from './results.js';

const seconds = (ms: number | null) =>
  ms === null ? 'never' : Number.isFinite(ms) ? `${(ms / 1000).toFixed(2)} s` : '-';
const range = (lowMs: number, highMs: number) => `${lowMs / 1000} .. ${highMs / 1000} s`;
const percent = (rate: number) => `${Math.round(rate * 100)} %`;

function convergenceSection(report: Report): string {
  const results = resultsOf<Convergence>(report, 'convergence');
  const lossless = results.filter(({ lossRate }) => lossRate === 0);
  const model = (share: number): Series['points'] =>
    lossless.map(({ nodes }) => [nodes, serfModelSeconds(nodes, share)]);
  const series: Series[] = [
    { name: 'median node', points: lossless.map((r) => [r.nodes, r.perNode.median / 1000]) },
    { name: 'last node', points: lossless.map((r) => [r.nodes, r.last.median / 1000]) },
    { name: 'memberlist, model: median', dashed: true, points: model(0.5) },
    { name: 'memberlist, model: 99.9 %', dashed: true, points: model(0.999) },
  ];
  return `<h2>A change spreads</h2>
<p>One node changes its record in a mesh in which nothing else happens: when the others hold the new one. memberlist: the
model of Serf's convergence simulator (serf.io/docs/internals/simulator.html) with memberlist's defaults.</p>
${lineChart({ title: 'Time from a change', xLabel: 'nodes', yLabel: 'seconds', logX: true }, series)}
${table(
  [
    'nodes',
    'loss',
    'median node',
    '99 % of nodes',
    'last node, median',
    'last node, worst',
    'changes',
    'mesh formed in',
    'memberlist, model: median node',
  ],
  results.map((r) => [
    String(r.nodes),
    percent(r.lossRate),
    seconds(r.perNode.median),
    seconds(r.perNode.p99),
    seconds(r.last.median),
    seconds(r.last.max),
    String(r.changes),
    seconds(r.formedMs),
    seconds(1000 * serfModelSeconds(r.nodes, 0.5, r.lossRate)),
  ]),
)}`;
}

function detectionSection(report: Report): string {
  const results = resultsOf<Detection>(report, 'detection');
  return `<h2>A death is noticed</h2>
<p>kill -9. The others probe a member at times that they do not agree on, one in each interval T together, so the first probe comes
after an exponential time of mean T, whatever N is (SWIM's analysis for a choice at random: e / (e - 1) =
${SWIM_FIRST_PROBE_PERIODS.toFixed(2)} periods), and has failed after T: the member is suspected after T (1 - ln(1 - p)) for the share p of
all kills. That is ${seconds(firstSuspectedMs(0.5))}, ${seconds(firstSuspectedMs(0.9))} and ${seconds(firstSuspectedMs(0.99))} for 50, 90 and
99 %, and 2 T for 63 %. Only probing more often lowers it, at the price of its bytes. A death is declared between the least and
the most of the suspicion timeout, the sooner the more members confirm it; memberlist documents the same formula.</p>
${table(
  [
    'nodes',
    'loss',
    'kills',
    'suspected: p50',
    'p90',
    'p99',
    'worst',
    'dead at the first: p50',
    'worst',
    'dead at all: p50',
    'p99',
    'worst',
    'timeout',
    "memberlist's timeout",
  ],
  results.map((r) => [
    String(r.nodes),
    percent(r.lossRate),
    String(r.kills),
    seconds(r.firstSuspected.median),
    seconds(r.firstSuspected.p90),
    seconds(r.firstSuspected.p99),
    seconds(r.firstSuspected.max),
    seconds(r.firstDead.median),
    seconds(r.firstDead.max),
    seconds(r.allDead.median),
    seconds(r.allDead.p99),
    seconds(r.allDead.max),
    range(r.suspicionMinMs, r.suspicionMaxMs),
    range(memberlistSuspicionMs(r.nodes).minMs, memberlistSuspicionMs(r.nodes).maxMs),
  ]),
)}`;
}

function falseAlarmSection(report: Report): string {
  const results = resultsOf<FalseAlarmRate>(report, 'false-alarms');
  const perNodeHour = (count: number, r: FalseAlarmRate) => count / r.hours / r.nodes;
  const sizes = [...new Set(results.map(({ nodes }) => nodes))];
  const series = sizes.map((size) => ({
    name: `${size} nodes`,
    points: results
      .filter(({ nodes }) => nodes === size)
      .map((r) => [r.lossRate * 100, r.bytesPerSecond] as const),
  }));
  return `<h2>The living under loss</h2>
<p>Every node runs, every datagram is lost with the given probability. Counted at every observer: a node that one hundred
take for suspect counts a hundred times. The invariants of the simulator are not watched in these runs, but in its tests.</p>
${lineChart({ title: 'Bytes sent per node', xLabel: 'loss, %', yLabel: 'bytes/s' }, series)}
${table(
  [
    'nodes',
    'loss',
    'hours',
    'taken for suspect, each node and hour',
    'declared dead',
    'nodes declared dead',
    'awareness',
    'bytes/s',
  ],
  results.map((r) => [
    String(r.nodes),
    percent(r.lossRate),
    r.hours.toFixed(1),
    perNodeHour(r.suspicions, r).toFixed(2),
    String(r.deaths),
    String(r.buriedNodes),
    r.meanAwareness.toFixed(4),
    r.bytesPerSecond.toFixed(0),
  ]),
)}`;
}

function pauseSection(report: Report): string {
  return `<h2>Slow nodes</h2>
<p>As in Lifeguard's experiment (arXiv 1707.00788): some of the nodes stop again and again, and wake for up to two seconds
between. Its authors report more than ${LIFEGUARD_FEWER_FALSE_POSITIVES} times fewer healthy members that are taken for dead than with SWIM alone.</p>
${table(
  ['nodes', 'slow', 'stopped for', 'minutes', 'healthy nodes declared dead', 'all agree after'],
  resultsOf<Pauses>(report, 'pauses').map((r) => [
    String(r.nodes),
    String(r.slow),
    seconds(r.pauseMs),
    String(r.minutes),
    String(r.buriedHealthy),
    seconds(r.healedMs),
  ]),
)}`;
}

function idleSection(report: Report): string {
  const results = resultsOf<Idle>(report, 'idle');
  const points = results
    .filter(({ crypto }) => crypto !== 'real')
    .map((r) => [r.nodes, r.bytesPerSecond.median] as const);
  return `<h2>What an idle mesh costs</h2>
<p>Sent by each node, IP and UDP headers included. The share of a core includes the simulator's own work; "stand-in": without real
cryptography.</p>
${lineChart({ title: 'Bytes sent per node', xLabel: 'nodes', yLabel: 'bytes/s', logX: true }, [{ name: 'median node', points }])}
${table(
  ['nodes', 'cryptography', 'bytes/s: median node', 'largest', 'datagrams/s', 'CPU'],
  results.map((r) => [
    String(r.nodes),
    r.crypto,
    r.bytesPerSecond.median.toFixed(0),
    r.bytesPerSecond.max.toFixed(0),
    r.datagramsPerSecond.toFixed(2),
    `${(r.cpuShare * 100).toFixed(3)} %`,
  ]),
)}`;
}

function recoverySection(report: Report): string {
  const partitions = resultsOf<Partition>(report, 'partition').map((r) => [
    `${r.nodes} nodes, half of them cut off for ${r.hours} h`,
    `${seconds(r.healedMs)} until all agree`,
  ]);
  const restarts = resultsOf<Restart>(report, 'restart').map((r) => [
    `${r.nodes} nodes killed at once, ${r.survivors} restarted with no seed left`,
    `${seconds(r.formedMs)} until all know all`,
  ]);
  const joins = resultsOf<Joining>(report, 'join').map((r) => [
    `a node without state joins ${r.nodes - 1}`,
    `knows all in ${seconds(r.knowsAllMs)}, all know it in ${seconds(r.allKnowMs)}`,
  ]);
  return `<h2>Coming back</h2>\n${table(['what happens', 'what follows'], [...partitions, ...restarts, ...joins])}`;
}

function timingSection(): string {
  const published: Partial<SwimConfig> = MEMBERLIST_LAN;
  const keys = Object.keys(DEFAULT_SWIM_CONFIG) as (keyof SwimConfig)[];
  return `<h2>Timings</h2>
<p>memberlist: what it documents of DefaultLANConfig (config.go).</p>
${table(
  ['', 'weft', 'memberlist'],
  keys.map((key) => [key, String(DEFAULT_SWIM_CONFIG[key]), String(published[key] ?? '')]),
)}`;
}

export function renderReport(report: Report): string {
  const promised = gates(report).map(({ promise, measured, held }) => [
    promise,
    measured,
    held === null ? 'not measured' : held ? 'yes' : 'NO',
  ]);
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Membership of a weft mesh, simulated</title>
<style>
body { font: 15px/1.45 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; color: #1c2530; background: #fff; }
h2 { margin-top: 2.5rem; border-bottom: 1px solid #ccd3da; }
table { border-collapse: collapse; font-size: 13px; display: block; overflow-x: auto; }
td, th { border-bottom: 1px solid #ccd3da; padding: .25rem .6rem; text-align: right; }
td:first-child, th:first-child { text-align: left; }
svg { max-width: 100%; height: auto; display: block; }
svg text { font: 12px system-ui, sans-serif; fill: currentColor; }
.grid { stroke: currentColor; opacity: .15; }
@media (prefers-color-scheme: dark) { body { background: #14191f; color: #dde3ea; } }
</style>
<h1>Membership of a weft mesh, simulated</h1>
<p>${escapeHtml(`${report.startedAt}; ${report.cpu}, Node ${report.node}.`)} The real core in virtual time, from one seed. One way a datagram takes 10 to 20 ms.
What is said of memberlist is what was published of it.</p>
<h2>Promises</h2>
${table(['promised', 'measured', 'held'], promised)}
${convergenceSection(report)}
${detectionSection(report)}
${falseAlarmSection(report)}
${pauseSection(report)}
${idleSection(report)}
${recoverySection(report)}
${timingSection()}
</html>
`;
}
