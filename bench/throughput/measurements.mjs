/**
 * The measurements. Each takes a running session and returns its figures: metric name -> value.
 * Traffic goes from end A to end B, except where it says reverse.
 */
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { Child, readProc, run, scratch, sleep, waitFor } from './command.mjs';
import { BenchError } from './errors.mjs';
import { parseIperfTcp, parseIperfUdp, parsePerfCycles, parsePing } from './parse.mjs';
import { cpuTimeNs, machineBusyNs, memory } from './processes.mjs';
import { inside } from './topology.mjs';

const IPERF_PORT = 5201;
/** Beyond a test's own length: connecting, and the exchange of results over a full tunnel. */
const IPERF_SLACK_MS = 15_000;
/** Below 10 ms ping spins between replies, on a core that the tunnel needs. */
const PING_INTERVAL_S = 0.01;
/** It rounds its waits up: in truth a reply every 15-18 ms. */
const PING_SLOWNESS = 2;
const PING_MIN_COUNT = 300;
const LOAD_SETTLE_MS = 500;
/** A rate counts as lossless up to here: the scheduling noise of a shared machine loses a few. */
export const LOSSLESS_RATIO = 0.001;
const LOSSLESS_GROWTH_STEPS = 4;
const LOSSLESS_BISECTION_STEPS = 5;

/**
 * Every metric: how it is shown, and which direction is better. `test` is its name for --tests.
 * `count`: often 0, so that a ratio would say nothing.
 */
export const METRICS = [
  { name: 'tcp', test: 'tcp', unit: 'Gbit/s', better: 'higher', title: 'TCP, 1 stream' },
  {
    name: 'tcp-cycles',
    test: 'tcp',
    unit: 'cycles/B',
    better: 'lower',
    title: '  machine cycles per byte',
  },
  {
    name: 'tcp-cpu-ns',
    test: 'tcp',
    unit: 'ns/B',
    better: 'lower',
    title: '  machine CPU time per byte',
  },
  { name: 'tcp-cpu', test: 'tcp', unit: '% core', better: 'lower', title: '  CPU of both ends' },
  {
    name: 'tcp-retransmits',
    test: 'tcp',
    unit: 'segments',
    better: 'lower',
    title: '  retransmits',
    count: true,
  },
  { name: 'tcp-x4', test: 'tcp-x4', unit: 'Gbit/s', better: 'higher', title: 'TCP, 4 streams' },
  {
    name: 'tcp-reverse',
    test: 'tcp-reverse',
    unit: 'Gbit/s',
    better: 'higher',
    title: 'TCP, 1 stream, reverse',
  },
  { name: 'udp64', test: 'udp64', unit: 'kpps', better: 'higher', title: 'UDP 64 B, delivered' },
  {
    name: 'udp1372',
    test: 'udp1372',
    unit: 'kpps',
    better: 'higher',
    title: 'UDP 1372 B, delivered',
  },
  {
    name: 'udp64-lossless',
    test: 'udp64-lossless',
    unit: 'kpps',
    better: 'higher',
    title: 'UDP 64 B, highest lossless rate',
  },
  {
    name: 'udp1372-lossless',
    test: 'udp1372-lossless',
    unit: 'kpps',
    better: 'higher',
    title: 'UDP 1372 B, highest lossless rate',
  },
  { name: 'ping-avg', test: 'ping', unit: 'ms', better: 'lower', title: 'ping idle, average' },
  { name: 'ping-p99', test: 'ping', unit: 'ms', better: 'lower', title: 'ping idle, p99' },
  {
    name: 'ping-load-p50',
    test: 'ping-load',
    unit: 'ms',
    better: 'lower',
    title: 'ping under 1 TCP stream, p50',
  },
  {
    name: 'ping-load-p99',
    test: 'ping-load',
    unit: 'ms',
    better: 'lower',
    title: 'ping under 1 TCP stream, p99',
  },
  {
    name: 'ping-load-loss',
    test: 'ping-load',
    unit: '%',
    better: 'lower',
    title: '  pings lost',
    count: true,
  },
  {
    name: 'ping-load-x4-p50',
    test: 'ping-load-x4',
    unit: 'ms',
    better: 'lower',
    title: 'ping under 4 TCP streams, p50',
  },
  {
    name: 'ping-load-x4-p99',
    test: 'ping-load-x4',
    unit: 'ms',
    better: 'lower',
    title: 'ping under 4 TCP streams, p99',
  },
  {
    name: 'ping-load-x4-loss',
    test: 'ping-load-x4',
    unit: '%',
    better: 'lower',
    title: '  pings lost',
    count: true,
  },
  {
    name: 'idle-cpu',
    test: 'idle',
    unit: '% core',
    better: 'lower',
    title: 'CPU of one node, idle',
  },
  {
    name: 'memory-peak',
    test: 'memory',
    unit: 'MB',
    better: 'lower',
    title: 'memory of one node, peak (VmHWM)',
  },
  {
    name: 'memory',
    test: 'memory',
    unit: 'MB',
    better: 'lower',
    title: 'memory of one node after load (VmRSS)',
  },
];

