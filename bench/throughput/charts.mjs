/**
 * Pieces of the HTML reports: colours, the page's frame, a bar chart with whiskers and its table, a
 * line chart. Everything is inline: a report is one file that needs no network.
 */
import { formatFigure } from './summary.mjs';

export const escapeHtml = (text) =>
  String(text).replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);

/**
 * A candidate keeps its colour in every report; others take the free ones in turn. In pairs for a
 * light and a dark background, told apart with colour-blind eyes too (Okabe and Ito).
 */
const FIXED = ['weft', 'wireguard-go', 'boringtun', 'gotatun', 'kernel', 'plain'];
const COLOURS = [
  ['#0067a5', '#4aa8e8'],
  ['#d55e00', '#f08a3c'],
  ['#008f6b', '#2fc79c'],
  ['#b5588c', '#df8dbb'],
  ['#b38600', '#e6b93c'],
  ['#7b8794', '#93a1b0'],
  ['#6a51a3', '#a48fdc'],
  ['#8c4a2f', '#c98a6b'],
  ['#4d7c1f', '#93c25b'],
];

/** @returns {Map<string, string>} name -> CSS colour */
export function colours(names) {
  let next = FIXED.length;
  return new Map(
    names.map((name) => {
      const fixed = FIXED.indexOf(name);
      const slot = fixed >= 0 ? fixed : next++;
      const free = COLOURS.length - FIXED.length;
      const index = slot < COLOURS.length ? slot : FIXED.length + ((slot - FIXED.length) % free);
      return [name, `var(--c${index})`];
    }),
  );
}

const palette = (shade) => COLOURS.map((pair, i) => `--c${i}: ${pair[shade]}`).join('; ');

