/**
 * What iperf3, udp_load, ping and perf print -> numbers. Pure functions.
 * Each throws a BenchError that says what was odd: a wrong figure is worse than none.
 */
import { BenchError } from './errors.mjs';

const excerpt = (text) => JSON.stringify(text.trim().slice(0, 160) || '(empty)');

/** Finite, non-negative number at a path such as "end.sum_received.bytes". */
function numberAt(object, path, tool = 'iperf3') {
  let value = object;
  for (const key of path.split('.')) value = value?.[key];
  if (typeof value !== 'number' || !Number.isFinite(value) || value < 0) {
    throw new BenchError(`${tool}: no usable ${path} in its JSON (${JSON.stringify(value)})`);
  }
  return value;
}

const STOPPED = 'interrupt - the client has terminated';

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
  return report;
}

function refuseError({ error }) {
  if (typeof error === 'string') throw new BenchError(`iperf3: ${error}`);
}

function refuseOtherCongestion(report, congestion) {
  const used = report.end?.sender_tcp_congestion;
  if (used !== congestion) {
    throw new BenchError(`iperf3: asked for -C ${congestion}, the sender used ${used}`);
  }
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
  refuseError(report);
  refuseOtherCongestion(report, congestion);
  const bytes = numberAt(report, 'end.sum_received.bytes');
  if (bytes === 0) throw new BenchError('iperf3: nothing was delivered');
  return {
    bytes,
    gbps: numberAt(report, 'end.sum_received.bits_per_second') / 1e9,
    retransmits: numberAt(report, 'end.sum_sent.retransmits'),
  };
}

/**
 * `iperf3 -J` of a TCP test that was a load for something else and was stopped by a signal: it has
 * no figures of the receiver.
 *
 * @throws {BenchError} if there was no load, or of another kind
 */
export function checkIperfStopped(text, congestion) {
  const report = parseIperf(text);
  const stopped = report.error === STOPPED;
  if (!stopped) refuseError(report);
  // Stopped with --bidir it does not say which it used; one that it cannot use is an error at once.
  const unsaid = report.end?.sender_tcp_congestion === undefined;
  if (!(stopped && unsaid)) refuseOtherCongestion(report, congestion);
  if (numberAt(report, 'end.sum_sent.bytes') === 0)
    throw new BenchError('iperf3: nothing was sent');
}

/**
 * What udp_load's two sides print (native/bench/udp_load.cc).
 *
 * @typedef {{sent: number, delivered: number, late: number, lossRatio: number, offeredPps: number,
 *   deliveredPps: number, gapCount: number,
 *   gaps: {number: number, missing: number, atMs: number}[]}} UdpResult
 *   gaps: where numbers were missing when the next one came, at the wall clock's time
 *
 * @returns {UdpResult}
 */
export function parseUdpLoad(senderText, receiverText) {
  const [sender, receiver] = [senderText, receiverText].map((text) => {
    try {
      return JSON.parse(text);
    } catch {
      throw new BenchError(`udp_load: output is not JSON: ${excerpt(text)}`);
    }
  });
  const at = (object, path) => numberAt(object, path, 'udp_load');
  const sent = at(sender, 'sent');
  const delivered = at(receiver, 'received');
  const late = at(receiver, 'late');
  const seconds = at(sender, 'seconds');
  if (sent === 0 || seconds === 0) throw new BenchError('udp_load: nothing was sent');
  if (delivered === 0) throw new BenchError('udp_load: no datagram was delivered');
  if (delivered > sent) throw new BenchError(`udp_load: ${delivered} delivered of ${sent}`);
  if (!Array.isArray(receiver.gaps)) throw new BenchError('udp_load: no gaps in its JSON');
  return {
    sent,
    delivered,
    late,
    lossRatio: 1 - delivered / sent,
    offeredPps: sent / seconds,
    // What still waited in queues when the sender ended took its time too.
    deliveredPps: delivered / Math.max(seconds, at(receiver, 'seconds')),
    gapCount: at(receiver, 'gapCount'),
    gaps: receiver.gaps,
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
