// Two uplinks used as one, with the kernel's TCP: a single stream over both, uplinks that go and come back, addresses that
// change, a stalled control plane. What the links can carry at most is the relay's doing, so that "more than one of them"
// cannot come from a fast machine; gates leave room for a slow one.
import { fileURLToPath } from 'node:url';
import { describe, expect } from 'vitest';
import { device, meanMbps, portOf, Scene, startLoad, startStream } from './bond-scene.js';
import { startCall } from './call.js';
import { test } from './harness.js';
import type { MeshHost } from './mesh-host.js';
import { pause, until } from './process.js';
import type { Impairment } from './relay.js';

const STALL = fileURLToPath(new URL('./stall.mjs', import.meta.url));

/** Mbit/s of each uplink; TCP payload gets 92 % of it. */
const RATE = 30;
/** What one of the two could carry at best, in TCP payload. */
const ONE = RATE * 0.925;
const FAST: Impairment = { rate: RATE, delay: 10, queue: 100 };
const SLOW: Impairment = { rate: RATE, delay: 25, queue: 100 };

/** How what left n1 meanwhile was divided among its uplinks, and how much that was, Mbit/s. */
async function carriedDuring(scene: Scene, ms: number): Promise<number[]> {
  const before = await scene.sentBytes();
  const began = performance.now();
  await pause(ms);
  const after = await scene.sentBytes();
  const seconds = (performance.now() - began) / 1000;
  return after.map((bytes, i) => ((bytes - (before[i] ?? 0)) * 8) / 1e6 / seconds);
}

/**
 * Waits until what each uplink of n1 carried in half a second, Mbit/s, is as wanted. A CUBIC stream that a stalled host
 * has cut down needs up to nine seconds to be more than one of them can carry.
 */
async function untilCarried(
  scene: Scene,
  what: string,
  wanted: (mbps: readonly number[]) => boolean,
): Promise<void> {
  const look = async () => {
    const mbps = await carriedDuring(scene, 500);
    if (wanted(mbps)) return true;
    throw new Error(`carried ${mbps.join(' and ')}: ${JSON.stringify(await scene.bond())}`);
  };
  await until(what, look, 16_000);
}

function bothCarry(scene: Scene, least: number): Promise<void> {
  const wanted = (mbps: readonly number[]) => Math.min(...mbps) >= least;
  return untilCarried(scene, `both uplinks carry ${least} Mbit/s`, wanted);
}

function oneCarries(scene: Scene, uplink: number, least: number): Promise<void> {
  const wanted = (mbps: readonly number[]) => (mbps[uplink] ?? 0) >= least;
  return untilCarried(scene, `uplink ${uplink} carries ${least} Mbit/s`, wanted);
}

function begin(scene: Scene, seconds: number, congestion = 'cubic') {
  const { net, a, b, addressB } = scene;
  return startStream(net, b.namespace, a.namespace, addressB, { seconds, congestion });
}

