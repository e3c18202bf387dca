#!/usr/bin/env node
/**
 * bench/bond, the real part: agents in network namespaces with uplinks that a relay impairs, and the kernel's TCP through
 * the bond. Each scenario's base is weft without a bond on each of its links alone, measured in the same run.
 *
 *   scenarios -> Scene (relay, agents) -> load -> judge -> table, JSON with the course of each scenario
 */
import { parseArgs } from 'node:util';
import { machine, writeText } from '../machine.mjs';
import { BenchError } from '../throughput/errors.mjs';
import { interrupted, runBenchmark } from '../throughput/life.mjs';
import { CALL_PPS, INTERVAL_S, mean, runLoad } from './real/load.mjs';
import { describeLink, ONE_PATH, SCENARIOS } from './real/scenarios.mjs';
import { Scene } from './real/scene.mjs';

const USAGE = `usage: sudo bench/bond/real.mjs [options]

  --rows 1,2,...     of the table (default: all of 1-4, 8, 9, 13, 21, 24)
  --only TEXT        scenarios whose name contains this
  --rounds N         of each scenario; the median counts (default 1)
  --json FILE        figures and courses (default bench-results/bond-real.json)
`;
const BASE_S = 14;
const BASE_FROM_S = 6;
const LATE_MS = 2;
const progress = (text) => process.stderr.write(`${text}\n`);

function readOptions() {
  try {
    const { values } = parseArgs({
      options: {
        rows: { type: 'string' },
        only: { type: 'string' },
        rounds: { type: 'string', default: '1' },
        json: { type: 'string', default: 'bench-results/bond-real.json' },
      },
    });
    return { ...values, rows: values.rows?.split(','), rounds: Number(values.rounds) };
  } catch (error) {
    throw new BenchError(`${error.message}\n${USAGE}`);
  }
}

async function inScene(options, use) {
  const scene = await Scene.open(options);
  try {
    return await use(scene);
  } finally {
    await scene.close();
  }
}

/** @type {Map<string, number>} goodput of a link alone, by link and congestion control */
const singles = new Map();

async function single(link, congestion) {
  const key = JSON.stringify([link, congestion]);
  if (!singles.has(key)) {
    const { goodput } = await inScene({ links: [link], bond: false }, (scene) =>
      runLoad(scene, { seconds: BASE_S, congestion }),
    );
    const value = mean(goodput, BASE_FROM_S, BASE_S);
    progress(`  alone: ${describeLink(link)}, ${congestion}: ${value.toFixed(1)} Mbit/s`);
    singles.set(key, value);
  }
  return singles.get(key);
}

/** A busy machine makes the relay late, which impairs what nobody meant to. */
function lateness({ packets, late, worstMs }) {
  if (worstMs < LATE_MS) return '';
  const share = ((late / Math.max(1, packets)) * 100).toFixed(2);
  return `; the relay was late with ${share} % of packets, ${worstMs.toFixed(0)} ms at worst`;
}

async function runScenario({ row, name, gate, links, load, judge }, rounds) {
  const alone = [];
  for (const link of links) alone.push(await single(link, load.congestion));
  const base = { singles: alone, best: Math.max(...alone) };
  const results = [];
  for (let round = 0; round < rounds; round++) {
    const course = await inScene({ links, bond: true, seed: round + 1 }, (scene) =>
      runLoad(scene, load),
    );
    const verdict = judge(course, { links, base, seconds: load.seconds });
    results.push({ course, ...verdict, figure: verdict.figure + lateness(course.relayLate) });
  }
  results.sort((a, b) => a.value - b.value);
  const { course, ...verdict } = results[Math.floor((rounds - 1) / 2)];
  return {
    row,
    scenario: name,
    gate,
    ...verdict,
    values: results.map(({ value }) => Number(value.toFixed(3))),
    base: Number(base.best.toFixed(1)),
    call: course.call,
    relayLate: course.relayLate,
    ...drawn(course),
  };
}

