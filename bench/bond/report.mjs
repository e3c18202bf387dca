#!/usr/bin/env node
/** JSON of a run -> one self-contained HTML page: the table, then throughput and delay over time. */
import { readFileSync, writeFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { escapeHtml, page, table } from '../throughput/charts.mjs';
import { stretches, timeChart } from './charts.mjs';

const PATH_COLOURS = ['var(--c0)', 'var(--c1)', 'var(--c2)', 'var(--c3)'];
const GOODPUT = 'var(--text)';
/** bond::Reason: the path carries what it is given. */
const ACTIVE = 0;

/**
 * @param {object} result what run.mjs writes with --json
 * @returns {string} an HTML document
 */
export function renderReport(result) {
  const { findings, drawings, real } = result;
  const links = drawings.map(
    (drawing, i) => `<li><a href="#d${i}">${escapeHtml(name(drawing))}</a></li>`,
  );
  return page(
    'Several uplinks as one: what the bond promises and what it does',
    `<p class="muted">${escapeHtml(conditions(result))}</p>
<p>In virtual time, around the production code; only the links and the hosts' TCP are simulated. Shares are of what applications could
get of the links: payload of full packets, headers of all layers taken off.</p>
${table(['row', 'scenario', 'gate', 'median', 'worst', 'met'], findings.map(line))}
${real ? renderReal(real) : ''}
<h2>Over time</h2>
<p>Shaded: a path that is not in use, in its colour. Dashed: the rate that the sender believes the path to have.</p>
<ul>${links.join('\n')}</ul>
${drawings.map(draw).join('\n')}`,
  );
}

const name = ({ row, scenario }) => `${row}: ${scenario}`;

function conditions({ startedAt, machine, preset, seeds }) {
  return `${startedAt}; ${machine.cpu}; ${preset}, ${seeds} seed${seeds > 1 ? 's' : ''}; drawn: the first.`;
}

function line({ row, scenario, gateText, figure, worst, met }) {
  const verdict = `<span class="${met ? 'good' : 'bad'}">${met ? 'yes' : 'NO'}</span>`;
  return [...[row, scenario, gateText, figure, worst].map(escapeHtml), verdict];
}

function draw(drawing, i) {
  const { sumMbps, stepS, marks, goodputMbps, callMs, paths } = drawing;
  const bands = paths.flatMap(({ reason }, path) =>
    stretches(reason, stepS, (each) => each !== ACTIVE).map(([from, to]) => ({
      colour: PATH_COLOURS[path],
      from,
      to,
    })),
  );
  const lines = [{ name: 'goodput', colour: GOODPUT, values: goodputMbps }];
  paths.forEach(({ mbps, rateMbps }, path) => {
    const colour = PATH_COLOURS[path];
    lines.push({ name: `path ${path + 1}`, colour, values: mbps });
    lines.push({ name: `path ${path + 1}, believed`, colour, values: rateMbps, dashed: true });
  });
  const delays = paths.map(({ queueMs }, path) => ({
    name: `queue ${path + 1}`,
    colour: PATH_COLOURS[path],
    values: queueMs,
  }));
  if (callMs.some((ms) => ms > 0)) {
    delays.push({ name: 'call, longest', colour: GOODPUT, values: callMs });
  }
  const title = sumMbps ? `Throughput; the sum is ${sumMbps.toFixed(1)}` : 'Throughput';
  return `<h3 id="d${i}">${escapeHtml(name(drawing))}</h3>
${timeChart({ title, unit: 'Mbit/s', stepS, lines, marks, bands })}
${timeChart({ title: 'Delay', unit: 'ms', stepS, lines: delays, marks, bands })}`;
}

/** @param {readonly object[]} real of bench/bond/real: {row, scenario, gate, figure, base, met, series, delays} each */
function renderReal(real) {
  const rows = Array.isArray(real) ? real : (real.findings ?? []);
  const cells = rows.map(({ row, scenario, gate, figure, base, met }) => [
    ...[row, scenario, gate, figure, base ?? ''].map((cell) => escapeHtml(`${cell}`)),
    met === undefined ? '' : `<span class="${met ? 'good' : 'bad'}">${met ? 'yes' : 'NO'}</span>`,
  ]);
  const charts = rows.flatMap(({ row, scenario, series, delays }) =>
    [series, delays]
      .filter((drawing) => drawing?.lines?.length > 0)
      .map(({ stepS = 1, unit = 'Mbit/s', marks, lines }) => {
        const coloured = lines.map((each, i) => ({
          colour: i === 0 ? GOODPUT : PATH_COLOURS[(i - 1) % PATH_COLOURS.length],
          ...each,
        }));
        return timeChart({ title: `${row}: ${scenario}`, unit, stepS, lines: coloured, marks });
      }),
  );
  return `<h2>With real kernels</h2>
${table(['row', 'scenario', 'gate', 'figure', 'best single link', 'met'], cells)}
${charts.join('\n')}`;
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const [input, output] = process.argv.slice(2);
  if (!input || !output) {
    process.stderr.write('usage: bench/bond/report.mjs RESULT.json REPORT.html\n');
    process.exit(2);
  }
  writeFileSync(output, renderReport(JSON.parse(readFileSync(input, 'utf8'))));
}
