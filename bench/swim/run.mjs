#!/usr/bin/env node
/**
 * Compiles the simulator and the measurements into build-swim/, then runs them: see main.ts for the options.
 *
 * The simulator makes millions of short-lived objects and buffers: a large young generation that one thread collects, and a
 * heap that is not given back to the system between them, save a third of its CPU.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));
const COLLECTOR = ['--single-threaded-gc', '--min-semi-space-size=64', '--max-semi-space-size=64'];
const HEAP = { MALLOC_TRIM_THRESHOLD_: String(2 ** 31 - 1), MALLOC_TOP_PAD_: String(64 * 2 ** 20) };

execFileSync('node_modules/.bin/tsc', ['-p', 'bench/swim/tsconfig.json'], {
  cwd: root,
  stdio: 'inherit',
});
const main = `${root}build-swim/bench/swim/main.js`;
const { status } = spawnSync(process.execPath, [...COLLECTOR, main, ...process.argv.slice(2)], {
  env: { ...process.env, ...HEAP },
  stdio: 'inherit',
});
process.exit(status ?? 1);
