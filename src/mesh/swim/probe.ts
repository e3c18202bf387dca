// Probes (SWIM, section 3; Lifeguard): whose turn it is, and what becomes of each.
//
//   start -> ping -> ping again and again, every repeatMs() -> (timeout) ping again, and k others are asked to -> ping again
//            and again -> (end) failed
//              any ack, direct or relayed: succeeded
//
// The direct ping is repeated, and so is the helper's, since one lost datagram must not cost an accusation, which all nodes
// hear of. With eight direct pings and helpers that send two, a probe of a live member fails, at 20 % loss, with
// (1 - 0.8^2)^8 (1 - 0.8^2 (1 - (1 - 0.8^2)^2))^3 = 0.0025 % and not, as with one ping each, with 36 % x 21 % = 7 %. Pings
// that are answered are not repeated: this costs nothing where nothing is lost.

import type { Random } from '../../core/random.js';
import { randomUint32 } from '../../core/random.js';
import type { NodeId } from '../types.js';
import type { SwimConfig } from './config.js';
import { randomBelow, shuffle } from './sampling.js';

/** Everybody once in each lap, in an order of its own: a dead member is found after two laps at the latest. */
export class ProbeRing {
  readonly #random: Random;
  #ring: NodeId[] = [];
  #at = 0;

  constructor(random: Random) {
    this.#random = random;
  }

