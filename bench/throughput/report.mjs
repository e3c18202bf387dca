#!/usr/bin/env node
/** JSON of a run -> one self-contained HTML page with a bar chart and a table a metric. */
import { readFileSync, writeFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { barChart, colours, escapeHtml, page, table } from './charts.mjs';
import { formatFigure } from './summary.mjs';

const MODES = {
  offloads: 'veth with offloads: a UDP super-packet crosses it whole, as between virtual machines',
  wire: 'wire-like veth: tx-udp-segmentation off, so every datagram crosses it alone',
  'wire-gro': 'wire-like veth with GRO, as network cards have it: its end joins datagrams again',
};

/**
 * @param {object} result what run.mjs writes with --json
 * @returns {string} an HTML document
 */
export function renderReport(result) {
  const { candidates, summary, failures, baseline } = result;
  const colourOf = colours(candidates.filter((c) => !c.missing).map(({ name }) => name));
  const modes = [...new Set(summary.map((row) => row.mode))];
  const links = modes.map((mode) => `<a href="#${mode}">veth ${mode}</a>`);
  const sections = modes.map((mode) => {
    const rows = summary.filter((row) => row.mode === mode);
    const charts = rows.map((row) => renderRow(row, colourOf, baseline));
    return `<h2 id="${mode}">${escapeHtml(MODES[mode] ?? mode)}</h2>\n${charts.join('\n')}`;
  });
  return page(
    'Throughput and latency of WireGuard implementations',
    `${conditions(result)}
<nav>${result.goals ? '<a href="#goals">goals</a>' : ''}${links.join('')}</nav>
${result.goals ? renderGoals(result.goals) : ''}
${sections.join('\n')}
${renderFailures(failures)}`,
  );
}

function conditions({ startedAt, machine, notes, candidates, baseline }) {
  const { cpu, cores, kernel, iperf3 } = machine;
  const where = `${startedAt}; ${cpu}, ${cores} cores, Linux ${kernel}, ${iperf3}.`;
  const items = [...notes, ...candidates.map(describe)];
  return `<p class="muted">${escapeHtml(where)}</p>
<ul>${items.map((item) => `<li>${escapeHtml(item)}</li>`).join('\n')}</ul>
<p>A bar is the median of the rounds, the whisker its lowest and highest, a dot one round; the ratio is that of the medians to ${escapeHtml(baseline)}.</p>`;
}

function describe({ name, version, missing }) {
  if (missing) return `${name}: skipped, ${missing}`;
  return version ? `${name}: ${version}` : name;
}

function renderRow(row, colourOf, baseline) {
  const names = [...colourOf.keys()].filter((name) => row.cells[name]);
  const lines = names.map((name) => {
    const { median, min, max, rounds, ratio } = row.cells[name];
    const shown = ratio === null || name === baseline ? '' : `${ratio.toFixed(2)}×`;
    return [escapeHtml(name), ...[median, min, max].map(formatFigure), `${rounds}`, shown];
  });
  const notes = [row.unit, row.congestion, `${row.better} is better`].filter((note) => note);
  return `<h3>${escapeHtml(row.title.trim())} <small>${escapeHtml(notes.join(', '))}</small></h3>
${barChart(row, colourOf)}
${table(['', 'median', 'lowest', 'highest', 'rounds', 'ratio'], lines)}`;
}

function renderGoals(goals) {
  const others = [...new Set(goals.flatMap((goal) => Object.keys(goal.others)))];
  const figure = (value, unit) =>
    value === null ? '-' : escapeHtml(`${formatFigure(value)} ${unit}`);
  const rows = goals.map((goal) => [
    escapeHtml(goal.title),
    figure(goal.weft, goal.unit),
    figure(goal.rival, goal.unit),
    goal.ratio === null ? '-' : `${formatFigure(goal.ratio)}×`,
    `${goal.atLeast}×`,
    `${goal.wanted}×`,
    `<span class="${goal.met === 'NO' ? 'bad' : 'good'}">${goal.met}</span>`,
    ...others.map((name) => {
      const other = goal.others[name];
      if (!other) return '-';
      return `<span class="${other.ahead ? '' : 'bad'}">${formatFigure(other.ratio)}×</span>`;
    }),
  ]);
  const header = ['', 'weft', 'wireguard-go', 'ratio', 'at least', 'goal', 'met'];
  const further = others.map((name) => `weft : ${escapeHtml(name)}`);
  return `<h2 id="goals">Goals</h2>\n${table([...header, ...further], rows)}`;
}

function renderFailures(failures) {
  if (failures.length === 0) return '';
  const items = failures.map(({ candidate, mode, round, test, reason }) =>
    escapeHtml(`${candidate}, ${mode}, round ${round}, ${test}: ${reason}`),
  );
  return `<h2>Failed</h2>\n<ul><li>${items.join('</li>\n<li>')}</li></ul>`;
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const [input, output] = process.argv.slice(2);
  if (!input || !output) {
    process.stderr.write('usage: bench/throughput/report.mjs RESULT.json REPORT.html\n');
    process.exit(2);
  }
  writeFileSync(output, renderReport(JSON.parse(readFileSync(input, 'utf8'))));
}
