/**
 * Folded stacks -> an SVG that needs nothing else: click to zoom, Ctrl-F to search (flamegraph-client.js inside it).
 * With a baseline it is a differential flame graph: widths are this capture's, red has grown, blue has shrunk.
 */
import { readFileSync } from 'node:fs';
import { total } from './stacks.mjs';

const WIDTH = 1200;
const ROW = 16;
const MARGIN = 10;
const HEAD = 60;
const FOOT = 30;
const CHARACTER = 6.7; // of 11px monospace
/** Narrower frames are left out, with all above them. */
const MIN_PIXELS = 0.2;

/** @typedef {{name: string, weight: number, before: number, children: Map<string, Node>}} Node */

const node = (name) => ({ name, weight: 0, before: 0, children: new Map() });

function add(root, stacks, field) {
  for (const [stack, weight] of stacks) {
    let at = root;
    at[field] += weight;
    for (const name of stack.split(';')) {
      if (!at.children.has(name)) at.children.set(name, node(name));
      at = at.children.get(name);
      at[field] += weight;
    }
  }
}

const escaped = (text) =>
  text.replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`).replace(/\p{Cc}/gu, ' ');

/** A steady pseudo-random number from 0 to 1 for a name: the same function has the same shade everywhere. */
function shade(name) {
  let hash = 2166136261;
  for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), 16777619);
  return ((hash >>> 8) & 0xffff) / 0xffff;
}

/** By kind: kernel orange, JavaScript green, weft's C++ red, idle and unknown grey, all else yellow. */
function colour(name) {
  const light = 62 + Math.round(14 * shade(name));
  if (name.endsWith('_[k]')) return `hsl(28,85%,${light}%)`;
  if (name.endsWith('_[j]')) return `hsl(110,50%,${light}%)`;
  if (name.startsWith('weft::')) return `hsl(5,75%,${light}%)`;
  if (name.startsWith('[') || name.startsWith('swapper')) return `hsl(0,0%,${light + 8}%)`;
  return `hsl(50,75%,${light}%)`;
}

function colourOfChange(change, largest) {
  const depth = largest === 0 ? 0 : Math.min(1, Math.abs(change) / largest);
  return `hsl(${change > 0 ? 5 : 220},80%,${Math.round(95 - 40 * Math.sqrt(depth))}%)`;
}

/** Frames left to right, bottom to top. */
function layout(root, scale) {
  const frames = [];
  const place = (at, x, depth) => {
    const width = at.weight * scale;
    if (width < MIN_PIXELS) return;
    frames.push({ at, x, width, depth });
    let left = x;
    const children = [...at.children.values()].sort((p, q) => (p.name < q.name ? -1 : 1));
    for (const child of children) {
      place(child, left, depth + 1);
      left += child.weight * scale;
    }
  };
  place(root, MARGIN, 0);
  return frames;
}

/** What is shown of a name in so many pixels. */
export function fitted(name, width) {
  const room = Math.floor((width - 4) / CHARACTER);
  if (room < 3) return '';
  return name.length <= room ? name : `${name.slice(0, room - 2)}..`;
}

/**
 * @param {Map<string, number>} stacks folded stack -> weight
 * @param {{title: string, subtitle?: string, baseline?: Map<string, number>}} options baseline: weights in the same unit
 * @returns {string} the SVG document
 */
export function renderFlameGraph(stacks, { title, subtitle = '', baseline }) {
  const root = node('all');
  add(root, stacks, 'weight');
  if (baseline) add(root, baseline, 'before');
  const all = total(stacks);
  const frames = layout(root, (WIDTH - 2 * MARGIN) / (all || 1));
  const depth = Math.max(0, ...frames.map((frame) => frame.depth));
  const height = HEAD + (depth + 1) * ROW + FOOT;
  const self = (at, field) =>
    at[field] - [...at.children.values()].reduce((sum, child) => sum + child[field], 0);
  const change = (at) => self(at, 'weight') - self(at, 'before');
  const largest = baseline ? Math.max(0, ...frames.map(({ at }) => Math.abs(change(at)))) : 0;

  const body = frames.map(({ at, x, width, depth: level }) => {
    const y = height - FOOT - (level + 1) * ROW;
    const share = `${((100 * at.weight) / (all || 1)).toFixed(2)} %`;
    const grown = baseline ? `, ${signedPercent(at.weight - at.before, all)} of all` : '';
    const fill = baseline ? colourOfChange(change(at), largest) : colour(at.name);
    const place = `x="${x.toFixed(2)}" y="${y}" width="${width.toFixed(2)}" height="${ROW - 1}"`;
    return (
      `<g class="f" data-name="${escaped(at.name)}"><title>${escaped(at.name)} (${share}${grown})</title>` +
      `<rect ${place} fill="${fill}"/><text x="${(x + 3).toFixed(2)}" y="${y + 11.5}">${escaped(fitted(at.name, width))}</text></g>`
    );
  });
  const client = readFileSync(new URL('flamegraph-client.js', import.meta.url), 'utf8');
  return `<?xml version="1.0" encoding="UTF-8"?>
<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}"
  data-margin="${MARGIN}" data-character="${CHARACTER}">
<style>text{font:11px monospace;fill:#000;pointer-events:none}.f{cursor:pointer}.f:hover rect{stroke:#000}
.up rect{opacity:.5}.hit rect{fill:#c0f}.button{cursor:pointer;pointer-events:all;fill:#06c}</style>
<rect width="100%" height="100%" fill="#fff"/>
<text x="${WIDTH / 2}" y="22" text-anchor="middle" style="font-size:15px">${escaped(title)}</text>
<text x="${WIDTH / 2}" y="40" text-anchor="middle">${escaped(subtitle)}</text>
<text id="reset" class="button" x="${MARGIN}" y="22">Reset zoom</text>
<text id="search" class="button" x="${WIDTH - MARGIN}" y="22" text-anchor="end">Search</text>
<text id="detail" x="${MARGIN}" y="${height - 10}"></text>
<text id="found" x="${WIDTH - MARGIN}" y="${height - 10}" text-anchor="end"></text>
${body.join('\n')}
<script><![CDATA[
${client}]]></script>
</svg>
`;
}

export const signedPercent = (part, whole) =>
  `${part >= 0 ? '+' : ''}${((100 * part) / (whole || 1)).toFixed(2)} %`;