  /** At a random place, so that news of a member does not make everybody probe it at once. */
  add(id: NodeId): void {
    const place = randomBelow(this.#random, this.#ring.length + 1);
    this.#ring.splice(place, 0, id);
    if (place < this.#at) this.#at++;
  }

  remove(id: NodeId): void {
    const place = this.#ring.indexOf(id);
    if (place < 0) return;
    this.#ring.splice(place, 1);
    if (place < this.#at) this.#at--;
  }

  /** The next one that is `wanted`; null if there is none. */
  next(wanted: (id: NodeId) => boolean): NodeId | null {
    // The lap may end on the way: one that was behind us in it may be anywhere in the next.
    for (let looked = 0; looked < 2 * this.#ring.length; looked++) {
      if (this.#at >= this.#ring.length) {
        shuffle(this.#random, this.#ring);
        this.#at = 0;
      }
      const id = this.#ring[this.#at++] as NodeId;
      if (wanted(id)) return id;
    }
    return null;
  }
}

/** 'watch': failure is an accusation. 'quiet': nothing but the answer counts. */
export type ProbeKind = 'watch' | 'quiet';

export interface Probe {
  readonly target: NodeId;
  readonly kind: ProbeKind;
  /** From here on others are asked, and the target is told who we are. */
  readonly lateMs: number;
  readonly endMs: number;
  readonly repeatMs: number;
  /** Pings so far, less one. */
  stage: number;
  /** When the next stage, or the end, is due. */
  nextMs: number;
  /** What a relayed ack must sign; null until others are asked. */
  nonce: Uint8Array | null;
  helpersAsked: number;
  /** Helpers that have not said yet that they failed too, by the sequence number that each was asked under. */
  readonly helpers: Map<number, NodeId>;
  nacks: number;
  /** By the sequence numbers that it was sent under: when. */
  readonly sentMs: Map<number, number>;
}

export type ProbeStep = { readonly probe: Probe; readonly step: 'repeat' | 'ask' | 'failed' };

/** max(probeTimeoutMs, probeTimeoutRtts x RTT), capped. */
export function probeTimeoutMs(config: SwimConfig, rttMs: number | null): number {
  const wanted = Math.max(config.probeTimeoutMs, config.probeTimeoutRtts * (rttMs ?? 0));
  return Math.min(wanted, config.probeTimeoutMaxMs);
}

/**
 * How long until a ping is sent again: a quarter of the timeout, but 1.5 x RTT if that is longer, so that an answer on its way
 * is waited for; at most, and where nothing is known, half of the timeout.
 */
export function repeatMs(timeoutMs: number, rttMs: number | null): number {
  if (rttMs === null) return timeoutMs / 2;
  return Math.min(timeoutMs / 2, Math.max(timeoutMs / 4, 1.5 * rttMs));
}

export interface ProbeTimes {
  /** probeTimeoutMs(). */
  readonly timeoutMs: number;
  /** repeatMs(), or more where there is no hurry. */
  readonly repeatMs: number;
  /** Until it has failed; at least twice the timeout. */
  readonly lastsMs: number;
}

/** All probes under way. */
export class Prober {
  readonly #bySequence = new Map<number, Probe>();
  readonly #probes = new Set<Probe>();
  #sequence: number;

  constructor(random: Random) {
    this.#sequence = randomUint32(random);
  }

  get nextMs(): number {
    let next = Infinity;
    for (const probe of this.#probes) if (probe.nextMs < next) next = probe.nextMs;
    return next;
  }

  isProbing(target: NodeId): boolean {
    for (const probe of this.#probes) if (probe.target === target) return true;
    return false;
  }

  start(nowMs: number, target: NodeId, kind: ProbeKind, times: ProbeTimes): Probe {
    const { timeoutMs, lastsMs } = times;
    const probe: Probe = {
      target,
      kind,
      lateMs: nowMs + timeoutMs,
      repeatMs: times.repeatMs,
      endMs: nowMs + Math.max(lastsMs, 2 * timeoutMs),
      stage: 0,
      nextMs: nowMs + times.repeatMs,
      nonce: null,
      helpersAsked: 0,
      helpers: new Map(),
      nacks: 0,
      sentMs: new Map(),
    };
    this.#probes.add(probe);
    return probe;
  }

  /** A sequence number of its own for each datagram, so that an ack tells which one it answers. */
  sent(nowMs: number, probe: Probe): number {
    const sequence = this.nextSequence();
    probe.sentMs.set(sequence, nowMs);
    this.#bySequence.set(sequence, probe);
    return sequence;
  }

  /** 0 .. 2^32 - 1, wrapping. */
  nextSequence(): number {
    this.#sequence = (this.#sequence + 1) >>> 0;
    return this.#sequence;
  }

  bySequence(sequence: number): Probe | undefined {
    return this.#bySequence.get(sequence);
  }

  /** A helper says that it failed too. False if this one was not asked so, or has said it already. */
  nacked(sequence: number, by: NodeId): boolean {
    const probe = this.#bySequence.get(sequence);
    if (probe === undefined || probe.helpers.get(sequence) !== by) return false;
    probe.helpers.delete(sequence);
    probe.nacks++;
    return true;
  }

  /** It was answered: gone. */
  finish(probe: Probe): void {
    this.#probes.delete(probe);
    for (const sequence of probe.sentMs.keys()) this.#bySequence.delete(sequence);
  }

  /** All probes of this member. */
  of(target: NodeId): Probe[] {
    return [...this.#probes].filter((probe) => probe.target === target);
  }

  /** We were not running: silence means nothing. */
  finishAll(): Probe[] {
    const probes = [...this.#probes];
    for (const probe of probes) this.finish(probe);
    return probes;
  }

  /** What is due now. A probe that failed is gone. */
  due(nowMs: number): ProbeStep[] {
    const steps: ProbeStep[] = [];
    for (const probe of this.#probes) {
      if (probe.nextMs > nowMs) continue;
      if (nowMs >= probe.endMs) {
        this.finish(probe);
        steps.push({ probe, step: 'failed' });
        continue;
      }
      const dueMs = probe.nextMs;
      probe.stage++;
      probe.nextMs = Math.min(dueMs + probe.repeatMs, boundAfter(dueMs, probe));
      steps.push({
        probe,
        step: dueMs === probe.lateMs && probe.kind === 'watch' ? 'ask' : 'repeat',
      });
    }
    return steps;
  }
}

/** What no repetition may pass over: the timeout, then the end. */
function boundAfter(dueMs: number, { lateMs, endMs }: Probe): number {
  return dueMs < lateMs ? lateMs : endMs;
}
