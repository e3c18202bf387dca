#!/usr/bin/env node
/**
 * bench/throughput: WireGuard implementations against one another between two network namespaces,
 * alternating round by round so that a slow minute of the machine hits all of them.
 *
 *   options -> candidates -> for each mode, round, candidate: a Session, each test -> samples
 *           -> summary (table, JSON) -> report (HTML)
 */
import { readFileSync } from 'node:fs';
import { loadavg } from 'node:os';
import * as host from '../machine.mjs';
import { builtInCandidate } from './candidates.mjs';
import { run, succeeds } from './command.mjs';
import { haveLxc } from './container.mjs';
import { BenchError } from './errors.mjs';
import { formatGoals, goalRows } from './goals.mjs';
import { interrupted, runBenchmark } from './life.mjs';
import { LOSSLESS_PRECISION, LOSSLESS_RATIO } from './lossless.mjs';
import { canCountCycles, TESTS } from './measurements.mjs';
import { parseOptions, USAGE } from './options.mjs';
import { renderReport } from './report.mjs';
import { Session, TUNNEL_MTU } from './session.mjs';
import { formatTable, summarise } from './summary.mjs';
import { removeStaleTopologies, WIRE_MTU } from './topology.mjs';
import { udpLoadProgram } from './udp-load.mjs';

const ATTEMPTS = 2;
/** Cores busy with something else at the start from which the figures are called disturbed. */
const DISTURBING_LOAD = 0.5;
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
  if (options.plan.some(({ tests }) => tests.some((test) => test.startsWith('udp')))) {
    await udpLoadProgram();
  }
}

async function findCandidates(options) {
  const all = [...(await Promise.all(options.builtIn.map(builtInCandidate))), ...options.added];
  for (const candidate of all) {
    if (options.lxc && candidate.kind === 'script') candidate.missing = 'a script, with --lxc';
  }
  for (const { name, missing } of all) if (missing) progress(`skipping ${name}: ${missing}`);
  return { usable: all.filter(({ missing }) => !missing), all };
}

/**
 * All tests of one candidate on a fresh wire. A test that fails is tried once more, in a fresh
 * session if the candidate has died of it; then it is recorded as failed and the rest goes on.
 */
async function runSession(candidate, { mode, tests }, conditions, options, record) {
  let session = null;
  const plan = tests.flatMap((test) =>
    TESTS[test].perCongestion
      ? options.congestion.map((congestion) => ({ test, congestion }))
      : [{ test, congestion: null }],
  );
  try {
    for (const { test, congestion } of plan) {
      for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
        if (interrupted()) throw new BenchError('interrupted');
        try {
          if (!session) {
            session = new Session(candidate, mode, options);
            await session.start();
          }
          const figures = await TESTS[test].run(session, { ...conditions, congestion });
          record.samples(figures, congestion);
          break;
        } catch (error) {
          if (interrupted() || !(error instanceof BenchError)) throw error;
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
  for (let round = 1; round <= options.rounds; round++) {
    // Another one goes first in each round: no candidate always follows the same one.
    const shift = (round - 1) % candidates.length;
    for (const step of options.plan) {
      const { mode } = step;
      for (const candidate of [...candidates.slice(shift), ...candidates.slice(0, shift)]) {
        progress(`round ${round}/${options.rounds}, veth ${mode}: ${candidate.name}`);
        const where = { round, mode, candidate: candidate.name };
        await runSession(candidate, step, conditions, options, {
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
  const iperf3 = (await run(['iperf3', '--version'])).split('\n')[0].trim();
  return { ...host.machine(), iperf3 };
}

function notes(options, conditions, loadBefore) {
  const congestion = options.congestion.join(', ');
  const lines = [
    `veth MTU ${WIRE_MTU}, inner MTU ${TUNNEL_MTU}, ${options.rounds} rounds of ${options.seconds} s, iperf3 -C ${congestion}; "plain" is the wire without a tunnel.`,
    'Both ends, iperf3 and ping share the cores of one machine.',
  ];
  if (options.lxc) lines.push('The implementations ran in LXC containers.');
  const tests = options.plan.flatMap((step) => step.tests);
  if (!conditions.cycles && tests.includes('tcp')) {
    lines.push(
      'This machine counts no cycles (perf stat -e cycles: not supported): CPU time of the machine per byte stands in, from /proc, less that of unrelated processes.',
    );
  }
  if (tests.some((test) => test.startsWith('udp'))) {
    lines.push(
      'UDP: payload sizes; udp_load, one datagram at a time for the kernel, counted by the receiver; a flood is as fast as one core sends.',
    );
  }
  if (tests.some((test) => test.endsWith('-lossless'))) {
    lines.push(
      `Lossless: at most ${100 * LOSSLESS_RATIO} % lost in 2 s, evenly paced, in one of two tries; found to a factor of ${LOSSLESS_PRECISION}.`,
    );
  }
  if (loadBefore > DISTURBING_LOAD) {
    lines.push(`Something else ran at the start: the load average was ${loadBefore.toFixed(2)}.`);
  }
  return lines;
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
      preset: options.preset,
      rounds: options.rounds,
      seconds: options.seconds,
      plan: options.plan,
      lxc: options.lxc,
    },
    candidates: all,
    summary: summarise(samples, options.baseline),
    failures,
    samples,
  };
  if (options.preset === 'goals') result.goals = goalRows(result.summary);
  const { machine } = result;
  process.stdout.write(`${machine.cpu}, ${machine.cores} cores, Linux ${machine.kernel}\n`);
  for (const line of result.notes) process.stdout.write(`${line}\n`);
  process.stdout.write(`${formatTable(result.summary, names, options.baseline)}\n`);
  if (result.goals) process.stdout.write(`\n${formatGoals(result.goals)}\n`);
  for (const { candidate, mode, round, test, reason } of failures) {
    process.stdout.write(`failed: ${candidate}, ${mode}, round ${round}, ${test}: ${reason}\n`);
  }
  if (options.json) host.writeJson(options.json, result);
  if (options.html) host.writeText(options.html, renderReport(result));
  return failures.length > 0 || samples.length === 0 ? 1 : 0;
}

await runBenchmark('bench/throughput', main);