describe('a bond of two uplinks', { timeout: 120_000 }, () => {
  test.for(['cubic', 'bbr'])('carries one %s stream by both', async (congestion, { net }) => {
    const scene = await Scene.of(net, { links: [FAST, SLOW] });
    await scene.bonded(2);
    const stream = await (await begin(scene, 14, congestion)).done;
    expect(meanMbps(stream, 7, 14)).toBeGreaterThan(1.35 * ONE);
    const sent = await scene.sentBytes();
    const total = sent.reduce((sum, each) => sum + each, 0);
    for (const each of sent) expect(each / total).toBeGreaterThan(0.25);
  });

  test.for([
    ['fast', 0],
    ['slow', 1],
  ] as const)(
    'goes on when the %s one is unplugged under load, and uses it again',
    async ([, uplink], { net }) => {
      const scene = await Scene.of(net, { links: [FAST, SLOW] });
      await scene.bonded(2);
      const call = await startCall(net, scene.b.namespace, scene.a.namespace, scene.addressB, {
        seconds: 16,
      });
      const stream = await startLoad(scene);
      await bothCarry(scene, RATE / 3);
      await scene.unplug(scene.a, uplink);
      await oneCarries(scene, 1 - uplink, RATE / 2);
      expect((await carriedDuring(scene, 1_500))[uplink]).toBe(0);
      await scene.plug(scene.a, uplink);
      await bothCarry(scene, RATE / 3);
      expect(stream.exitCode).toBeNull(); // it is the same one still

      const heard = await call.done;
      expect(heard.inversions).toBe(0);
      expect(heard.copies).toBe(0);
      expect(heard.missing).toBeLessThan(50);
      expect(heard.longestSilenceMs).toBeLessThan(1_000);
    },
  );

  test('goes on when a path swallows everything, both ways, unannounced', async ({ net }) => {
    const scene = await Scene.of(net, { links: [FAST, SLOW] });
    await scene.bonded(2);
    const stream = await startLoad(scene);
    await bothCarry(scene, RATE / 3);
    await scene.relay.set(portOf(scene.a, 0), 'both', { black_hole: 1 });
    await pause(500);
    await oneCarries(scene, 1, RATE / 2);
    await scene.relay.set(portOf(scene.a, 0), 'both', { black_hole: 0 });
    await bothCarry(scene, RATE / 3);
    expect(stream.exitCode).toBeNull(); // it is the same one still
  });

  test('finds out what a policer lets through', async ({ net }) => {
    const scene = await Scene.of(net, { links: [FAST, { delay: 25, policer: RATE }] });
    await scene.bonded(2);
    const stream = await startLoad(scene);
    const told = async () => {
      const { paths } = await scene.bond();
      const policed = paths.filter(({ uplink }) => uplink === device(1));
      if (policed.some(({ reasons }) => reasons.join().includes('kept at its rate'))) return true;
      throw new Error(JSON.stringify(paths));
    };
    // It takes seconds; a stream that a stalled host has cut down may not try that much for half a minute.
    await until('it is kept at its rate', told, 60_000);
    expect(stream.exitCode).toBeNull();
  });

  test('keeps a call in order and quick beside a stream', async ({ net }) => {
    const scene = await Scene.of(net, { links: [FAST, SLOW] });
    await scene.bonded(2);
    const stream = await begin(scene, 10);
    // as video: 2.4 Mbit/s
    const call = await startCall(net, scene.b.namespace, scene.a.namespace, scene.addressB, {
      seconds: 8,
      pps: 300,
      size: 1000,
    });
    const heard = await call.done;
    await stream.done;
    expect(heard.inversions).toBe(0);
    // Where a path's queue grows at the stream's start the call changes paths; what then comes too late is not played.
    expect(heard.missing).toBeLessThan(heard.received / 100);
    // Behind the stream it would stand in a queue of 100 ms.
    expect(heard.delayMs.p50).toBeLessThan((FAST.delay ?? 0) + 30);
    expect(heard.delayMs.p99).toBeLessThan((FAST.delay ?? 0) + 100);
  });

  test('follows a path whose NAT gives it other ports', async ({ net }) => {
    const scene = await Scene.of(net, { links: [FAST, SLOW] });
    await scene.bonded(2);
    const stream = await startLoad(scene);
    for (const action of ['on', 'rebind'] as const) {
      await bothCarry(scene, RATE / 3);
      await scene.relay.nat(portOf(scene.a, 0), action);
      await pause(1_000);
    }
    await bothCarry(scene, RATE / 3);
    expect(stream.exitCode).toBeNull(); // it is the same one still
  });

  test.for([
    ['fast', 0],
    ['slow', 1],
  ] as const)(
    'works on while JavaScript stands still on both sides and the %s path dies',
    async ([, dying], { net }) => {
      const env = { NODE_OPTIONS: `--import=${STALL}` };
      const scene = await Scene.of(net, { links: [FAST, SLOW], env });
      await scene.bonded(2);
      const stream = await startLoad(scene);
      await pause(3_000); // past the stream's own overshoot, after which it needs less than both for a second or two
      await bothCarry(scene, RATE / 3);
      const hosts = [scene.a, scene.b];
      for (const host of hosts) host.process?.signal('SIGUSR2');
      await until('both stand still', () => hosts.every(isStalled));
      const both = await carriedDuring(scene, 400);
      await scene.relay.set(portOf(scene.a, dying), 'both', { black_hole: 1 });
      await pause(700);
      const alone = (await carriedDuring(scene, 400))[1 - dying];
      expect(hosts.filter(isStalled)).toHaveLength(2); // all of this was without it
      for (const each of both) expect(each).toBeGreaterThan(RATE / 4);
      expect(alone).toBeGreaterThan(RATE / 3);

      await until('both are awake', () => !hosts.some(isStalled));
      await scene.relay.set(portOf(scene.a, dying), 'both', { black_hole: 0 });
      await bothCarry(scene, RATE / 4);
      expect(stream.exitCode).toBeNull(); // it is the same one still
    },
  );

  test('says of a path that was drained why nothing goes by it', async ({ net }) => {
    const scene = await Scene.of(net, { links: [FAST, SLOW] });
    await scene.bonded(2);
    await scene.a.weft(['path', 'drain', scene.b.name, device(1)]);
    const stream = await begin(scene, 5);
    await pause(1_000);
    const [first, second] = await carriedDuring(scene, 2_000);
    expect(first).toBeGreaterThan(RATE / 2);
    expect(second).toBeLessThan(0.5);
    const explained = await scene.a.weft(['path', 'explain', scene.b.name, device(1)]);
    expect(explained).toMatch(/drain/);
    await stream.done;
  });
});

function isStalled(host: MeshHost): boolean {
  const said = host.process?.output ?? '';
  return said.split('stalled\n').length > said.split('awake\n').length;
}
