// Within a flow nothing is ever passed by what was sent after it, also not while small packets go before large ones of
// other flows (docs/adr/0008).
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, vi } from 'vitest';
import { type Namespace, type Network, test } from './harness.js';
import { check, until } from './process.js';
import { pair } from './topology.js';
import { iperf } from './traffic.js';

const UDP_MIX = fileURLToPath(new URL('./udp-mix.mjs', import.meta.url));
const FLOWS = 6;

interface MixReport {
  readonly received: number;
  /** Datagrams that came after one of a higher number. */
  readonly overtaken: number;
  readonly flows: number;
}

async function sendMix(
  net: Network,
  server: Namespace,
  client: Namespace,
  address: string,
): Promise<MixReport> {
  const receiver = net.spawn(server, ['node', UDP_MIX, 'receive', address]);
  await until('the receiver listens', () => receiver.output.includes('listening'));
  await client.check(['node', UDP_MIX, 'send', address, `${FLOWS}`, '3000']);
  await receiver.exited();
  return JSON.parse(receiver.output.trim().split('\n').at(-1) ?? '') as MixReport;
}

/**
 * One CPU takes all that comes by the link. Else every CPU has a backlog of its own for what is sent from it, and the
 * kernel may let segments pass each other where an engine's threads send by turns from several.
 */
async function useOneBacklog({ name }: Namespace): Promise<void> {
  const script = 'for f in /sys/class/net/veth0/queues/rx-*/rps_cpus; do echo 1 > "$f"; done';
  await check(['ip', 'netns', 'exec', name, 'sh', '-ec', script]);
}

/** How often at least the kernel, as the sender of TCP streams, saw that segments had changed places. */
async function reorderingsSeen(namespace: Namespace): Promise<number> {
  const lines = (await namespace.check(['cat', '/proc/net/netstat'])).split('\n');
  const [names = [], values = []] = lines
    .filter((line) => line.startsWith('TcpExt:'))
    .map((line) => line.split(' '));
  const count = (name: string) => Number(values[names.indexOf(name)]);
  const counters = ['TCPSACKReorder', 'TCPRenoReorder', 'TCPTSReorder'];
  // A segment that was sent again too early, by a timer that a stalled machine had outrun, is taken for a late one where
  // both copies came while one before them was missing.
  const sentTwice = count('TCPDSACKOfoRecv');
  return Math.max(0, counters.reduce((sum, name) => sum + count(name), 0) - sentTwice);
}

describe('order', { timeout: 90_000 }, () => {
  afterEach(() => {
    vi.unstubAllEnvs();
  });

  test.for([
    ['single', undefined],
    ['workers', '3'],
    ['multiqueue', '2'],
  ])('is kept within mixed UDP flows and TCP streams: %s', async ([engine, threads], { net }) => {
    vi.stubEnv('WEFT_ENGINE', engine);
    vi.stubEnv('WEFT_WORKERS', threads);
    const [a, b] = await pair(net);
    await Promise.all([a, b].map((side) => useOneBacklog(side.namespace)));
    const stream = iperf(net, b.namespace, a.namespace, b.inner6, {
      amount: '600M',
      args: ['-P', '4'],
    });
    const mix = await sendMix(net, b.namespace, a.namespace, b.inner4);
    await stream;
    expect(mix.flows).toBe(FLOWS);
    expect(mix.received).toBeGreaterThan(1000);
    expect(mix.overtaken).toBe(0);
    expect(await reorderingsSeen(a.namespace)).toBe(0);
  });
});
