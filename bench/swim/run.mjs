#!/usr/bin/env node
/** Compiles the simulator and the measurements into build-swim/, then runs them: see main.ts for the options. */
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));
execFileSync('node_modules/.bin/tsc', ['-p', 'bench/swim/tsconfig.json'], {
  cwd: root,
  stdio: 'inherit',
});
await import('../../build-swim/bench/swim/main.js');
