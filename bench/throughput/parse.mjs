/**
 * What iperf3, ping and perf print -> numbers. Pure functions.
 * Each throws a BenchError that says what was odd: a wrong figure is worse than none.
 */
import { BenchError } from './errors.mjs';

const excerpt = (text) => JSON.stringify(text.trim().slice(0, 160) || '(empty)');

/** Finite, non-negative number at a path such as "end.sum_received.bytes". */
function numberAt(object, path) {
  let value = object;
  for (const key of path.split('.')) value = value?.[key];
  if (typeof value !== 'number' || !Number.isFinite(value) || value < 0) {
    throw new BenchError(`iperf3: no usable ${path} in its JSON (${JSON.stringify(value)})`);
  }
  return value;
}

function parseIperf(text) {
  let report;
  try {
    report = JSON.parse(text);
  } catch {
    throw new BenchError(`iperf3: output is not JSON: ${excerpt(text)}`);
  }
  if (typeof report !== 'object' || report === null) {
    throw new BenchError(`iperf3: output is no report: ${excerpt(text)}`);
  }
  if (typeof report.error === 'string') throw new BenchError(`iperf3: ${report.error}`);
  return report;
}

/**
 * `iperf3 -J` of a TCP test.
 *
 * @param {string} text
 * @param {string} congestion the algorithm that was asked for; another one in use is an error
 * @returns {{bytes: number, gbps: number, retransmits: number}} as the receiver counted them
 */
export function parseIperfTcp(text, congestion) {
  const report = parseIperf(text);
  const used = report.end?.sender_tcp_congestion;
  if (used !== congestion) {
    throw new BenchError(`iperf3: asked for -C ${congestion}, the sender used ${used}`);
  }
  const bytes = numberAt(report, 'end.sum_received.bytes');
  if (bytes === 0) throw new BenchError('iperf3: nothing was delivered');
  return {
    bytes,
    gbps: numberAt(report, 'end.sum_received.bits_per_second') / 1e9,
    retransmits: numberAt(report, 'end.sum_sent.retransmits'),
  };
}

/**
 * `iperf3 -u -J`.
 *
 * @returns {{sent: number, delivered: number, lossRatio: number, seconds: number,
 *   deliveredPps: number, offeredPps: number}} delivered = the receiver's count
 */
export function parseIperfUdp(text) {
  const report = parseIperf(text);
  const packets = numberAt(report, 'end.sum.packets');
  const lost = numberAt(report, 'end.sum.lost_packets');
  const seconds = numberAt(report, 'end.sum.seconds');
  if (packets === 0 || seconds === 0) throw new BenchError('iperf3: no datagram was delivered');
  if (lost > packets) throw new BenchError(`iperf3: ${lost} of ${packets} datagrams lost`);
  const delivered = packets - lost;
  return {
    sent: packets,
    delivered,
    lossRatio: lost / packets,
    seconds,
    deliveredPps: delivered / seconds,
    offeredPps: packets / seconds,
  };
}

/**
 * Output of `ping` without -q.
 *
 * @returns {{avgMs: number, p50Ms: number, p99Ms: number, maxMs: number, lossRatio: number,
 *   samples: number}}
 */
export function parsePing(text) {
  const times = [...text.matchAll(/\btime=([0-9.]+) ms/g)].map((match) => Number(match[1]));
  const summary = /(\d+) packets transmitted, (\d+) received/.exec(text);
  if (!summary) throw new BenchError(`ping: no summary line: ${excerpt(text)}`);
  const transmitted = Number(summary[1]);
  if (times.length === 0) throw new BenchError(`ping: no reply to ${transmitted} requests`);
  times.sort((x, y) => x - y);
  return {
    avgMs: times.reduce((sum, time) => sum + time, 0) / times.length,
    p50Ms: quantile(times, 0.5),
    p99Ms: quantile(times, 0.99),
    maxMs: times[times.length - 1],
    lossRatio: Math.max(0, 1 - times.length / transmitted),
    samples: times.length,
  };
}

/**
 * `perf stat -x, -e cycles`: CSV with value,unit,event,... a line.
 * @returns {number | null} null where the machine has no such counter
 */
export function parsePerfCycles(text) {
  for (const line of text.split('\n')) {
    const fields = line.split(',');
    if (!/^(cpu[^/]*\/)?cycles/.test(fields[2] ?? '')) continue;
    if (fields[0].startsWith('<not')) return null;
    const value = Number(fields[0]);
    if (!Number.isFinite(value) || value <= 0) break;
    return value;
  }
  throw new BenchError(`perf stat: no cycles in ${excerpt(text)}`);
}

/** Nearest-rank quantile of an ascending array. */
export function quantile(sorted, q) {
  return sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(q * sorted.length) - 1))];
}

export function median(values) {
  const sorted = [...values].sort((x, y) => x - y);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}
