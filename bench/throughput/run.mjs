#!/usr/bin/env node
/**
 * bench/throughput: WireGuard implementations against one another between two network namespaces,
 * alternating round by round so that a slow minute of the machine hits all of them.
 *
 *   options -> candidates -> for each mode, round, candidate: a Session, each test -> samples
 *           -> summary (table, JSON) -> report (HTML)
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus, loadavg, release, totalmem } from 'node:os';
import { dirname } from 'node:path';
import { builtInCandidate, Session, TUNNEL_MTU } from './candidates.mjs';
import { run, stopAll, succeeds } from './command.mjs';
import { haveLxc } from './container.mjs';
import { BenchError } from './errors.mjs';
import { canCountCycles, LOSSLESS_RATIO, TESTS } from './measurements.mjs';
import { parseOptions, USAGE } from './options.mjs';
import { renderReport } from './report.mjs';
import { formatTable, summarise } from './summary.mjs';
import { destroyTopology, removeStaleTopologies, WIRE_MTU } from './topology.mjs';

const ATTEMPTS = 2;
/** Cores busy with something else at the start from which the figures are called disturbed. */
const DISTURBING_LOAD = 0.5;
let interrupted = false;
const progress = (text) => process.stderr.write(`${text}\n`);

async function checkMachine(options) {
  if (process.getuid() !== 0) throw new BenchError('needs root, for network namespaces');
  for (const [tool, probe, debianPackage] of [
    ['ip', ['ip', '-V'], 'iproute2'],
    ['ethtool', ['ethtool', '--version'], 'ethtool'],
    ['iperf3', ['iperf3', '--version'], 'iperf3'],
    ['ping', ['ping', '-V'], 'iputils-ping'],
    ['wg', ['wg', '--version'], 'wireguard-tools'],
  ]) {
    if (!(await succeeds(probe))) {
      throw new BenchError(`no ${tool}: apt-get install --no-install-recommends ${debianPackage}`);
    }
  }
  if (options.lxc && !(await haveLxc())) throw new BenchError('--lxc: no lxc-start here');
  const file = '/proc/sys/net/ipv4/tcp_available_congestion_control';
  const available = readFileSync(file, 'utf8').trim().split(' ');
  for (const name of options.congestion) {
    if (!available.includes(name)) throw new BenchError(`--cc ${name}: kernel has ${available}`);
  }
}

async function findCandidates(options) {
  const all = [...(await Promise.all(options.builtIn.map(builtInCandidate))), ...options.added];
  for (const { name, missing } of all) if (missing) progress(`skipping ${name}: ${missing}`);
  return { usable: all.filter(({ missing }) => !missing), all };
}

/**
 * All tests of one candidate on a fresh wire. A test that fails is tried once more, in a fresh
 * session if the candidate has died of it; then it is recorded as failed and the rest goes on.
 */
async function runSession(candidate, mode, conditions, options, record) {
  let session = null;
  const plan = options.tests.flatMap((test) =>
    TESTS[test].perCongestion
      ? options.congestion.map((congestion) => ({ test, congestion }))
      : [{ test, congestion: null }],
  );
  try {
    for (const { test, congestion } of plan) {
      for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
        if (interrupted) throw new BenchError('interrupted');
        try {
          if (!session) {
            session = new Session(candidate, mode, options);
            await session.start();
          }
          const figures = await TESTS[test].run(session, { ...conditions, congestion });
          record.samples(figures, congestion);
          break;
        } catch (error) {
          if (interrupted || !(error instanceof BenchError)) throw error;
          progress(`    ${test}: ${error.message}`);
          if (attempt === ATTEMPTS) record.failure(test, error.message);
          await session.stop();
          session = null;
        }
      }
    }
  } finally {
    await session?.stop();
  }
}

