#!/usr/bin/env node
/**
 * bench/soak: one implementation at full rate for minutes, through its rekeys, sampled as it runs.
 *
 *   TCP both ways as fast as it goes + a paced stream of numbered datagrams
 *     -> samples (memory, descriptors, bytes, drops, handshakes) -> verdict -> text, JSON, HTML
 */
import { readdirSync } from 'node:fs';
import { parseArgs } from 'node:util';
import * as host from '../machine.mjs';
import { BUILT_IN_NAMES, builtInCandidate, parseCandidate } from '../throughput/candidates.mjs';
import { run, sleep } from '../throughput/command.mjs';
import { BenchError } from '../throughput/errors.mjs';
import { runBenchmark } from '../throughput/life.mjs';
import { startIperf } from '../throughput/measurements.mjs';
import { checkIperfStopped } from '../throughput/parse.mjs';
import { memory } from '../throughput/processes.mjs';
import { Session } from '../throughput/session.mjs';
import { inside, removeStaleTopologies, VETH_MODES } from '../throughput/topology.mjs';
import { startDatagrams, udpLoadProgram } from '../throughput/udp-load.mjs';
import { readCounters, readInterface, readSocketDrops } from './observe.mjs';
import { renderSoak } from './report.mjs';
import { judge } from './verdict.mjs';

const DATAGRAM_BYTES = 64;
const SAMPLES = 120;
const MIN_INTERVAL_MS = 500;
const HANDSHAKE_INTERVAL_MS = 5000;
/** The load must not end before the stream; it is stopped with it. */
const LOAD_OUTLASTS_SECONDS = 60;
const CONGESTION = 'cubic';

const USAGE = `usage: sudo bench/soak/run.mjs [options]

  --seconds S             how long (default 600); 60 makes a short check, 130 contains a rekey
  --candidate NAME        ${BUILT_IN_NAMES.join(',')} (default weft), or a form of bench/throughput
  --load tcp|none         tcp (default): four streams each way at full rate; none: only the stream
                          of datagrams, so that any loss at a rekey is the rekey's
  --pps N                 rate of that stream (default 2000; 20000 without load)
  --mode offloads|wire|wire-gro
                          veth, as in bench/throughput
  --json FILE             write samples and verdict
  --html FILE             write the report with charts
`;

function parseOptions(argv) {
  const string = { type: 'string' };
  let values;
  try {
    ({ values } = parseArgs({
      args: argv,
      options: {
        seconds: { ...string, default: '600' },
        candidate: { ...string, default: 'weft' },
        load: { ...string, default: 'tcp' },
        pps: string,
        mode: { ...string, default: 'offloads' },
        json: string,
        html: string,
        help: { type: 'boolean', short: 'h' },
      },
    }));
  } catch (error) {
    throw new BenchError(error.message);
  }
  const { load, mode } = values;
  const seconds = Number(values.seconds);
  const pps = Number(values.pps ?? (load === 'none' ? 20_000 : 2000));
  if (!(seconds >= 60 && seconds <= 86_400)) throw new BenchError('--seconds: want 60 to 86400');
  if (!(pps >= 100 && pps <= 100_000)) throw new BenchError('--pps: want 100 to 100000');
  if (!['tcp', 'none'].includes(load)) throw new BenchError('--load: want tcp or none');
  if (!VETH_MODES.includes(mode)) throw new BenchError(`--mode: want ${VETH_MODES.join(' or ')}`);
  return { ...values, seconds, pps };
}

async function findCandidate(text) {
  const builtIn = BUILT_IN_NAMES.includes(text);
  const candidate = builtIn ? await builtInCandidate(text) : parseCandidate(text);
  if (candidate.missing) throw new BenchError(`${text}: ${candidate.missing}`);
  return candidate;
}

const openDescriptors = (pid) => {
  try {
    return readdirSync(`/proc/${pid}/fd`).length;
  } catch {
    return 0;
  }
};

/** Wall clock of the newest handshake, ms; 0 where none is known. */
async function lastHandshakeMs({ candidate, a }) {
  if (candidate.kind === 'plain' || candidate.kind === 'script') return 0;
  const argv = inside(a.netns, ['wg', 'show', a.interfaceName, 'latest-handshakes']);
  return 1000 * Number((await run(argv)).trim().split(/\s+/)[1] ?? 0);
}

