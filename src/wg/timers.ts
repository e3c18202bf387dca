// The timers of one peer (whitepaper 6; Linux timers.c), as one pure function of what is known now. device.ts acts on
// the judgement; the data plane keeps the times of packets in shared memory.
//
//   retransmit            REKEY_TIMEOUT + jitter after an initiation that nothing answered
//   new handshake         15 s + jitter after data was sent, with nothing authenticated received since
//   passive keepalive     10 s after data was received, with nothing authenticated sent since
//   persistent keepalive  the configured interval after the last authenticated packet either way
//   zero keys             540 s after the last session began, or after a handshake was given up
//
// Renewal of keys by age (120 s, 165 s) happens on packets and so in the data plane, which asks for a handshake.

import { KEEPALIVE_TIMEOUT_MS, NEW_HANDSHAKE_AFTER_MS } from './constants.js';

const NEVER = Infinity;

/** What the core itself knows. */
export interface TimerState {
  /** Infinity if no handshake is in flight. */
  retransmitAtMs: number;
  /** Infinity if there is nothing to zero. */
  zeroKeysAtMs: number;
  /** 0 = off. */
  persistentKeepaliveMs: number;
  /** When the last persistent keepalive was asked for: a floor where it could not be sent. */
  persistentAskedMs: number;
  /** Random part of the next new-handshake timer. */
  newHandshakeJitterMs: number;
  /** `unansweredSinceMs` of the new-handshake timer that fired last: each fires once. */
  newHandshakeFiredForMs: number;
  /** `owesKeepaliveSinceMs` of the passive keepalive that fired last. */
  passiveFiredForMs: number;
}

/** What the data plane knows; 0 = never, or not pending. */
export interface PacketTimes {
  readonly lastSentMs: number;
  readonly lastReceivedMs: number;
  readonly unansweredSinceMs: number;
  readonly owesKeepaliveSinceMs: number;
}

export interface Judgement {
  readonly retransmit: boolean;
  readonly newHandshake: boolean;
  readonly passiveKeepalive: boolean;
  readonly persistentKeepalive: boolean;
  readonly zeroKeys: boolean;
  /** The earliest deadline, due or not; Infinity if none. */
  readonly earliestMs: number;
}

export function judge(state: TimerState, times: PacketTimes, nowMs: number): Judgement {
  const deadlines = {
    retransmit: state.retransmitAtMs,
    newHandshake: newHandshakeAtMs(state, times),
    passiveKeepalive: passiveKeepaliveAtMs(state, times),
    persistentKeepalive: persistentKeepaliveAtMs(state, times),
    zeroKeys: state.zeroKeysAtMs,
  };
  return {
    retransmit: deadlines.retransmit <= nowMs,
    newHandshake: deadlines.newHandshake <= nowMs,
    passiveKeepalive: deadlines.passiveKeepalive <= nowMs,
    persistentKeepalive: deadlines.persistentKeepalive <= nowMs,
    zeroKeys: deadlines.zeroKeys <= nowMs,
    earliestMs: Math.min(...Object.values(deadlines)),
  };
}

function newHandshakeAtMs(state: TimerState, { unansweredSinceMs }: PacketTimes): number {
  if (unansweredSinceMs === 0 || unansweredSinceMs === state.newHandshakeFiredForMs) return NEVER;
  return unansweredSinceMs + NEW_HANDSHAKE_AFTER_MS + state.newHandshakeJitterMs;
}

function passiveKeepaliveAtMs(state: TimerState, { owesKeepaliveSinceMs }: PacketTimes): number {
  if (owesKeepaliveSinceMs === 0 || owesKeepaliveSinceMs === state.passiveFiredForMs) return NEVER;
  return owesKeepaliveSinceMs + KEEPALIVE_TIMEOUT_MS;
}

function persistentKeepaliveAtMs(state: TimerState, times: PacketTimes): number {
  if (state.persistentKeepaliveMs === 0) return NEVER;
  const lastMs = Math.max(times.lastSentMs, times.lastReceivedMs, state.persistentAskedMs);
  return lastMs + state.persistentKeepaliveMs;
}
