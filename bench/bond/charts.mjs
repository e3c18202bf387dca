/** Lines over time, several in one chart, with marks of what happened and bands of when a path was not in use. */
import { escapeHtml } from '../throughput/charts.mjs';

const PLOT = { width: 860, height: 170, left: 52, right: 190, top: 14, bottom: 24 };
/** More than a screen shows: means of neighbours are drawn. */
const MAX_POINTS = 600;

function thinned(values, stepS) {
  const group = Math.ceil(values.length / MAX_POINTS);
  const points = [];
  for (let i = 0; i < values.length; i += group) {
    const part = values.slice(i, i + group);
    points.push([(i + part.length) * stepS, part.reduce((a, b) => a + b, 0) / part.length]);
  }
  return points;
}

/** Stretches of time, in seconds, for which `test` holds. */
export function stretches(values, stepS, test) {
  const found = [];
  let begin = null;
  for (let i = 0; i <= values.length; i++) {
    const holds = i < values.length && test(values[i]);
    if (holds && begin === null) begin = i;
    if (!holds && begin !== null) {
      found.push([begin * stepS, i * stepS]);
      begin = null;
    }
  }
  return found;
}

/**
 * @param {{title: string, unit: string, stepS: number,
 *   lines: readonly {name: string, colour: string, values: readonly number[], dashed?: boolean}[],
 *   marks?: readonly [number, string][], bands?: readonly {colour: string, from: number, to: number}[]}} chart
 * @returns {string} HTML
 */
export function timeChart({ title, unit, stepS, lines, marks = [], bands = [] }) {
  const { width, height, left, right, top, bottom } = PLOT;
  const shown = lines.filter(({ values }) => values.length > 0);
  if (shown.length === 0) return '';
  const seconds = Math.max(...shown.map(({ values }) => values.length)) * stepS;
  const points = shown.map(({ values }) => thinned(values, stepS));
  const highest = Math.max(...points.flat().map(([, y]) => y)) || 1;
  const x = (at) => (left + (at / seconds) * (width - left - right)).toFixed(1);
  const y = (value) => (height - bottom - (value / highest) * (height - top - bottom)).toFixed(1);
  const grid = [0, 0.5, 1].map(
    (share) =>
      `<line class="grid" x1="${left}" x2="${width - right}" y1="${y(share * highest)}" y2="${y(share * highest)}"/>` +
      `<text class="muted" x="${left - 6}" y="${Number(y(share * highest)) + 4}" text-anchor="end">${Number((share * highest).toPrecision(3))}</text>`,
  );
  const shades = bands.map(
    ({ colour, from, to }) =>
      `<rect x="${x(from)}" y="${top}" width="${(x(to) - x(from)).toFixed(1)}" height="${height - top - bottom}" fill="${colour}" opacity=".13"/>`,
  );
  const events = marks.map(
    ([at, text]) =>
      `<line class="axis" stroke-dasharray="3 3" x1="${x(at)}" x2="${x(at)}" y1="${top}" y2="${height - bottom}"/>` +
      `<text class="muted" x="${Number(x(at)) + 3}" y="${top + 9}">${escapeHtml(text)}</text>`,
  );
  const drawn = shown.map(({ name, colour, dashed }, i) => {
    const path = points[i].map(([at, value]) => `${x(at)},${y(value)}`).join(' ');
    const stroke = `stroke="${colour}" stroke-width="1.6"${dashed ? ' stroke-dasharray="5 3"' : ''}`;
    const legend = top + 8 + i * 18;
    return `<polyline fill="none" ${stroke} points="${path}"/>
<line x1="${width - right + 10}" x2="${width - right + 30}" y1="${legend}" y2="${legend}" ${stroke}/>
<text x="${width - right + 36}" y="${legend + 4}">${escapeHtml(name)}</text>`;
  });
  return `<h4>${escapeHtml(title)} <small class="muted">${escapeHtml(unit)}</small></h4>
<svg viewBox="0 0 ${width} ${height}" width="${width}" role="img" aria-label="${escapeHtml(title)}">
${shades.join('')}${grid.join('\n')}
${events.join('')}
${drawn.join('\n')}
<text class="muted" x="${left}" y="${height - 6}">0</text>
<text class="muted" x="${width - right}" y="${height - 6}" text-anchor="end">${Number(seconds.toFixed(1))} s</text>
</svg>`;
}
