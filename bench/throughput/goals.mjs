/**
 * The goals of the project's speed: rows of a run, the ratio of weft to wireguard-go that each must
 * have at least, and the one that is wanted.
 */
import { formatFigure } from './summary.mjs';

const goal = (title, metric, atLeast, wanted, mode = 'offloads') => ({
  title,
  metric: [metric].flat(),
  atLeast,
  wanted,
  mode,
});

/** `metric`: the first one that was measured counts. */
const GOALS = [
  goal('TCP, 1 stream, veth offloads on, cubic', 'tcp', 2.2, 3),
  goal('TCP, 1 stream, wire-like veth, cubic', 'tcp', 4, 6, 'wire'),
  goal('cycles (else CPU time) per byte, 1 stream', ['tcp-cycles', 'tcp-cpu-ns'], 0.45, 0.33),
  goal('UDP 64 B, delivered', 'udp64', 4, 8),
  goal('UDP 64 B, lossless rate', 'udp64-lossless', 4, 8),
  goal('UDP 1372 B, delivered', 'udp1372', 3.5, 6),
  goal('ping idle, average', 'ping-avg', 0.4, 0.25),
  goal('ping idle, p99', 'ping-p99', 0.4, 0.25),
  goal('ping under 1 TCP stream, p50', 'ping-load-p50', 0.1, 0.03),
  goal('ping under 1 TCP stream, p99', 'ping-load-p99', 0.1, 0.03),
  goal('ping under 4 TCP streams, p50', 'ping-load-x4-p50', 0.1, 0.03),
  goal('ping under 4 TCP streams, p99', 'ping-load-x4-p99', 0.1, 0.03),
  goal('resident memory under load', 'memory-load', 0.2, 0.1),
];

const SUBJECT = 'weft';
const RIVAL = 'wireguard-go';

/** The tests that the rows need. */
export function goalsPlan() {
  return [
    {
      mode: 'offloads',
      tests: [
        'ping',
        'tcp',
        'udp64',
        'udp1372',
        'udp64-lossless',
        'ping-load',
        'ping-load-x4',
        'memory',
      ],
    },
    { mode: 'wire', tests: ['tcp'] },
  ];
}

/**
 * @param {readonly import('./summary.mjs').Row[]} summary
 * @returns {{title: string, unit: string, weft: number | null, rival: number | null,
 *   ratio: number | null, atLeast: number, wanted: number, met: 'goal' | 'yes' | 'NO' | '?',
 *   others: Record<string, {value: number, ratio: number, ahead: boolean}>}[]}
 *   others: the medians of further candidates, and weft's ratio to them
 */
export function goalRows(summary) {
  return GOALS.map(({ title, metric, mode, atLeast, wanted }) => {
    const row = metric
      .map((name) => summary.find((candidate) => isOf(candidate, name, mode)))
      .find((found) => found !== undefined);
    const value = (name) => row?.cells[name]?.median ?? null;
    const [weft, rival] = [value(SUBJECT), value(RIVAL)];
    const ratio = weft !== null && rival ? weft / rival : null;
    // A goal above 1 is for what should be higher, one below for what should be lower.
    const reaches = (limit) => (atLeast > 1 ? ratio >= limit : ratio <= limit);
    const met = ratio === null ? '?' : reaches(wanted) ? 'goal' : reaches(atLeast) ? 'yes' : 'NO';
    const others = {};
    for (const [name, cell] of Object.entries(row?.cells ?? {})) {
      if (name === SUBJECT || name === RIVAL || name === 'plain' || !weft || !cell.median) continue;
      const ahead = atLeast > 1 ? weft > cell.median : weft < cell.median;
      others[name] = { value: cell.median, ratio: weft / cell.median, ahead };
    }
    return { title, unit: row?.unit ?? '', weft, rival, ratio, atLeast, wanted, met, others };
  });
}

const isOf = (row, metric, mode) =>
  row.metric === metric && row.mode === mode && (row.congestion ?? 'cubic') === 'cubic';

/** Row | weft | wireguard-go | ratio | at least | goal | met, then weft's ratio to the others. */
export function formatGoals(rows) {
  const names = [...new Set(rows.flatMap((row) => Object.keys(row.others)))];
  const figure = (value, unit) => (value === null ? '-' : `${formatFigure(value)} ${unit}`);
  const limit = (value) => `${value}x`;
  const header = ['row', SUBJECT, RIVAL, 'ratio', 'at least', 'goal', 'met'];
  const body = rows.map((row) => [
    row.title,
    figure(row.weft, row.unit),
    figure(row.rival, row.unit),
    row.ratio === null ? '-' : `${formatFigure(row.ratio)}x`,
    limit(row.atLeast),
    limit(row.wanted),
    row.met,
    ...names.map((name) => formatOther(row.others[name])),
  ]);
  const table = [[...header, ...names.map((name) => `${name}: weft ratio`)], ...body];
  const rule = table[0].map(() => '---');
  return [table[0], rule, ...table.slice(1)].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

function formatOther(other) {
  if (!other) return '-';
  return `${formatFigure(other.value)}: ${formatFigure(other.ratio)}x${other.ahead ? '' : ' BEHIND'}`;
}
