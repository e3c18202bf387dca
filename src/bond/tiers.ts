// The tiers that a path is judged by: points for what is wrong with it, and the weight that follows from their sum. Origin:
// the quality evaluator of SRTLA bonding receivers. The in-flight/window tier of those has no counterpart here, as a paced
// path is meant to be full; their NAK tier is the loss tier, as loss is counted exactly.

interface ThroughputTier {
  /** Measured over expected rate is less than this. */
  readonly below: number;
  /** Points without and with telemetry: who tells us its loss need not be judged by its rate. */
  readonly legacy: number;
  readonly telemetry: number;
}

const THROUGHPUT: readonly ThroughputTier[] = [
  { below: 0.3, legacy: 40, telemetry: 10 },
  { below: 0.5, legacy: 25, telemetry: 7 },
  { below: 0.7, legacy: 15, telemetry: 4 },
  { below: 0.85, legacy: 5, telemetry: 2 },
];

interface Tier {
  readonly above: number;
  readonly points: number;
}

const LOSS: readonly Tier[] = [
  { above: 0.2, points: 40 },
  { above: 0.1, points: 20 },
  { above: 0.05, points: 10 },
  { above: 0.01, points: 5 },
];

/** Milliseconds above the path's own base. */
const DELAY: readonly Tier[] = [
  { above: 500, points: 20 },
  { above: 200, points: 10 },
  { above: 100, points: 5 },
];

const JITTER: readonly Tier[] = [{ above: 50, points: 10 }];

const WEIGHTS: readonly { readonly points: number; readonly weight: number }[] = [
  { points: 40, weight: 10 },
  { points: 25, weight: 40 },
  { points: 15, weight: 55 },
  { points: 10, weight: 70 },
  { points: 5, weight: 85 },
];

export const FULL_WEIGHT = 100;

/** @param ratio measured over expected rate */
export function throughputPoints(ratio: number, hasTelemetry: boolean): number {
  const tier = THROUGHPUT.find(({ below }) => ratio < below);
  if (tier === undefined) return 0;
  return hasTelemetry ? tier.telemetry : tier.legacy;
}

/** @param share of the packets sent, 0-1 */
export function lossPoints(share: number): number {
  return pointsAbove(LOSS, share);
}

export function delayPoints(aboveBaseMs: number): number {
  return pointsAbove(DELAY, aboveBaseMs);
}

export function jitterPoints(jitterMs: number): number {
  return pointsAbove(JITTER, jitterMs);
}

/** Per cent, 10-100. */
export function weightOf(points: number): number {
  return WEIGHTS.find((tier) => points >= tier.points)?.weight ?? FULL_WEIGHT;
}

function pointsAbove(tiers: readonly Tier[], value: number): number {
  return tiers.find(({ above }) => value > above)?.points ?? 0;
}

/** A path that is far slower than the best is expected to carry this much, divided by the number of paths. */
const SLOW_BITS_PER_SECOND = 1_000_000;
const LEAST_EXPECTED_BITS_PER_SECOND = 100_000;

/**
 * What a path may be expected to carry: the median of those that carry at least half of what the best one does. A slower
 * one is not compared with them.
 * @param rates of all paths, bits per second
 */
export function expectedRate(rates: readonly number[], own: number): number {
  const half = Math.max(0, ...rates) / 2;
  if (own < half) {
    return Math.max(LEAST_EXPECTED_BITS_PER_SECOND, SLOW_BITS_PER_SECOND / rates.length);
  }
  return median(rates.filter((rate) => rate >= half));
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? 0;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? 0) + upper) / 2;
}