/** @param {string} body HTML */
export function page(title, body) {
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${escapeHtml(title)}</title>
<style>
:root { --text: #1c2530; --muted: #5a6775; --page: #fff; --line: #d5dbe1; --good: #17703c; --bad: #b3261e; ${palette(0)} }
@media (prefers-color-scheme: dark) {
  :root { --text: #dde3ea; --muted: #93a1b0; --page: #14191f; --line: #333d48; --good: #5fcf8b; --bad: #ff8a80; ${palette(1)} }
}
body { font: 15px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; color: var(--text); background: var(--page); }
h1 { font-size: 1.6rem; margin-bottom: .3rem; }
h2 { margin: 2.8rem 0 .4rem; padding-bottom: .2rem; border-bottom: 1px solid var(--line); font-size: 1.25rem; }
h3 { margin: 1.8rem 0 .3rem; font-size: 1rem; }
h3 small, .muted { font-weight: normal; color: var(--muted); }
nav a { margin-right: 1rem; }
a { color: inherit; }
svg { max-width: 100%; height: auto; display: block; }
svg text { font: 13px system-ui, sans-serif; fill: currentColor; }
svg .muted { fill: var(--muted); }
.axis, .grid { stroke: var(--line); }
.range { stroke: currentColor; stroke-width: 1.5; }
.dot { fill: var(--page); stroke: currentColor; }
table { border-collapse: collapse; margin: .4rem 0 1rem; font-size: .87rem; font-variant-numeric: tabular-nums; }
th, td { padding: .12rem .7rem .12rem 0; text-align: right; white-space: nowrap; border-bottom: 1px solid var(--line); }
th { font-weight: 600; color: var(--muted); }
th:first-child, td:first-child { text-align: left; }
.good { color: var(--good); } .bad { color: var(--bad); font-weight: 600; }
.scroll { overflow-x: auto; }
</style>
<h1>${escapeHtml(title)}</h1>
${body}
</html>
`;
}

/** @param {readonly (readonly string[])[]} rows cells as HTML */
export function table(header, rows) {
  const line = (cells, tag) =>
    `<tr>${cells.map((cell) => `<${tag}>${cell}</${tag}>`).join('')}</tr>`;
  return `<div class="scroll"><table>${line(header, 'th')}${rows.map((row) => line(row, 'td')).join('')}</table></div>`;
}

const ROW_HEIGHT = 26;
const LABEL_WIDTH = 120;
const CHART_WIDTH = 760;
const VALUE_WIDTH = 130;
const DOT_SPREAD = 3;

/**
 * Bars of the medians, a whisker from the lowest to the highest round, a dot for each round.
 *
 * @param {{title: string, cells: Record<string, import('./summary.mjs').Cell>}} row
 * @param {Map<string, string>} colourOf in the order of the bars
 */
export function barChart(row, colourOf) {
  const names = [...colourOf.keys()].filter((name) => row.cells[name]);
  const top = Math.max(...names.map((name) => row.cells[name].max)) || 1;
  const x = (value) =>
    (LABEL_WIDTH + (value / top) * (CHART_WIDTH - LABEL_WIDTH - VALUE_WIDTH)).toFixed(1);
  const bars = names.map((name, i) => {
    const { median, min, max, samples } = row.cells[name];
    const y = i * ROW_HEIGHT;
    const middle = y + ROW_HEIGHT / 2;
    const dots = samples.map(
      (value, n) =>
        `<circle class="dot" cx="${x(value)}" cy="${middle + ((n % 3) - 1) * DOT_SPREAD}" r="1.8"/>`,
    );
    return `<text x="${LABEL_WIDTH - 8}" y="${middle + 4}" text-anchor="end">${escapeHtml(name)}</text>
<rect x="${LABEL_WIDTH}" y="${y + 4}" width="${Math.max(1, x(median) - LABEL_WIDTH).toFixed(1)}" height="${ROW_HEIGHT - 8}" rx="2" fill="${colourOf.get(name)}"><title>${escapeHtml(name)}: ${formatFigure(median)}</title></rect>
<path class="range" fill="none" d="M${x(min)} ${middle - 4}v8m0-4H${x(max)}m0-4v8"/>
${dots.join('')}
<text x="${Number(x(max)) + 10}" y="${middle + 4}">${formatFigure(median)}</text>`;
  });
  const height = names.length * ROW_HEIGHT;
  return `<svg viewBox="0 0 ${CHART_WIDTH} ${height}" width="${CHART_WIDTH}" role="img" aria-label="${escapeHtml(row.title.trim())}">
<line class="axis" x1="${LABEL_WIDTH}" x2="${LABEL_WIDTH}" y1="0" y2="${height}"/>
${bars.join('\n')}
</svg>`;
}

const PLOT = { width: 760, height: 170, left: 62, right: 12, top: 10, bottom: 26 };

/**
 * One line over time.
 *
 * @param {{title: string, points: readonly {x: number, y: number}[], colour: string,
 *   marks?: readonly number[], fromZero?: boolean}} chart
 *   x in seconds; marks: vertical lines at these times
 */
export function lineChart({ title, points, colour, marks = [], fromZero = false }) {
  const { width, height, left, right, top, bottom } = PLOT;
  const values = points.map(({ y }) => y);
  const low = fromZero ? 0 : Math.min(...values);
  const span = Math.max(...values) - low || 1;
  const last = points.at(-1)?.x || 1;
  const x = (seconds) => (left + (seconds / last) * (width - left - right)).toFixed(1);
  const y = (value) =>
    (height - bottom - ((value - low) / span) * (height - top - bottom)).toFixed(1);
  const grid = [0, 0.5, 1].map((share) => {
    const value = low + share * span;
    return `<line class="grid" x1="${left}" x2="${width - right}" y1="${y(value)}" y2="${y(value)}"/>
<text class="muted" x="${left - 6}" y="${Number(y(value)) + 4}" text-anchor="end">${formatFigure(value)}</text>`;
  });
  const lines = marks.map(
    (at) =>
      `<line class="grid" stroke-dasharray="3 3" x1="${x(at)}" x2="${x(at)}" y1="${top}" y2="${height - bottom}"/>`,
  );
  const path = points
    .map((point, i) => `${i === 0 ? 'M' : 'L'}${x(point.x)} ${y(point.y)}`)
    .join('');
  return `<svg viewBox="0 0 ${width} ${height}" width="${width}" role="img" aria-label="${escapeHtml(title)}">
${grid.join('')}${lines.join('')}
<path d="${path}" fill="none" stroke="${colour}" stroke-width="1.8"/>
<text class="muted" x="${left}" y="${height - 6}">0 s</text>
<text class="muted" x="${width - right}" y="${height - 6}" text-anchor="end">${Math.round(last)} s</text>
</svg>`;
}
