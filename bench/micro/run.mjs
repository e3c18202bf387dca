#!/usr/bin/env node
/**
 * Micro-benchmarks of the TypeScript parts, on one core, against the compiled dist/.
 * usage: node bench/micro/run.mjs [--seconds S] [--json FILE] [PART...]
 */
import { existsSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { Bench } from 'tinybench';
import { machine, writeJson } from '../machine.mjs';

const PARTS = ['handshake', 'codecs', 'uapi'];

function parse() {
  const { values, positionals } = parseArgs({
    options: { seconds: { type: 'string', default: '1' }, json: { type: 'string' } },
    allowPositionals: true,
  });
  const unknown = positionals.filter((part) => !PARTS.includes(part));
  if (unknown.length > 0 || !(Number(values.seconds) > 0)) {
    process.stderr.write(
      `usage: bench/micro/run.mjs [--seconds S] [--json FILE] [${PARTS.join('|')}]...\n`,
    );
    process.exit(2);
  }
  return { ...values, parts: positionals.length > 0 ? positionals : PARTS };
}

const options = parse();
if (!existsSync(new URL('../../dist/wg/device.js', import.meta.url))) {
  process.stderr.write('bench/micro: no dist/ here: run `npm run build:ts` first\n');
  process.exit(2);
}

const rows = [];
for (const part of options.parts) {
  const bench = new Bench({
    time: Number(options.seconds) * 1000,
    iterations: 10,
    warmupTime: 200,
    warmupIterations: 3,
  });
  const { addTasks } = await import(`./${part}.mjs`);
  await addTasks(bench);
  await bench.run();
  for (const { name, result } of bench.tasks) {
    if (result?.state !== 'completed') {
      process.stderr.write(`bench/micro: ${name}: ${result?.error ?? result?.state}\n`);
      process.exitCode = 1;
      continue;
    }
    const { latency, throughput } = result;
    rows.push({
      part,
      name,
      medianUs: latency.p50 * 1000,
      p99Us: latency.p99 * 1000,
      perSecond: throughput.p50,
      samples: latency.samplesCount,
    });
  }
}

const number = (value) => value.toLocaleString('en', { maximumSignificantDigits: 4 });
console.table(
  rows.map(({ part, name, medianUs, p99Us, perSecond, samples }) => ({
    part,
    name,
    'median us': number(medianUs),
    'p99 us': number(p99Us),
    'per second': number(perSecond),
    samples,
  })),
);
if (options.json) writeJson(options.json, { machine: machine(), rows });
