// A flood of handshakes from a stranger, against a node of a pair.
import { fileURLToPath } from 'node:url';
import type { Network } from './harness.js';
import { hex } from './keys.js';
import { type Background, until } from './process.js';
import type { Side } from './topology.js';

const FLOOD = fileURLToPath(new URL('./handshake-flood.mjs', import.meta.url));

/** Well-formed initiations with a good mac1, from a stranger, `rate` a second, until stopped. */
export async function flood(net: Network, victim: Side, rate = Infinity): Promise<Background> {
  const stranger = await net.namespace('stranger');
  await net.link([victim.namespace, 'veth9', '10.0.9.1/24'], [stranger, 'veth0', '10.0.9.2/24']);
  const child = net.spawn(stranger, [
    'node',
    FLOOD,
    '10.0.9.1',
    `${victim.port}`,
    hex(victim.node.publicKey),
    `${rate}`,
  ]);
  await until('the flood has begun', () => child.output.includes('sent'));
  return child;
}

export interface FloodReport {
  sent: number;
  /** Datagrams received, by message type. */
  received: Record<string, number>;
}

/** The flooder's latest line. */
export function floodReport(child: Background): FloodReport {
  return JSON.parse(child.output.trim().split('\n').at(-1) ?? '') as FloodReport;
}

export async function endFlood(child: Background): Promise<FloodReport> {
  await child.stop();
  return floodReport(child);
}