/**
 * In the order in which a session runs them. `idle` comes before any load, and `memory` last: it
 * is what the tests before it made the processes need. `perCongestion`: run for each --cc.
 */
export const TESTS = {
  idle: { run: measureIdle },
  ping: { run: measurePing },
  tcp: { run: measureTcp, perCongestion: true },
  'tcp-x4': { run: measureTcpThroughput('tcp-x4', ['-P', '4']), perCongestion: true },
  'tcp-reverse': { run: measureTcpThroughput('tcp-reverse', ['-R']), perCongestion: true },
  udp64: { run: measureUdp('udp64', 64) },
  udp1372: { run: measureUdp('udp1372', 1372) },
  'udp64-lossless': { run: measureLossless('udp64-lossless', 64) },
  'udp1372-lossless': { run: measureLossless('udp1372-lossless', 1372) },
  'ping-load': { run: measurePingUnderLoad('ping-load', 1), perCongestion: true },
  'ping-load-x4': { run: measurePingUnderLoad('ping-load-x4', 4), perCongestion: true },
  memory: { run: measureMemory },
};

/**
 * What a measurement needs to know.
 * @typedef {{seconds: number, congestion: string, cycles: boolean}} Conditions
 *   seconds: length of one test; cycles: `perf stat` can count them here
 */

/** True if `perf stat -a -e cycles` works on this machine. */
export async function canCountCycles() {
  try {
    const output = join(scratch, 'perf-probe');
    await run(['perf', 'stat', '-a', '-x,', '-e', 'cycles', '-o', output, 'sleep', '0.05']);
    return parsePerfCycles(readFileSync(output, 'utf8')) !== null;
  } catch {
    return false;
  }
}

/** Is the iperf3 server listening? Read from its own namespace's table. */
function listens(pid, address) {
  const hex = address
    .split('.')
    .reverse()
    .map((byte) => Number(byte).toString(16).padStart(2, '0'))
    .join('');
  const local = `${hex}:${IPERF_PORT.toString(16)}`.toUpperCase();
  const table = readProc(`/proc/${pid}/net/tcp`) ?? '';
  return table.split('\n').some((line) => line.includes(`: ${local} `) && line.includes(' 0A '));
}

/**
 * One iperf3 run from A to B.
 * @param {readonly string[]} args of the client
 * @param {readonly string[]} [prefix] a command that wraps the client (perf stat)
 * @returns {Promise<string>} the client's JSON
 */
async function iperf(session, seconds, args, prefix = []) {
  const { client, finish } = await startIperf(session, seconds, args, prefix);
  return finish(client);
}

async function startIperf(session, seconds, args, prefix = []) {
  const { a, b } = session;
  const port = ['-p', `${IPERF_PORT}`];
  const server = new Child(inside(b.netns, ['iperf3', '-s', '-1', '-B', b.target, ...port]));
  await waitFor('iperf3 server', 5000, () => {
    if (server.ended) throw new BenchError(`iperf3 server: ${server.complaint()}`);
    return listens(server.pid, b.target);
  });
  const common = ['-J', '-i', '0', '-t', `${seconds}`, '--connect-timeout', '5000'];
  const argv = ['iperf3', '-c', b.target, ...port, ...common, ...args];
  const client = new Child([...prefix, ...inside(a.netns, argv)]);
  const finish = async () => {
    const timer = setTimeout(() => void client.stop(), seconds * 1000 + IPERF_SLACK_MS);
    await client.exit;
    clearTimeout(timer);
    await server.stop();
    session.checkAlive();
    const text = client.stdout();
    const complaint = client.complaint();
    client.removeOutput();
    server.removeOutput();
    if (text.trim() === '') throw new BenchError(`iperf3 client: ${complaint}`);
    return text;
  };
  return { client, finish };
}

async function measureTcp(session, conditions) {
  const { seconds, congestion, cycles } = conditions;
  const perfOutput = join(scratch, 'perf-cycles');
  rmSync(perfOutput, { force: true });
  const perf = cycles ? ['perf', 'stat', '-a', '-x,', '-e', 'cycles', '-o', perfOutput, '--'] : [];
  const before = { own: cpuTimeNs(session.pids()), machine: machineBusyNs() };
  const text = await iperf(session, seconds, ['-C', congestion], perf);
  const after = { own: cpuTimeNs(session.pids()), machine: machineBusyNs() };
  const { bytes, gbps, retransmits } = parseIperfTcp(text, congestion);
  const figures = {
    tcp: gbps,
    'tcp-cpu-ns': (after.machine - before.machine) / bytes,
    'tcp-retransmits': retransmits,
  };
  if (session.processes.length > 0) {
    figures['tcp-cpu'] = (100 * (after.own - before.own)) / (seconds * 1e9);
  }
  if (cycles && existsSync(perfOutput)) {
    const count = parsePerfCycles(readFileSync(perfOutput, 'utf8'));
    if (count !== null) figures['tcp-cycles'] = count / bytes;
  }
  return figures;
}