/** For the report: throughput and, where there was a call, its delay. */
function drawn({ goodput, uplinks, delay, marks }) {
  const values = (points) => points.map(({ value }) => Number(value.toFixed(2)));
  const events = marks.map(({ t, label }) => [t, label]);
  const lines = [
    { name: 'stream, received', values: values(goodput) },
    ...uplinks.map((points, i) => ({ name: `up${i}, IP`, values: values(points) })),
  ];
  const throughput = { stepS: INTERVAL_S, unit: 'Mbit/s', lines, marks: events };
  const call = { name: 'call, one way', values: values(delay) };
  const delays = { stepS: 1 / CALL_PPS, unit: 'ms', lines: [call], marks: events };
  return { series: throughput, delays: delay.length > 0 ? delays : null };
}

/** With and without a bond in turn, so that a slow minute hits both. */
async function runOnePath({ row, link, rounds, seconds, congestion }) {
  const rates = { on: [], off: [] };
  for (let round = 0; round < rounds; round++) {
    for (const bond of round % 2 === 0 ? [true, false] : [false, true]) {
      const { goodput } = await inScene({ links: [link], bond }, (scene) =>
        runLoad(scene, { seconds, congestion }),
      );
      rates[bond ? 'on' : 'off'].push(mean(goodput, 1, seconds));
    }
  }
  const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];
  const base = median(rates.off);
  const value = median(rates.on) / base;
  return {
    row,
    scenario: `one path, unlimited, ${congestion}`,
    gate: 'within noise (7 %) of no bond',
    figure: `${(value * 100).toFixed(1)} % of no bond: ${rates.on.map((x) => x.toFixed(0))} against ${rates.off.map((x) => x.toFixed(0))} Mbit/s`,
    value,
    met: value >= 0.93,
    base,
    series: null,
  };
}

async function guarded(what, measure) {
  progress(what);
  try {
    const result = await measure();
    progress(`  ${result.met ? 'met' : 'NOT MET'}: ${result.figure}`);
    return result;
  } catch (error) {
    if (!(error instanceof BenchError) || interrupted()) throw error;
    progress(`  failed: ${error.message}`);
    return {
      figure: `failed: ${error.message}`,
      value: null,
      met: false,
      base: null,
      series: null,
    };
  }
}

async function main() {
  const { rows, only, rounds, json } = readOptions();
  if (process.getuid() !== 0) throw new BenchError('needs root, for network namespaces');
  const wanted = ({ row, name }) =>
    (rows === undefined || rows.includes(row)) && (only === undefined || name.includes(only));
  const results = [];
  const at = new Date().toISOString();
  // after each: a run of half an hour that is ended early has something to show
  const add = (result) => {
    results.push(result);
    writeText(json, `${JSON.stringify({ machine: machine(), at, findings: results })}\n`);
  };
  for (const scenario of SCENARIOS.filter(wanted)) {
    const { row, name, gate } = scenario;
    const result = await guarded(`row ${row}: ${name}`, () => runScenario(scenario, rounds));
    add({ row, scenario: name, gate, ...result });
  }
  if (wanted({ row: ONE_PATH.row, name: 'one path' })) {
    const result = await guarded(`row ${ONE_PATH.row}: one path`, () => runOnePath(ONE_PATH));
    add({ row: ONE_PATH.row, scenario: 'one path', gate: '', ...result });
  }
  for (const { row, scenario, gate, figure, base, met } of results) {
    const best = base === null ? '' : `  (best single ${base.toFixed(1)} Mbit/s)`;
    console.log(
      `${met ? 'met ' : 'FAIL'} ${row.padEnd(3)} ${scenario}: ${figure}${best}; gate ${gate}`,
    );
  }
  return results.every(({ met }) => met) ? 0 : 1;
}

await runBenchmark('bench/bond/real', main);
