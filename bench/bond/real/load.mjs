/** What runs through the bond: a TCP stream, a call beside it, and what each uplink carries meanwhile. */
import { join } from 'node:path';
import { buildBenchmarks } from '../../native/build.mjs';
import { Child, run, sleep, waitFor } from '../../throughput/command.mjs';
import { BenchError } from '../../throughput/errors.mjs';
import { inside } from '../../throughput/topology.mjs';

export const INTERVAL_S = 0.25;
export const CALL_PPS = 50;
const CALL_PORT = '5203';
const SLACK_MS = 20_000;

/**
 * @typedef {{at: number, label: string, act: (scene: import('./scene.mjs').Scene) => Promise<unknown>}} Happening
 *   `at`: seconds after the stream's beginning
 * @typedef {{seconds: number, congestion?: string, call?: boolean, happenings?: readonly Happening[]}} Load
 *   without congestion no stream
 * @typedef {{t: number, value: number}} Point
 * @typedef {{goodput: Point[], uplinks: Point[][], delay: Point[], call: object | null,
 *   marks: {t: number, label: string}[], relayLate: {packets: number, late: number, worstMs: number}}} Course
 *   goodput of the stream and rate of each uplink in Mbit/s; delay of the call's datagrams in ms; t in seconds since the
 *   stream's beginning
 */

/**
 * @param {import('./scene.mjs').Scene} scene
 * @param {Load} load from n1 to n2
 * @returns {Promise<Course>}
 */
export async function runLoad(scene, load) {
  const call = load.call ? await startCall(scene, load.seconds) : null;
  const stream = load.congestion ? await startStream(scene, load) : null;
  const began = performance.now();
  const elapsed = () => (performance.now() - began) / 1000;
  const uplinks = Array.from({ length: scene.uplinks }, () => []);
  let before = await scene.carried();
  let beforeS = elapsed();
  const due = [...(load.happenings ?? [])];
  const marks = [];
  while (elapsed() < load.seconds) {
    const next = due[0] ? due[0].at - elapsed() : Infinity;
    await sleep(Math.max(0, Math.min(next, beforeS + INTERVAL_S - elapsed()) * 1000));
    if (due[0] && elapsed() >= due[0].at) {
      const { label, act } = due.shift();
      marks.push({ t: elapsed(), label });
      await act(scene);
    }
    if (elapsed() < beforeS + INTERVAL_S) continue;
    const now = await scene.carried();
    const nowS = elapsed();
    for (const [i, { up }] of now.entries()) {
      const mbps = ((up - before[i].up) * 8) / 1e6 / (nowS - beforeS);
      uplinks[i].push({ t: nowS, value: mbps });
    }
    before = now;
    beforeS = nowS;
  }
  const goodput = (await stream?.finish()) ?? [];
  const heard = (await call?.finish()) ?? null;
  const delay = (heard?.series ?? []).map(([ms, value]) => ({ t: ms / 1000, value }));
  if (heard) delete heard.series;
  return { goodput, uplinks, delay, call: heard, marks, relayLate: scene.relayLate };
}

async function startStream({ a, b }, { seconds, congestion }) {
  const server = new Child(
    inside(b.netns, ['iperf3', '-s', '-1', '-J', '-B', b.address, '-i', `${INTERVAL_S}`]),
  );
  await waitFor('iperf3 listens', 5000, async () =>
    (await run(inside(b.netns, ['ss', '-tlnH', 'sport = 5201']))).includes('5201'),
  );
  const time = ['-t', `${seconds}`, '-i', '0', '-C', congestion];
  const client = new Child(inside(a.netns, ['iperf3', '-c', b.address, ...time]));
  const timer = setTimeout(() => void client.stop(), seconds * 1000 + SLACK_MS);
  return {
    async finish() {
      await client.exit;
      clearTimeout(timer);
      await Promise.race([server.exit, sleep(3000)]);
      await server.stop();
      const report = JSON.parse(server.stdout());
      if (report.error || !report.intervals) {
        throw new BenchError(`iperf3: ${report.error ?? client.complaint()}`);
      }
      return report.intervals.map(({ sum }) => ({ t: sum.end, value: sum.bits_per_second / 1e6 }));
    },
  };
}

/** A call from n1 to n2: datagrams of 172 bytes, marked EF. */
async function startCall({ a, b }, seconds) {
  const program = join(await buildBenchmarks(['udp_call']), 'udp_call');
  const receiver = new Child(
    inside(b.netns, [program, 'receive', b.address, CALL_PORT, '--series']),
  );
  await waitFor('udp_call listens', 5000, () => receiver.stderr().includes('ready'));
  const rate = ['--seconds', `${seconds}`, '--pps', `${CALL_PPS}`];
  const to = [program, 'send', b.address, CALL_PORT, ...rate];
  const sender = new Child(inside(a.netns, to));
  return {
    async finish() {
      await sender.exit;
      await sleep(500);
      await receiver.stop();
      return JSON.parse(receiver.stdout());
    },
  };
}

/** Mean of what lies between two times, in seconds. */
export function mean(points, from, to) {
  const part = points.filter(({ t }) => t > from && t <= to + 0.01);
  return part.reduce((sum, { value }) => sum + value, 0) / Math.max(1, part.length);
}
