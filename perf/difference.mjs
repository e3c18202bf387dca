/** Two captures -> what changed, by stage and by function: the tables of perf/diff. */
import { OUTSIDE, STAGES, stageOf, stageWeights } from './stages.mjs';

/** A capture as its directory holds it: capture.json and stacks.folded. */
/** @typedef {{about: {quantity: string, unit: string, units: number}, stacks: Map<string, number>}} Capture */

/** Weights a unit of work: what makes two captures comparable that did not carry the same. */
export function perUnit({ about, stacks }) {
  return new Map([...stacks].map(([stack, weight]) => [stack, weight / about.units]));
}

/** Without what is not the tunnel's: another process that ran meanwhile would drown the changes. */
export const ofTheTunnel = (stacks) =>
  new Map([...stacks].filter(([stack]) => !OUTSIDE.has(stageOf(stack))));

/** By function, what it used itself, not what it called; the same function in two threads is one. */
export function selfWeights(stacks) {
  const weights = new Map();
  for (const [stack, weight] of stacks) {
    const name = stack.slice(stack.lastIndexOf(';') + 1);
    weights.set(name, (weights.get(name) ?? 0) + weight);
  }
  return weights;
}

/** @throws {Error} if the two did different kinds of work, or were weighed in different quantities */
export function checkComparable(before, after) {
  for (const key of ['unit', 'quantity']) {
    const [a, b] = [before.about[key], after.about[key]];
    if (a !== b) throw new Error(`cannot compare: one capture counts ${a}, the other ${b}`);
  }
}

/**
 * @param {Map<string, number>} before
 * @param {Map<string, number>} after
 * @returns {{name: string, before: number, after: number, change: number}[]} the largest change first
 */
export function changes(before, after) {
  const names = new Set([...before.keys(), ...after.keys()]);
  return [...names]
    .map((name) => {
      const [a, b] = [before.get(name) ?? 0, after.get(name) ?? 0];
      return { name, before: a, after: b, change: b - a };
    })
    .sort((p, q) => Math.abs(q.change) - Math.abs(p.change));
}

/**
 * @param {{name: string, before: number, after: number, change: number}[]} rows
 * @param {string} heading of the first column
 */
export function formatChanges(rows, heading) {
  const width = Math.min(60, Math.max(heading.length, ...rows.map(({ name }) => name.length)));
  const line = (name, ...cells) =>
    `${name.length > width ? `${name.slice(0, width - 2)}..` : name.padEnd(width)}${cells.map((cell) => cell.padStart(11)).join('')}\n`;
  const figure = (value) => (value === 0 ? '0' : value.toPrecision(3));
  return (
    line(heading, 'before', 'after', 'change', 'ratio') +
    rows
      .map(({ name, before, after, change }) =>
        line(
          name,
          figure(before),
          figure(after),
          `${change > 0 ? '+' : ''}${figure(change)}`,
          before > 0 ? `${(after / before).toFixed(2)}x` : '-',
        ),
      )
      .join('')
  );
}

/** By stage of the tunnel, in the order of a packet's way. */
export function stageChanges(before, after) {
  const [a, b] = [before, after].map(stageWeights);
  return STAGES.filter((name) => !OUTSIDE.has(name)).map((name) => ({
    name,
    before: a[name],
    after: b[name],
    change: b[name] - a[name],
  }));
}
