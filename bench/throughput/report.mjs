#!/usr/bin/env node
/** JSON of a run -> one self-contained HTML page with a bar chart and a table a metric. */
import { readFileSync, writeFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { formatFigure } from './summary.mjs';

const COLOURS = ['#2f6fb0', '#d1782f', '#4c9a5b', '#8c5bb0', '#b0433f', '#5a6b7a', '#a39130'];
const BAR_HEIGHT = 22;
const LABEL_WIDTH = 120;
const CHART_WIDTH = 720;
const VALUE_WIDTH = 190;

const escapeHtml = (text) =>
  String(text).replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);

/**
 * @param {object} result what run.mjs writes with --json
 * @returns {string} an HTML document
 */
export function renderReport(result) {
  const { machine, candidates, summary, failures, baseline } = result;
  const colourOf = new Map(candidates.map(({ name }, i) => [name, COLOURS[i % COLOURS.length]]));
  const modes = [...new Set(summary.map((row) => row.mode))];
  const sections = modes.map((mode) => {
    const charts = summary
      .filter((row) => row.mode === mode)
      .map((row) => renderChart(row, colourOf, baseline));
    return `<h2>veth ${escapeHtml(mode)}</h2>\n${charts.join('\n')}`;
  });
  const failed = failures.map((f) =>
    escapeHtml(`${f.candidate}, ${f.mode}, round ${f.round}, ${f.test}: ${f.reason}`),
  );
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Throughput of WireGuard implementations</title>
<style>
body { font: 15px/1.45 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #1c2530; background: #fff; }
h2 { margin-top: 2.5rem; border-bottom: 1px solid #ccd3da; }
h3 { margin: 1.4rem 0 .2rem; font-size: 1rem; }
h3 small { font-weight: normal; color: #5a6b7a; }
svg { max-width: 100%; height: auto; display: block; }
svg text { font: 13px system-ui, sans-serif; fill: currentColor; }
.range { stroke: currentColor; stroke-width: 1.5; }
@media (prefers-color-scheme: dark) { body { background: #14191f; color: #dde3ea; } }
</style>
<h1>Throughput of WireGuard implementations</h1>
<p>${escapeHtml(result.startedAt)}; ${escapeHtml(machine.cpu)}, ${machine.cores} cores, Linux ${escapeHtml(machine.kernel)}, ${escapeHtml(machine.iperf3)}.</p>
<ul>${[...result.notes, ...candidates.map(describe)].map((note) => `<li>${escapeHtml(note)}</li>`).join('\n')}</ul>
<p>A bar is the median of the rounds, the line its lowest and highest, ×: the ratio to ${escapeHtml(baseline)}.</p>
${sections.join('\n')}
${failed.length > 0 ? `<h2>Failed</h2>\n<ul><li>${failed.join('</li>\n<li>')}</li></ul>` : ''}
</html>
`;
}

function describe({ name, version, missing }) {
  if (missing) return `${name}: skipped, ${missing}`;
  return version ? `${name}: ${version}` : name;
}

function renderChart(row, colourOf, baseline) {
  const entries = [...colourOf.keys()].filter((name) => row.cells[name]);
  const top = Math.max(...entries.map((name) => row.cells[name].max)) || 1;
  const scale = (value) => (value / top) * (CHART_WIDTH - LABEL_WIDTH - VALUE_WIDTH);
  const bars = entries.map((name, i) => {
    const cell = row.cells[name];
    const y = i * BAR_HEIGHT;
    const middle = y + BAR_HEIGHT / 2;
    const ratio = cell.ratio === null || name === baseline ? '' : `  ${cell.ratio.toFixed(2)}×`;
    const range = `[${formatFigure(cell.min)}–${formatFigure(cell.max)}]`;
    const x = (value) => (LABEL_WIDTH + scale(value)).toFixed(1);
    return `<text x="${LABEL_WIDTH - 8}" y="${middle + 4}" text-anchor="end">${escapeHtml(name)}</text>
<rect x="${LABEL_WIDTH}" y="${y + 3}" width="${Math.max(1, scale(cell.median)).toFixed(1)}" height="${BAR_HEIGHT - 6}" fill="${colourOf.get(name)}"/>
<line class="range" x1="${x(cell.min)}" x2="${x(cell.max)}" y1="${middle}" y2="${middle}"/>
<text x="${LABEL_WIDTH + scale(cell.max) + 8}" y="${middle + 4}">${formatFigure(cell.median)} ${range}${ratio}</text>`;
  });
  const conditions = row.congestion ? `, ${row.congestion}` : '';
  const height = entries.length * BAR_HEIGHT;
  return `<h3>${escapeHtml(row.title.trim())} <small>${escapeHtml(row.unit)}${conditions}; ${row.better} is better</small></h3>
<svg viewBox="0 0 ${CHART_WIDTH} ${height}" width="${CHART_WIDTH}" role="img" aria-label="${escapeHtml(row.title.trim())}">
${bars.join('\n')}
</svg>`;
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const [input, output] = process.argv.slice(2);
  if (!input || !output) {
    process.stderr.write('usage: bench/throughput/report.mjs RESULT.json REPORT.html\n');
    process.exit(2);
  }
  writeFileSync(output, renderReport(JSON.parse(readFileSync(input, 'utf8'))));
}
