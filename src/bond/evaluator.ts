// Judges the paths of one bond every 5 s: samples of what the data plane measured go in, a weight for each path comes out,
// with the reasons in words. Weights only shift load: nothing here withholds reports, probes or keepalives, so that a bad
// judgement cannot keep itself true.
//
// A path is judged by what it was asked to do: idleness is never evidence. `capable` (it has sent telemetry at some time)
// and `fresh` (it does so now) are different questions: the first chooses the tiers, the second whether there is anything
// new to judge.

import {
  delayPoints,
  expectedRate,
  FULL_WEIGHT,
  jitterPoints,
  lossPoints,
  throughputPoints,
  weightOf,
} from './tiers.js';

export const EVALUATION_MS = 5_000;
/** A path that began so lately is not judged. */
export const GRACE_MS = 10_000;
/** Fewer packets say nothing of loss or rate. */
const MIN_PACKETS = 64;
/** A fall by more is done at once; a lesser one when the next evaluation agrees. */
const STEEP_FALL = 30;
/** The least by which a path recovers in one evaluation, per cent. */
export const BOOST = 15;
/** The boost is for paths below this weight, with fewer points than these. */
const BOOST_BELOW = 50;
const BOOST_POINTS = 15;
/** Each fall after a rise counts one, and half as much after each of these times. */
const DAMPING_HALF_LIFE_MS = 30_000;
/** From so many on the path is held low, until they are fewer than the second. */
const DAMPING_START = 2;
const DAMPING_END = 1;

/** What is known of a path now; counters are since it began. */
export interface PathSample {
  /** Another one if another way takes the path's place. */
  readonly key: string;
  /** Validated, and not off. */
  readonly active: boolean;
  /** The data plane has taken its load away, and probes it: it judges that path itself, and faster. */
  readonly excluded: boolean;
  /** The peer has reported on it within the last two seconds. */
  readonly fresh: boolean;
  readonly rttMs: number | null;
  readonly minRttMs: number | null;
  /** Above the path's own base. */
  readonly queueDelayMs: number;
  readonly jitterMs: number;
  readonly deliveredBitsPerSecond: number;
  readonly offeredBitsPerSecond: number;
  readonly sentPackets: number;
  readonly lostPackets: number;
}

/** `stale`: no telemetry, so that nothing is known; `idle`: nothing to judge but its delay. */
export type VerdictKind = 'grace' | 'excluded' | 'stale' | 'idle' | 'judged';

export interface Verdict {
  readonly kind: VerdictKind;
  /** Per cent, 10-100. */
  readonly weight: number;
  readonly points: number;
  /** What the points are for, and why the weight is another than they say. */
  readonly findings: readonly string[];
}

const NEW: Verdict = { kind: 'grace', weight: FULL_WEIGHT, points: 0, findings: [] };

/** Sums of the samples since the last evaluation. */
interface Interval {
  samples: number;
  delivered: number;
  offered: number;
  sentPackets: number;
  lostPackets: number;
}

interface State {
  sinceMs: number;
  active: boolean;
  capable: boolean;
  last: PathSample;
  interval: Interval;
  verdict: Verdict;
  /** The target of the last evaluation, if it was to be confirmed. */
  fallTo: number | null;
  falls: number;
  fallsAtMs: number;
  /** The last change of its weight was a fall. */
  fell: boolean;
  damped: boolean;
}

export class Evaluator {
  readonly #states = new Map<string, State>();
  #dueMs = -Infinity;

