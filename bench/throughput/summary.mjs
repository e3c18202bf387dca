/** Samples -> medians, ranges and ratios; and the table that is printed. */
import { METRICS } from './metrics.mjs';
import { median } from './parse.mjs';

/**
 * One figure of one candidate in one round.
 * @typedef {{round: number, mode: string, congestion: string | null, candidate: string,
 *   metric: string, value: number}} Sample
 *
 * One row: a metric under one set of conditions.
 * @typedef {{metric: string, title: string, unit: string, better: 'higher' | 'lower', mode: string,
 *   congestion: string | null, cells: Record<string, Cell>}} Row
 * @typedef {{median: number, min: number, max: number, rounds: number, ratio: number | null,
 *   samples: number[]}} Cell
 *   ratio: this median over the baseline's; null where that means nothing
 */

/**
 * @param {readonly Sample[]} samples
 * @param {string} baseline candidate that the ratios refer to
 * @returns {Row[]} by mode, then in the order of METRICS
 */
export function summarise(samples, baseline) {
  const rows = [];
  const distinct = (key) => [...new Set(samples.map((sample) => sample[key]))];
  for (const mode of distinct('mode')) {
    for (const metric of METRICS) {
      for (const congestion of distinct('congestion')) {
        const own = samples.filter(
          (sample) =>
            sample.mode === mode &&
            sample.metric === metric.name &&
            sample.congestion === congestion,
        );
        if (own.length > 0) rows.push(makeRow(metric, mode, congestion, own, baseline));
      }
    }
  }
  return rows;
}

function makeRow(metric, mode, congestion, samples, baseline) {
  const { name, title, unit, better, count } = metric;
  /** @type {Record<string, number[]>} */
  const values = {};
  for (const { candidate, value } of samples) {
    values[candidate] ??= [];
    values[candidate].push(value);
  }
  const base = values[baseline] && !count ? median(values[baseline]) : 0;
  const cells = {};
  for (const [candidate, own] of Object.entries(values)) {
    const middle = median(own);
    cells[candidate] = {
      median: middle,
      min: Math.min(...own),
      max: Math.max(...own),
      rounds: own.length,
      samples: own,
      ratio: base > 0 ? middle / base : null,
    };
  }
  return { metric: name, title, unit, better, mode, congestion, cells };
}

/** Three significant digits, never in exponent form. */
export function formatFigure(value) {
  if (value === 0) return '0';
  const digits = Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value))));
  return value.toFixed(Math.min(digits, 4));
}

/**
 * @param {readonly Row[]} rows
 * @param {readonly string[]} candidates columns
 * @param {string} baseline its own column carries no ratio
 */
export function formatTable(rows, candidates, baseline) {
  const lines = [];
  for (const mode of new Set(rows.map((row) => row.mode))) {
    const own = rows.filter((row) => row.mode === mode);
    const header = ['', 'unit', ...candidates.flatMap((name) => columnsOf(name, baseline))];
    const body = own.map((row) => [
      row.congestion ? `${row.title} (${row.congestion})` : row.title,
      row.unit,
      ...candidates.flatMap((name) => cellTexts(row.cells[name], name, baseline)),
    ]);
    const widths = header.map((_, i) => Math.max(...[header, ...body].map((r) => r[i].length)));
    const render = (texts) =>
      texts
        .map((text, i) => (i < 2 ? text.padEnd(widths[i]) : text.padStart(widths[i])))
        .join('  ')
        .trimEnd();
    lines.push('', `veth ${mode}: median [lowest-highest], ratio to ${baseline}`, render(header));
    lines.push(widths.map((width) => '-'.repeat(width)).join('  '), ...body.map(render));
  }
  return lines.join('\n');
}

const columnsOf = (name, baseline) => (name === baseline ? [name] : [name, 'ratio']);

function cellTexts(cell, name, baseline) {
  if (!cell) return name === baseline ? ['-'] : ['-', ''];
  const range = `[${formatFigure(cell.min)}-${formatFigure(cell.max)}]`;
  const text = `${formatFigure(cell.median)} ${range}`;
  if (name === baseline) return [text];
  return [text, cell.ratio === null ? '' : `${cell.ratio.toFixed(2)}x`];
}