/** @returns {Promise<import('./verdict.mjs').Sample>} */
async function sample(session, pidsByEnd, startedMs, handshakeMs) {
  const ends = [session.a, session.b];
  const interfaces = await Promise.all(ends.map(readInterface));
  const sum = (pick) => interfaces.reduce((total, each) => total + pick(each), 0);
  return {
    seconds: (performance.now() - startedMs) / 1000,
    ends: pidsByEnd.map((pids) => ({
      rssMb: memory(pids).residentMb,
      fds: pids.reduce((total, pid) => total + openDescriptors(pid), 0),
    })),
    bytes: sum(({ rxBytes }) => rxBytes),
    tunDropped: sum(({ txDropped }) => txDropped),
    socketDropped: pidsByEnd.reduce((total, pids) => total + readSocketDrops(pids[0]), 0),
    handshakeMs,
  };
}

async function soak(session, { seconds, load, pps }, progress) {
  const pidsByEnd = session.pidsByEnd();
  const startedMs = performance.now();
  const startedAtMs = Date.now();
  const tcp =
    load === 'tcp'
      ? await startIperf(session, seconds + LOAD_OUTLASTS_SECONDS, [
          '-C',
          CONGESTION,
          '-P',
          '4',
          '--bidir',
        ])
      : null;
  const datagrams = await startDatagrams(session, { size: DATAGRAM_BYTES, seconds, pps });
  const intervalMs = Math.max(MIN_INTERVAL_MS, (seconds * 1000) / SAMPLES);
  const samples = [];
  let askedMs = -Infinity;
  let handshakeMs = 0;
  while (!datagrams.sender.ended) {
    // A question to the control plane costs it memory, which would look like growth.
    if (performance.now() - askedMs > HANDSHAKE_INTERVAL_MS) {
      askedMs = performance.now();
      handshakeMs = await lastHandshakeMs(session);
    }
    samples.push(await sample(session, pidsByEnd, startedMs, handshakeMs));
    session.checkAlive();
    if (tcp?.client.ended && !datagrams.sender.ended) {
      throw new BenchError(`iperf3 ended early: ${tcp.client.complaint()}`);
    }
    progress(samples);
    await Promise.race([sleep(intervalMs), datagrams.sender.exit]);
  }
  const stream = await datagrams.finish();
  if (tcp) {
    tcp.client.signal('SIGTERM');
    checkIperfStopped(await tcp.finish(), CONGESTION);
  }
  const counters = await Promise.all([session.a, session.b].map(readCounters));
  return { startedAtMs, samples, stream, counters };
}

function printProgress(samples) {
  const { seconds, ends, bytes, tunDropped } = samples.at(-1);
  const before = samples.at(-11) ?? samples[0];
  const gbps = ((bytes - before.bytes) * 8) / (seconds - before.seconds || 1) / 1e9;
  const rss = ends.map(({ rssMb }) => rssMb.toFixed(1)).join(' and ');
  if (samples.length % 10 === 1) {
    const rate = samples.length > 1 ? `${gbps.toFixed(2)} Gbit/s, ` : '';
    process.stderr.write(
      `${seconds.toFixed(0)} s: ${rate}memory ${rss} MB, ${tunDropped} dropped at the TUN\n`,
    );
  }
}

async function main() {
  const options = parseOptions(process.argv.slice(2));
  if (options.help) {
    process.stdout.write(USAGE);
    return 0;
  }
  if (process.getuid() !== 0) throw new BenchError('needs root, for network namespaces');
  await removeStaleTopologies();
  await udpLoadProgram();
  const candidate = await findCandidate(options.candidate);
  const session = new Session(candidate, options.mode, { lxc: false });
  try {
    await session.start();
    const measured = await soak(session, options, printProgress);
    const checks = judge({ ...measured, ...options });
    const { seconds, load, pps, mode } = options;
    const result = {
      machine: host.machine(),
      candidate: { name: candidate.name, version: candidate.version },
      options: { seconds, load, pps, mode, datagramBytes: DATAGRAM_BYTES, congestion: CONGESTION },
      checks,
      ...measured,
    };
    for (const { name, ok, detail } of checks) {
      process.stdout.write(`${ok ? 'ok  ' : 'FAIL'}  ${name}: ${detail}\n`);
    }
    if (options.json) host.writeJson(options.json, result);
    if (options.html) host.writeText(options.html, renderSoak(result));
    return checks.every(({ ok }) => ok) ? 0 : 1;
  } finally {
    await session.stop();
  }
}

await runBenchmark('bench/soak', main);
