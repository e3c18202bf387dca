#!/usr/bin/env node
/**
 * The table of what a bond promises: the scenarios of native/sim around the production bond, in virtual time, and, where
 * bench/bond/real has been run, the same with real kernels.
 *
 * usage: bench/bond/run.mjs [--preset quick|full] [--seeds N] [--row N[,N...]] [--json FILE] [--html FILE] [--real FILE]
 */
import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { parseArgs, promisify } from 'node:util';
import { machine, writeJson } from '../machine.mjs';
import { buildBenchmarks } from '../native/build.mjs';
import { renderReport } from './report.mjs';
import { mergeRuns } from './results.mjs';

const USAGE =
  'usage: bench/bond/run.mjs [--preset quick|full] [--seeds N] [--row N[,N...]] [--json FILE] [--html FILE] [--real FILE]\n';
/** The simulator's output holds every series. */
const MAX_OUTPUT_BYTES = 512 * 1024 * 1024;

function parse() {
  try {
    const { values } = parseArgs({
      options: {
        preset: { type: 'string', default: 'full' },
        seeds: { type: 'string', default: '3' },
        row: { type: 'string' },
        json: { type: 'string' },
        html: { type: 'string' },
        real: { type: 'string', default: 'bench-results/bond-real.json' },
      },
    });
    const seeds = Number(values.seeds);
    if (['quick', 'full'].includes(values.preset) && Number.isInteger(seeds) && seeds > 0) {
      return { ...values, seeds };
    }
  } catch {
    // An unknown option is answered as a wrong value is.
  }
  process.stderr.write(USAGE);
  process.exit(2);
}

const options = parse();
const program = join(await buildBenchmarks(['bond_sim']), 'bond_sim');
const runs = [];
for (let seed = 1; seed <= options.seeds; seed++) {
  const args = ['--seed', `${seed}`];
  if (options.preset === 'quick') args.push('--quick');
  if (options.row) args.push('--row', options.row);
  const { stdout } = await promisify(execFile)(program, args, { maxBuffer: MAX_OUTPUT_BYTES });
  runs.push(JSON.parse(stdout));
  process.stderr.write(`seed ${seed} of ${options.seeds}\n`);
}

const findings = mergeRuns(runs);
console.table(
  findings.map(({ row, scenario, gateText, figure, worst, met }) => ({
    row,
    scenario,
    gate: gateText,
    median: figure,
    ...(options.seeds > 1 && { worst }),
    met: met ? 'yes' : 'NO',
  })),
);
const missed = findings.filter(({ met }) => !met).length;
console.log(
  `${findings.length - missed} of ${findings.length} gates met, by each of ${options.seeds} seeds`,
);

const result = {
  startedAt: new Date().toISOString(),
  machine: machine(),
  preset: options.preset,
  seeds: options.seeds,
  findings,
  drawings: runs[0].drawings,
  real: existsSync(options.real) ? JSON.parse(readFileSync(options.real, 'utf8')) : null,
};
if (options.json) writeJson(options.json, result);
if (options.html) {
  mkdirSync(dirname(options.html), { recursive: true });
  writeFileSync(options.html, renderReport(result));
}
