// The command: runs what the result does not hold yet, saves after each, renders the report.

import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { dirname } from 'node:path';
import { parseArgs } from 'node:util';
import { type Preset, planOf } from './plan.js';
import { renderReport } from './report.js';
import type { Report } from './results.js';

const USAGE = `usage: bench/swim/run.mjs [--preset quick|full] [--only PREFIX] [--out PATH] [--fresh]
  --preset  quick: minutes (default); full: hours
  --only    measurements whose name begins with these words, such as "false-alarms 100"
  --out     PATH.json and PATH.html; default bench-results/swim. Results that are there are kept
  --fresh   measure them again
`;

const { values } = parseArgs({
  options: {
    preset: { type: 'string', default: 'quick' },
    only: { type: 'string', default: '' },
    out: { type: 'string', default: 'bench-results/swim' },
    fresh: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});
if (values.help || !['quick', 'full'].includes(values.preset)) {
  process.stderr.write(USAGE);
  process.exit(values.help ? 0 : 2);
}

const json = `${values.out}.json`;
const report: Report = existsSync(json)
  ? JSON.parse(readFileSync(json, 'utf8'))
  : { startedAt: new Date().toISOString(), cpu: '', node: '', results: {} };
report.cpu = cpus()[0]?.model ?? 'unknown';
report.node = process.version;

function save(path: string, text: string): void {
  writeFileSync(`${path}.new`, text);
  renameSync(`${path}.new`, path);
}

mkdirSync(dirname(json), { recursive: true });
for (const { name, run } of await planOf(values.preset as Preset)) {
  if (values.only !== '' && !`${name} `.startsWith(`${values.only} `)) continue;
  if (report.results[name] !== undefined && !values.fresh) continue;
  const startedMs = performance.now();
  const keep = (result: unknown) => {
    const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
    process.stdout.write(`${name}  (${seconds} s)\n  ${JSON.stringify(result)}\n`);
    report.results[name] = result;
    save(json, `${JSON.stringify(report, null, 1)}\n`);
  };
  keep(run(keep));
}
save(`${values.out}.html`, renderReport(report));
process.stdout.write(`${values.out}.html\n`);
