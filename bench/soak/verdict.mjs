/**
 * What the samples of a soak say: does memory grow, do descriptors leak, does the rate hold, is
 * anything lost at a rekey. Pure functions.
 */

import { median } from '../throughput/parse.mjs';

/** Judged only after this share of the run, at most this many seconds: until then memory settles. */
const WARM_UP_SHARE = 0.25;
const MAX_WARM_UP_SECONDS = 60;
/** Growth over the judged time that is called none, the larger of the two: a heap's saw-tooth. */
const GROWTH_MB = 3;
const GROWTH_SHARE = 0.03;
/** Share of the first judged half's median rate that the second one must reach. */
const RATE_SHARE = 0.7;
/** Time around a handshake (known to a second) in which a loss is put down to the rekey. */
const REKEY_BEFORE_MS = 500;
const REKEY_AFTER_MS = 2000;
/** REKEY_AFTER_TIME (whitepaper 6.1), and a little for the handshake to begin. */
export const REKEY_SECONDS = 125;
/** Loss near a rekey that a congested tunnel may show: this many times the loss elsewhere. */
const CONGESTION_FACTOR = 2;

/**
 * One look at the running tunnel.
 * @typedef {{seconds: number, ends: {rssMb: number, fds: number}[], bytes: number,
 *   tunDropped: number, socketDropped: number, handshakeMs: number}} Sample
 *   bytes, dropped: both ends, since the start; handshakeMs: wall clock of the newest one, 0 = none
 */

/** Slope of the least-squares line through the points, y a unit of x. */
export function slope(points) {
  const n = points.length;
  const mean = (pick) => points.reduce((sum, point) => sum + pick(point), 0) / n;
  const meanX = mean((point) => point.x);
  const meanY = mean((point) => point.y);
  const over = points.reduce((sum, { x, y }) => sum + (x - meanX) * (y - meanY), 0);
  const under = points.reduce((sum, { x }) => sum + (x - meanX) ** 2, 0);
  return under === 0 ? 0 : over / under;
}

/** Wall-clock times of the handshakes after the first, in ms. */
export function rekeyTimes(samples) {
  const times = [...new Set(samples.map(({ handshakeMs }) => handshakeMs))].filter((ms) => ms > 0);
  return times.sort((x, y) => x - y).slice(1);
}

/**
 * Datagrams missing near a rekey.
 * @param {readonly {missing: number, atMs: number}[]} gaps
 * @param {readonly number[]} rekeys
 */
export function lossAtRekeys(gaps, rekeys) {
  const near = ({ atMs }) =>
    rekeys.some((ms) => atMs >= ms - REKEY_BEFORE_MS && atMs <= ms + REKEY_AFTER_MS);
  return gaps.filter(near).reduce((sum, { missing }) => sum + missing, 0);
}

/**
 * @param {{samples: readonly Sample[], stream: import('../throughput/parse.mjs').UdpResult,
 *   seconds: number, load: 'tcp' | 'none'}} soak
 * @returns {{name: string, ok: boolean, detail: string}[]}
 */
export function judge({ samples, stream, seconds, load }) {
  const warmUp = Math.min(MAX_WARM_UP_SECONDS, WARM_UP_SHARE * seconds);
  const judged = samples.filter((sample) => sample.seconds >= warmUp);
  if (judged.length < 8) {
    return [{ name: 'samples', ok: false, detail: `${judged.length} after the warm-up: too few` }];
  }
  const checks = judged[0].ends.flatMap((_, end) => [
    memoryCheck(judged, end),
    fdCheck(judged, end),
  ]);
  if (load === 'tcp') checks.push(rateCheck(judged));
  return [...checks, ...streamChecks({ samples, stream, seconds, load })];
}

function memoryCheck(judged, end) {
  const points = judged.map((sample) => ({ x: sample.seconds, y: sample.ends[end].rssMb }));
  const perSecond = slope(points);
  const window = points.at(-1).x - points[0].x;
  const growth = perSecond * window;
  const middle = median(points.map(({ y }) => y));
  const allowed = Math.max(GROWTH_MB, GROWTH_SHARE * middle);
  return {
    name: `memory of end ${'AB'[end]} does not grow`,
    ok: growth <= allowed,
    detail: `${(perSecond * 60).toFixed(3)} MB a minute, ${growth.toFixed(2)} MB in ${Math.round(window)} s (allowed ${allowed.toFixed(1)}) at ${middle.toFixed(1)} MB`,
  };
}

function fdCheck(judged, end) {
  const counts = judged.map((sample) => sample.ends[end].fds);
  const quarter = Math.max(1, judged.length >> 2);
  const first = Math.max(...counts.slice(0, quarter));
  const last = Math.max(...counts.slice(-quarter));
  return {
    name: `descriptors of end ${'AB'[end]} do not grow`,
    ok: last <= first,
    detail: `${first}, then ${last}`,
  };
}

function rateCheck(judged) {
  const rates = judged
    .slice(1)
    .map((now, i) => ((now.bytes - judged[i].bytes) * 8) / (now.seconds - judged[i].seconds) / 1e9);
  const half = rates.length >> 1;
  const first = median(rates.slice(0, half));
  const last = median(rates.slice(-half));
  return {
    name: 'the rate holds',
    ok: last >= RATE_SHARE * first,
    detail: `${first.toFixed(2)} Gbit/s in the first half, ${last.toFixed(2)} in the second`,
  };
}

function streamChecks({ samples, stream, seconds, load }) {
  const rekeys = rekeyTimes(samples);
  const expected = Math.floor(seconds / REKEY_SECONDS);
  const checks = [
    {
      name: 'no reordering',
      ok: stream.late === 0,
      detail: `${stream.late} of ${stream.delivered} datagrams came late or twice`,
    },
    {
      name: 'rekeys happen',
      ok: rekeys.length >= expected,
      detail: `${rekeys.length} in ${seconds} s, at least ${expected} expected`,
    },
  ];
  if (rekeys.length > 0) checks.push(rekeyLossCheck({ stream, rekeys, seconds, load }));
  return checks;
}

function rekeyLossCheck({ stream, rekeys, seconds, load }) {
  const near = lossAtRekeys(stream.gaps, rekeys);
  // By the counts, not by the gaps: what is missing at the very end leaves none.
  const elsewhere = stream.sent - stream.delivered - near;
  const nearSeconds = (rekeys.length * (REKEY_BEFORE_MS + REKEY_AFTER_MS)) / 1000;
  const complete = stream.gaps.length === stream.gapCount;
  // A tunnel under full load drops on purpose; then the rekeys must not stand out.
  const usual = elsewhere / Math.max(1, seconds - nearSeconds);
  const allowed = load === 'none' ? 0 : CONGESTION_FACTOR * usual * nearSeconds;
  return {
    name: 'nothing is lost at a rekey',
    ok: complete && near <= allowed,
    detail: `${near} datagrams within ${nearSeconds} s around ${rekeys.length} rekeys (allowed ${allowed.toFixed(1)}), ${elsewhere} elsewhere, of ${stream.sent}${complete ? '' : '; more gaps than were listed'}`,
  };
}