async function measure(options, candidates, conditions) {
  const samples = [];
  const failures = [];
  for (const mode of options.modes) {
    for (let round = 1; round <= options.rounds; round++) {
      // Another one goes first in each round: no candidate always follows the same one.
      const shift = (round - 1) % candidates.length;
      for (const candidate of [...candidates.slice(shift), ...candidates.slice(0, shift)]) {
        progress(`veth ${mode}, round ${round}/${options.rounds}: ${candidate.name}`);
        const where = { round, mode, candidate: candidate.name };
        await runSession(candidate, mode, conditions, options, {
          samples: (figures, congestion) => {
            for (const [metric, value] of Object.entries(figures)) {
              samples.push({ ...where, congestion, metric, value });
            }
          },
          failure: (test, reason) => failures.push({ ...where, test, reason }),
        });
      }
    }
  }
  return { samples, failures };
}

async function describeMachine() {
  return {
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: cpus().length,
    memoryMb: Math.round(totalmem() / 1e6),
    kernel: release(),
    iperf3: (await run(['iperf3', '--version'])).split('\n')[0].trim(),
  };
}

function notes(options, conditions, loadBefore) {
  const congestion = options.congestion.join(', ');
  const lines = [
    `veth MTU ${WIRE_MTU}, inner MTU ${TUNNEL_MTU}, ${options.rounds} rounds of ${options.seconds} s, iperf3 -C ${congestion}; "plain" is the wire without a tunnel.`,
    'Both ends, iperf3 and ping share the cores of one machine.',
  ];
  if (options.lxc) lines.push('The implementations ran in LXC containers.');
  if (!conditions.cycles && options.tests.includes('tcp')) {
    lines.push(
      'This machine counts no cycles (perf stat -e cycles: not supported): CPU time per byte from /proc/stat stands in; it includes whatever else ran.',
    );
  }
  if (options.tests.some((test) => test.endsWith('-lossless'))) {
    lines.push(`"lossless": at most ${100 * LOSSLESS_RATIO} % of the datagrams lost.`);
  }
  if (loadBefore > DISTURBING_LOAD) {
    lines.push(`Something else ran at the start: the load average was ${loadBefore.toFixed(2)}.`);
  }
  return lines;
}

function writeFile(path, text) {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
  progress(`wrote ${path}`);
}

async function main() {
  const options = parseOptions(process.argv.slice(2));
  if (options.help) {
    process.stdout.write(USAGE);
    return 0;
  }
  await checkMachine(options);
  await removeStaleTopologies();
  const { usable, all } = await findCandidates(options);
  if (usable.length === 0) throw new BenchError('no candidate can run here');
  const loadBefore = loadavg()[0];
  const conditions = { seconds: options.seconds, cycles: await canCountCycles() };
  const startedAt = new Date().toISOString();
  const { samples, failures } = await measure(options, usable, conditions);
  const names = usable.map(({ name }) => name);
  const result = {
    startedAt,
    machine: await describeMachine(),
    notes: notes(options, conditions, loadBefore),
    baseline: options.baseline,
    options: {
      rounds: options.rounds,
      seconds: options.seconds,
      modes: options.modes,
      lxc: options.lxc,
    },
    candidates: all,
    summary: summarise(samples, options.baseline),
    failures,
    samples,
  };
  const { machine } = result;
  process.stdout.write(`${machine.cpu}, ${machine.cores} cores, Linux ${machine.kernel}\n`);
  for (const line of result.notes) process.stdout.write(`${line}\n`);
  process.stdout.write(`${formatTable(result.summary, names, options.baseline)}\n`);
  for (const { candidate, mode, round, test, reason } of failures) {
    process.stdout.write(`failed: ${candidate}, ${mode}, round ${round}, ${test}: ${reason}\n`);
  }
  if (options.json) writeFile(options.json, `${JSON.stringify(result, null, 1)}\n`);
  if (options.html) writeFile(options.html, renderReport(result));
  return failures.length > 0 || samples.length === 0 ? 1 : 0;
}

// What runs is stopped; the measurement that waits for it then fails, and everything is undone.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  process.on(signal, () => {
    interrupted = true;
    void stopAll();
  });
}

try {
  process.exitCode = await main();
} catch (error) {
  if (!(error instanceof BenchError)) throw error;
  process.stderr.write(`bench/throughput: ${interrupted ? 'interrupted' : error.message}\n`);
  process.exitCode = interrupted ? 130 : 2;
} finally {
  await stopAll();
  await destroyTopology();
}
