import { describe, expect, it } from 'vitest';
import { judge, type PacketTimes, type TimerState } from './timers.js';

const idle: TimerState = {
  retransmitAtMs: Infinity,
  zeroKeysAtMs: Infinity,
  persistentKeepaliveMs: 0,
  persistentAskedMs: 0,
  newHandshakeJitterMs: 0,
  newHandshakeFiredForMs: 0,
  passiveFiredForMs: 0,
};
const quiet: PacketTimes = {
  lastSentMs: 0,
  lastReceivedMs: 0,
  unansweredSinceMs: 0,
  owesKeepaliveSinceMs: 0,
};
const nothing = {
  retransmit: false,
  newHandshake: false,
  passiveKeepalive: false,
  persistentKeepalive: false,
  zeroKeys: false,
};

describe('judge', () => {
  it('finds nothing due where nothing is pending', () => {
    expect(judge(idle, quiet, 1e9)).toEqual({ ...nothing, earliestMs: Infinity });
  });

  it.each([
    ['retransmit', { retransmitAtMs: 5_200 }, {}, 5_200],
    ['zeroKeys', { zeroKeysAtMs: 540_000 }, {}, 540_000],
    ['newHandshake', { newHandshakeJitterMs: 333 }, { unansweredSinceMs: 1_000 }, 16_333],
    ['passiveKeepalive', {}, { owesKeepaliveSinceMs: 2_000 }, 12_000],
    ['persistentKeepalive', { persistentKeepaliveMs: 25_000 }, { lastSentMs: 3_000 }, 28_000],
    ['persistentKeepalive', { persistentKeepaliveMs: 25_000 }, { lastReceivedMs: 9_000 }, 34_000],
    ['persistentKeepalive', { persistentKeepaliveMs: 1_000, persistentAskedMs: 50 }, {}, 1_050],
  ])('%s: due at its deadline and not before', (name, state, times, atMs) => {
    const judged = (nowMs: number) => judge({ ...idle, ...state }, { ...quiet, ...times }, nowMs);
    expect(judged(atMs - 1)).toEqual({ ...nothing, earliestMs: atMs });
    expect(judged(atMs)).toEqual({ ...nothing, [name]: true, earliestMs: atMs });
  });

  it('fires once for one start of the passive keepalive and of the new handshake', () => {
    const times = { ...quiet, unansweredSinceMs: 1_000, owesKeepaliveSinceMs: 2_000 };
    const fired = { ...idle, newHandshakeFiredForMs: 1_000, passiveFiredForMs: 2_000 };
    expect(judge(fired, times, 1e6)).toEqual({ ...nothing, earliestMs: Infinity });
    const again = { ...times, unansweredSinceMs: 3_000, owesKeepaliveSinceMs: 4_000 };
    expect(judge(fired, again, 0).earliestMs).toBe(14_000);
  });

  it('counts the persistent keepalive from the latest packet either way', () => {
    const state = { ...idle, persistentKeepaliveMs: 10_000, persistentAskedMs: 1_000 };
    const times = { ...quiet, lastSentMs: 5_000, lastReceivedMs: 4_000 };
    expect(judge(state, times, 0).earliestMs).toBe(15_000);
  });

  it('gives the earliest of several deadlines', () => {
    const state = { ...idle, retransmitAtMs: 700, zeroKeysAtMs: 600 };
    expect(judge(state, { ...quiet, owesKeepaliveSinceMs: 1 }, 0).earliestMs).toBe(600);
  });
});
