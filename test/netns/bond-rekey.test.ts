// The key of a session is replaced after two minutes (WireGuard's Rekey-After-Time) while a stream goes by both uplinks: the
// order begins anew, and nobody notices. A span of time is what is tested.
import { describe, expect } from 'vitest';
import { meanMbps, Scene, startStream } from './bond-scene.js';
import { startCall } from './call.js';
import { test } from './harness.js';
import { pause } from './process.js';

const SECONDS = 135;
const START_S = 10;
const RATE = 12;

describe('a bond', { timeout: 240_000 }, () => {
  test('keeps its stream and its order through a rekey', async ({ net }) => {
    const links = [
      { rate: RATE, delay: 10, queue: 100 },
      { rate: RATE, delay: 25, queue: 100 },
    ];
    const scene = await Scene.of(net, { links });
    await scene.bonded(2);
    const { a, b, addressB } = scene;
    const listen = [b.namespace, a.namespace, addressB] as const;
    const begun = await startStream(net, ...listen, { seconds: SECONDS });
    await pause(START_S * 1000); // links that are being measured may lose something
    const seconds = SECONDS - START_S - 2;
    const heard = await (await startCall(net, ...listen, { seconds, pps: 100 })).done;
    const stream = await begun.done;

    expect(meanMbps(stream, START_S, SECONDS)).toBeGreaterThan(1.35 * RATE * 0.925);
    for (let second = 115; second < SECONDS - 2; second++) {
      expect(meanMbps(stream, second, second + 2)).toBeGreaterThan(RATE / 2);
    }
    expect(heard.inversions).toBe(0);
    expect(heard.missing).toBeLessThan(10); // of 12,300: a busy machine's
    expect(heard.longestSilenceMs).toBeLessThan(500);
    const [member] = (await a.status()).members;
    expect(member?.handshakeAgoSeconds).toBeLessThan(60);
  });
});
