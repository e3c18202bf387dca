#!/usr/bin/env node
/**
 * Builds and runs the native micro-benchmarks (native/bench/*_bench.cc), one after another.
 * usage: node bench/native/run.mjs [--json FILE] [NAME...]
 */
import { execFile } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs, promisify } from 'node:util';
import { machine, writeJson } from '../machine.mjs';
import { buildBenchmarks } from './build.mjs';

const NAMES = readdirSync(fileURLToPath(new URL('../../native/bench', import.meta.url)))
  .filter((file) => file.endsWith('_bench.cc'))
  .map((file) => file.slice(0, -'_bench.cc'.length));

function parse() {
  try {
    const options = { json: { type: 'string' } };
    const { values, positionals } = parseArgs({ options, allowPositionals: true });
    if (positionals.every((name) => NAMES.includes(name))) {
      return { json: values.json, names: positionals.length > 0 ? positionals : NAMES };
    }
  } catch {
    // An unknown option is answered as an unknown name is.
  }
  process.stderr.write(`usage: bench/native/run.mjs [--json FILE] [${NAMES.join('|')}]...\n`);
  process.exit(2);
}

const { json, names } = parse();
const targets = names.map((name) => `${name}_bench`);
const directory = await buildBenchmarks(targets);
const rows = [];
for (const target of targets) {
  const { stdout } = await promisify(execFile)(join(directory, target));
  const { results } = JSON.parse(stdout);
  rows.push(...results.map((row) => ({ bench: target.replace('_bench', ''), ...row })));
}

const number = (value) => value.toLocaleString('en', { maximumSignificantDigits: 4 });
console.table(
  rows.map(({ bench, name, unit, median, p10, p90, speedRatio }) => ({
    bench,
    name,
    unit,
    median: number(median),
    'p10 - p90': `${number(p10)} - ${number(p90)}`,
    ...(speedRatio && { 'speed ratio': speedRatio.toFixed(2) }),
  })),
);
if (json) writeJson(json, { machine: machine(), rows });
