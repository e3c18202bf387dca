/**
 * The measurements. Each takes a running session and returns its figures: metric name -> value.
 * Traffic goes from end A to end B, except where it says reverse.
 */
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { Child, readProc, run, scratch, sleep, waitFor } from './command.mjs';
import { BenchError } from './errors.mjs';
import { searchLosslessRate } from './lossless.mjs';
import { checkIperfStopped, parseIperfTcp, parsePerfCycles, parsePing } from './parse.mjs';
import { cpuTimeNs, foreignTimeNs, machineBusyNs, memory } from './processes.mjs';
import { inside } from './topology.mjs';
import { sendDatagrams } from './udp-load.mjs';

const IPERF_PORT = 5201;
/** Beyond a test's own length: connecting, and the exchange of results over a full tunnel. */
const IPERF_SLACK_MS = 15_000;
/** Below 10 ms ping spins between replies, on a core that the tunnel needs. */
const PING_INTERVAL_S = 0.01;
/** It rounds its waits up to 15-18 ms, and longer on a busy machine: the load must outlast it. */
const PING_SLOWNESS = 6;
const PING_MIN_COUNT = 300;
const LOAD_SETTLE_MS = 500;
const LOSSLESS_SECONDS = 2;

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
  const { finish } = await startIperf(session, seconds, args, prefix);
  return finish();
}

/** The same, begun: `finish` waits for its end and returns the JSON. */
export async function startIperf(session, seconds, args, prefix = []) {
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
  const unwatch = session.watchMemory();
  const finish = async () => {
    const timer = setTimeout(() => void client.stop(), seconds * 1000 + IPERF_SLACK_MS);
    await client.exit;
    clearTimeout(timer);
    unwatch();
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

const cpuTimes = (session) => ({
  own: cpuTimeNs(session.pids()),
  machine: machineBusyNs(),
  foreign: foreignTimeNs(),
  atMs: performance.now(),
});

async function measureTcp(session, conditions) {
  const { seconds, congestion, cycles } = conditions;
  const perfOutput = join(scratch, 'perf-cycles');
  rmSync(perfOutput, { force: true });
  const perf = cycles ? ['perf', 'stat', '-a', '-x,', '-e', 'cycles', '-o', perfOutput, '--'] : [];
  const before = cpuTimes(session);
  const text = await iperf(session, seconds, ['-C', congestion], perf);
  const after = cpuTimes(session);
  const machineNs = after.machine - before.machine;
  const foreignNs = Math.max(0, after.foreign - before.foreign);
  const { bytes, gbps, retransmits } = parseIperfTcp(text, congestion);
  const figures = {
    tcp: gbps,
    'tcp-cpu-ns': (machineNs - foreignNs) / bytes,
    'tcp-foreign': (100 * foreignNs) / ((after.atMs - before.atMs) * 1e6 * cpus().length),
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

function measureUdp(metric, size) {
  return async (session, { seconds }) => {
    const { deliveredPps, offeredPps } = await sendDatagrams(session, { size, seconds });
    return { [metric]: deliveredPps / 1000, [`${metric}-offered`]: offeredPps / 1000 };
  };
}

function measureLossless(metric, size) {
  return async (session) => {
    const flood = await sendDatagrams(session, { size, seconds: 1 });
    const rate = await searchLosslessRate(flood.deliveredPps, (pps) =>
      sendDatagrams(session, { size, seconds: LOSSLESS_SECONDS, pps }),
    );
    if (rate === null) throw new BenchError(`${metric}: datagrams were lost at every rate tried`);
    return { [metric]: rate / 1000 };
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
      client.signal('SIGTERM');
      checkIperfStopped(await finish(), congestion);
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
  return { 'idle-cpu': (100 * share) / session.pidsByEnd().length };
}

async function measureMemory(session) {
  if (session.processes.length === 0) return {};
  const ends = session.pidsByEnd().map(memory);
  return {
    ...(session.memoryUnderLoadMb > 0 && { 'memory-load': session.memoryUnderLoadMb }),
    'memory-peak': Math.max(...ends.map((end) => end.peakMb)),
    memory: Math.max(...ends.map((end) => end.residentMb)),
  };
}
