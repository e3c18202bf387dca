// The data thread is a real-time one as long as much passes (docs/adr/0013).
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { afterEach, beforeEach, describe, expect, vi } from 'vitest';
import { test } from './harness.js';
import { pause, until } from './process.js';
import { pair, type Side } from './topology.js';
import { iperf } from './traffic.js';

const SCHED_FIFO = 1;

/** The scheduling policy of its data thread: field 41 of proc_pid_stat(5). */
function policy({ node }: Side): number {
  const tasks = `/proc/${node.process.pid}/task`;
  for (const task of readdirSync(tasks)) {
    const stat = readFileSync(`${tasks}/${task}/stat`, 'utf8');
    if (stat.includes('(weft-data)')) return Number(stat.split(' ')[41 - 1]);
  }
  throw new Error('it has no data thread');
}

function isPermitted(): boolean {
  try {
    execFileSync('chrt', ['-f', '1', 'true'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

const isRealTime = (side: Side) => policy(side) === SCHED_FIFO;

describe('real time', { timeout: 60_000 }, () => {
  beforeEach(({ skip }) => {
    if (availableParallelism() < 2) skip('one CPU: a real-time thread would leave none to others');
    if (!isPermitted()) skip('no right to real-time priorities');
    vi.stubEnv('WEFT_ENGINE', 'single');
    vi.stubEnv('WEFT_SCHED_FIFO', undefined);
  });
  afterEach(() => {
    vi.unstubAllEnvs();
  });

  test('begins with a stream, on both sides, and ends with it', async ({ net }) => {
    const [a, b] = await pair(net);
    expect([a, b].some(isRealTime)).toBe(false);
    const seen = new Set<Side>();
    await Promise.all([
      iperf(net, b.namespace, a.namespace, b.inner4, { amount: '1G' }),
      until('both have been real-time threads', () => {
        for (const side of [a, b]) if (isRealTime(side)) seen.add(side);
        return seen.size === 2;
      }),
    ]);
    await until('neither is', async () => {
      await a.namespace.run(['ping', '-c', '1', '-W', '1', b.inner4]);
      return !isRealTime(a) && !isRealTime(b);
    });
  });

  test('is not taken where it is switched off', async ({ net }) => {
    vi.stubEnv('WEFT_SCHED_FIFO', '0');
    const [a, b] = await pair(net);
    let ended = false;
    const stream = iperf(net, b.namespace, a.namespace, b.inner4, { amount: '500M' }).finally(
      () => {
        ended = true;
      },
    );
    let looked = 0;
    for (; !ended; looked++) {
      expect([a, b].some(isRealTime)).toBe(false);
      await pause(10);
    }
    await stream;
    expect(looked).toBeGreaterThan(10);
  });
});
