// The key of a session is replaced after two minutes (WireGuard's Rekey-After-Time) while a stream goes by both uplinks: the
// order begins anew, and nobody notices. A span of time is what is tested.
import { describe, expect } from 'vitest';
import { meanMbps, Scene, startStream } from './bond-scene.js';
import { startCall } from './call.js';
import { test } from './harness.js';

const SECONDS = 135;
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
    const call = await startCall(net, ...listen, { seconds: SECONDS, pps: 100 });
    const stream = await (await startStream(net, ...listen, { seconds: SECONDS })).done;
    const heard = await call.done;

    expect(meanMbps(stream, 10, SECONDS)).toBeGreaterThan(1.35 * RATE * 0.925);
    for (let second = 115; second < SECONDS - 2; second++) {
      expect(meanMbps(stream, second, second + 2)).toBeGreaterThan(RATE / 2);
    }
    expect(heard.inversions).toBe(0);
    expect(heard.missing).toBe(0);
    expect(heard.longestSilenceMs).toBeLessThan(500);
    const [member] = (await a.status()).members;
    expect(member?.handshakeAgoSeconds).toBeLessThan(60);
  });
});