  /**
   * To be called every second or so.
   * @returns true if the paths were judged by this
   */
  observe(nowMs: number, samples: readonly PathSample[]): boolean {
    const keys = new Set(samples.map(({ key }) => key));
    for (const key of this.#states.keys()) if (!keys.has(key)) this.#states.delete(key);
    for (const sample of samples) this.#note(nowMs, sample);
    if (this.#dueMs === -Infinity) this.#dueMs = nowMs + EVALUATION_MS;
    if (nowMs < this.#dueMs) return false;
    this.#dueMs = nowMs + EVALUATION_MS;
    this.#evaluate(nowMs);
    return true;
  }

  verdict(key: string): Verdict {
    return this.#states.get(key)?.verdict ?? NEW;
  }

  #note(nowMs: number, sample: PathSample): void {
    const state = this.#states.get(sample.key);
    if (state === undefined) {
      this.#states.set(sample.key, begin(nowMs, sample));
      return;
    }
    // What it did before it was gone, or excluded, says nothing of the time since.
    if (sample.active && !state.active) state.sinceMs = nowMs;
    const returned = state.last.excluded && !sample.excluded;
    if (returned || (sample.active && !state.active)) state.interval = emptyInterval();
    state.active = sample.active;
    state.capable ||= sample.fresh;
    const { interval, last } = state;
    interval.samples++;
    interval.delivered += sample.deliveredBitsPerSecond;
    interval.offered += sample.offeredBitsPerSecond;
    interval.sentPackets += Math.max(0, sample.sentPackets - last.sentPackets);
    interval.lostPackets += Math.max(0, sample.lostPackets - last.lostPackets);
    state.last = sample;
  }

  #evaluate(nowMs: number): void {
    const active = [...this.#states.values()].filter((state) => state.active);
    const allStale = active.every(({ last }) => !last.fresh);
    const rates = active
      .filter(isLoaded)
      .filter(({ last }) => !last.excluded)
      .map(({ interval }) => average(interval).delivered);
    for (const state of active) {
      state.verdict = this.#judge(nowMs, state, rates, allStale);
      state.interval = emptyInterval();
    }
  }

  #judge(nowMs: number, state: State, rates: readonly number[], allStale: boolean): Verdict {
    if (nowMs - state.sinceMs < GRACE_MS) {
      state.fallTo = null;
      return { ...state.verdict, kind: 'grace', points: 0, findings: ['it has only begun'] };
    }
    if (state.last.excluded) {
      state.fallTo = null;
      const findings = ['it is excluded, and judged anew when it is back'];
      return { ...state.verdict, kind: 'excluded', points: 0, findings };
    }
    if (state.capable && !state.last.fresh) return stale(state, allStale);
    const findings: Finding[] = [...judgeLoad(state, rates), ...judgeDelay(state)];
    const points = findings.reduce((sum, finding) => sum + finding.points, 0);
    const texts = findings.map((finding) => `${finding.text}: ${finding.points} points`);
    const { weight, note } = move(nowMs, state, points);
    return {
      kind: isLoaded(state) ? 'judged' : 'idle',
      weight,
      points,
      findings: note === null ? texts : [...texts, note],
    };
  }
}

interface Finding {
  readonly text: string;
  readonly points: number;
}

function begin(nowMs: number, sample: PathSample): State {
  return {
    sinceMs: nowMs,
    active: sample.active,
    capable: sample.fresh,
    last: sample,
    interval: emptyInterval(),
    verdict: NEW,
    fallTo: null,
    falls: 0,
    fallsAtMs: nowMs,
    fell: false,
    damped: false,
  };
}

function emptyInterval(): Interval {
  return { samples: 0, delivered: 0, offered: 0, sentPackets: 0, lostPackets: 0 };
}

function average({ delivered, offered, samples }: Interval): {
  delivered: number;
  offered: number;
} {
  const count = Math.max(1, samples);
  return { delivered: delivered / count, offered: offered / count };
}

function isLoaded({ interval }: State): boolean {
  return interval.sentPackets >= MIN_PACKETS;
}

/** Loss and rate, if there was enough to judge them by. */
function judgeLoad(state: State, rates: readonly number[]): Finding[] {
  if (!isLoaded(state)) return [];
  const { interval, capable } = state;
  const share = Math.min(1, interval.lostPackets / interval.sentPackets);
  const { delivered, offered } = average(interval);
  // Nobody is expected to deliver more than was given to it. Without telemetry less is asked: what the others do.
  const expected = capable ? offered : Math.min(offered, expectedRate(rates, delivered));
  const ratio = expected > 0 ? delivered / expected : 1;
  return [
    { text: `${percent(share)} lost`, points: lossPoints(share) },
    {
      text: `${percent(ratio)} of the expected rate`,
      points: throughputPoints(ratio, capable),
    },
  ].filter(({ points }) => points > 0);
}

/** Against the path's own base: a satellite link is not bad for being far. */
function judgeDelay({ last }: State): Finding[] {
  if (!last.fresh) return [];
  const { rttMs, minRttMs, queueDelayMs, jitterMs } = last;
  const aboveMs = Math.max(
    queueDelayMs,
    rttMs !== null && minRttMs !== null ? rttMs - minRttMs : 0,
  );
  return [
    { text: `delay ${Math.round(aboveMs)} ms above its base`, points: delayPoints(aboveMs) },
    { text: `jitter ${Math.round(jitterMs)} ms`, points: jitterPoints(jitterMs) },
  ].filter(({ points }) => points > 0);
}

/** Nothing is known. If that is so of all paths they go back to a fair split; one alone stays as it was. */
function stale(state: State, allStale: boolean): Verdict {
  const { verdict } = state;
  state.fallTo = null;
  const weight = allStale ? Math.min(FULL_WEIGHT, verdict.weight + BOOST) : verdict.weight;
  const what = allStale ? 'all paths go back to an equal weight' : 'the weight stays';
  return { kind: 'stale', weight, points: 0, findings: [`no telemetry for 2 s: ${what}`] };
}

/** From the present weight towards what the points say. */
function move(
  nowMs: number,
  state: State,
  points: number,
): { weight: number; note: string | null } {
  const target = weightOf(points);
  const { weight } = state.verdict;
  decay(nowMs, state);
  const confirmed = state.fallTo;
  state.fallTo = null;
  if (target < weight) {
    if (confirmed === null && target >= weight - STEEP_FALL) {
      state.fallTo = target;
      return { weight, note: `weight ${target} % if the next evaluation agrees` };
    }
    if (!state.fell) state.falls++;
    state.fell = true;
    state.damped ||= state.falls >= DAMPING_START;
    return { weight: Math.max(target, confirmed ?? target), note: null };
  }
  if (target === weight) return { weight, note: null };
  state.fell = false;
  if (!state.damped) return { weight: target, note: null };
  const boosted = state.last.fresh && weight < BOOST_BELOW && points < BOOST_POINTS;
  const note = `it changes often: back to ${target} % by and by`;
  return { weight: boosted ? Math.min(target, weight + BOOST) : weight, note };
}

function decay(nowMs: number, state: State): void {
  state.falls *= 0.5 ** ((nowMs - state.fallsAtMs) / DAMPING_HALF_LIFE_MS);
  state.fallsAtMs = nowMs;
  if (state.falls < DAMPING_END) state.damped = false;
}

function percent(share: number): string {
  return `${(share * 100).toFixed(share < 0.1 ? 1 : 0)} %`;
}