function measureTcpThroughput(metric, args) {
  return async (session, { seconds, congestion }) => {
    const text = await iperf(session, seconds, ['-C', congestion, ...args]);
    return { [metric]: parseIperfTcp(text, congestion).gbps };
  };
}

const udpArgs = (size, bitsPerSecond) => ['-u', '-l', `${size}`, '-b', `${bitsPerSecond}`];

function measureUdp(metric, size) {
  return async (session, { seconds }) => {
    const result = parseIperfUdp(await iperf(session, seconds, udpArgs(size, 0)));
    return { [metric]: result.deliveredPps / 1000 };
  };
}

/**
 * The highest offered rate of which no more than LOSSLESS_RATIO is lost: from what a flood
 * delivers, up while nothing is lost, then bisection. At most 10 short runs.
 */
function measureLossless(metric, size) {
  return async (session, { seconds }) => {
    const stepSeconds = Math.min(seconds, 2);
    const probe = async (pps) => {
      // Evenly spaced: a burst of a whole millisecond would test buffers, not the rate.
      const args = [...udpArgs(size, Math.round(pps * size * 8)), '--pacing-timer', '100'];
      return parseIperfUdp(await iperf(session, stepSeconds, args));
    };
    const flood = parseIperfUdp(await iperf(session, 1, udpArgs(size, 0)));
    let best = 0;
    let low = 0;
    let high = Infinity;
    let pps = flood.deliveredPps;
    const steps = LOSSLESS_GROWTH_STEPS + LOSSLESS_BISECTION_STEPS;
    for (let step = 0; step < steps; step++) {
      if (high < low * 1.03) break;
      const result = await probe(pps);
      if (result.lossRatio <= LOSSLESS_RATIO) {
        best = Math.max(best, result.deliveredPps);
        // The sender itself is at its limit: no more can be offered.
        if (result.offeredPps < 0.9 * pps) break;
        low = pps;
      } else {
        high = pps;
      }
      if (high === Infinity && step >= LOSSLESS_GROWTH_STEPS) break;
      pps = high === Infinity ? low * 1.4 : (low + high) / 2;
    }
    if (best === 0) throw new BenchError(`${metric}: packets were lost at every rate tried`);
    return { [metric]: best / 1000 };
  };
}

async function ping(session, count, timeoutMs) {
  const { a, b } = session;
  const argv = ['ping', '-n', '-i', `${PING_INTERVAL_S}`, '-c', `${count}`, '-W', '1', b.target];
  return parsePing(await run(inside(a.netns, argv), { timeoutMs, acceptFailure: true }));
}

const pingCount = (seconds) => Math.max(PING_MIN_COUNT, Math.round(seconds / PING_INTERVAL_S));

async function measurePing(session, { seconds }) {
  const count = pingCount(seconds);
  const { avgMs, p99Ms } = await ping(session, count, count * 50 + 10_000);
  return { 'ping-avg': avgMs, 'ping-p99': p99Ms };
}

function measurePingUnderLoad(metric, streams) {
  return async (session, { seconds, congestion }) => {
    const count = pingCount(seconds);
    const loadSeconds = Math.ceil(count * PING_INTERVAL_S * PING_SLOWNESS) + 1;
    const args = ['-C', congestion, '-P', `${streams}`];
    const { client, finish } = await startIperf(session, loadSeconds, args);
    let replies;
    try {
      await sleep(LOAD_SETTLE_MS);
      replies = await ping(session, count, loadSeconds * 1000 + 5000);
      if (client.ended) throw new BenchError(`${metric}: the load ended before the pings`);
    } finally {
      parseIperfTcp(await finish(), congestion);
    }
    return {
      [`${metric}-p50`]: replies.p50Ms,
      [`${metric}-p99`]: replies.p99Ms,
      [`${metric}-loss`]: 100 * replies.lossRatio,
    };
  };
}

async function measureIdle(session, { seconds }) {
  if (session.processes.length === 0) return {};
  // What follows the start and the handshake is not idleness yet.
  await sleep(1000);
  const pids = session.pids();
  const started = performance.now();
  const before = cpuTimeNs(pids);
  await sleep(Math.max(3, seconds) * 1000);
  const share = (cpuTimeNs(pids) - before) / ((performance.now() - started) * 1e6);
  return { 'idle-cpu': (100 * share) / session.processes.length };
}

async function measureMemory(session) {
  if (session.processes.length === 0) return {};
  const ends = session.pidsByEnd().map(memory);
  return {
    'memory-peak': Math.max(...ends.map((end) => end.peakMb)),
    memory: Math.max(...ends.map((end) => end.residentMb)),
  };
}
