// Line charts as SVG, for a page without scripts.

export interface Series {
  readonly name: string;
  /** Dashed: computed, not measured. */
  readonly dashed?: boolean;
  readonly points: readonly (readonly [x: number, y: number])[];
}

export interface ChartOptions {
  readonly title: string;
  readonly xLabel: string;
  readonly yLabel: string;
  readonly logX?: boolean;
}

const COLOURS = ['#2f6fb0', '#d1782f', '#4c9a5b', '#8c5bb0', '#b0433f', '#5a6b7a'];
const WIDTH = 720;
const HEIGHT = 320;
const LEFT = 64;
const RIGHT = 190;
const TOP = 16;
const BOTTOM = 44;

export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}

/** Round steps of 1, 2 or 5 that reach `top`. */
function ticksTo(top: number): number[] {
  const rough = top / 5;
  const magnitude = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * magnitude).find((each) => each >= rough);
  const ticks: number[] = [];
  for (let tick = 0; tick <= top * 1.0001; tick += step ?? top) ticks.push(tick);
  return ticks;
}

export function lineChart(options: ChartOptions, series: readonly Series[]): string {
  const shown = series
    .map((each) => ({ ...each, points: each.points.filter(([, y]) => Number.isFinite(y)) }))
    .filter(({ points }) => points.length > 0);
  const all = shown.flatMap(({ points }) => points);
  if (all.length === 0) return '';
  const scaleX = (x: number) => (options.logX ? Math.log10(x) : x);
  const xs = [...new Set(all.map(([x]) => x))].sort((a, b) => a - b);
  const [low, high] = [scaleX(xs[0] ?? 0), scaleX(xs.at(-1) ?? 1)];
  const top = Math.max(...all.map(([, y]) => y)) * 1.05 || 1;
  const left = (x: number) =>
    LEFT + ((scaleX(x) - low) / (high - low || 1)) * (WIDTH - LEFT - RIGHT);
  const down = (y: number) => HEIGHT - BOTTOM - (y / top) * (HEIGHT - TOP - BOTTOM);
  const grid = ticksTo(top).map(
    (tick) =>
      `<line class="grid" x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${down(tick)}" y2="${down(tick)}"/>` +
      `<text x="${LEFT - 6}" y="${down(tick) + 4}" text-anchor="end">${Number(tick.toPrecision(3))}</text>`,
  );
  const below = xs.map(
    (x) => `<text x="${left(x)}" y="${HEIGHT - BOTTOM + 18}" text-anchor="middle">${x}</text>`,
  );
  const lines = shown.map(({ name, dashed, points }, i) => {
    const colour = COLOURS[i % COLOURS.length];
    const path = points.map(([x, y]) => `${left(x).toFixed(1)},${down(y).toFixed(1)}`).join(' ');
    const dots = points.map(
      ([x, y]) =>
        `<circle cx="${left(x).toFixed(1)}" cy="${down(y).toFixed(1)}" r="3" fill="${colour}"/>`,
    );
    const legendY = TOP + 10 + i * 20;
    const x = WIDTH - RIGHT + 12;
    const stroke = `stroke="${colour}" stroke-width="2"${dashed ? ' stroke-dasharray="5 4"' : ''}`;
    return `<polyline fill="none" ${stroke} points="${path}"/>${dots.join('')}
<line x1="${x}" x2="${x + 22}" y1="${legendY}" y2="${legendY}" ${stroke}/>
<text x="${x + 28}" y="${legendY + 4}">${escapeHtml(name)}</text>`;
  });
  const middle = (LEFT + WIDTH - RIGHT) / 2;
  return `<h3>${escapeHtml(options.title)}</h3>
<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" width="${WIDTH}" role="img" aria-label="${escapeHtml(options.title)}">
${grid.join('\n')}
${below.join('')}
<text x="${middle}" y="${HEIGHT - 6}" text-anchor="middle">${escapeHtml(options.xLabel)}</text>
<text x="4" y="12">${escapeHtml(options.yLabel)}</text>
${lines.join('\n')}
</svg>`;
}

export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const cells = (tag: 'td' | 'th', row: readonly string[]) =>
    `<tr>${row.map((cell) => `<${tag}>${escapeHtml(cell)}</${tag}>`).join('')}</tr>`;
  return `<table>\n${cells('th', head)}\n${rows.map((row) => cells('td', row)).join('\n')}\n</table>`;
}
