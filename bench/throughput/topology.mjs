/**
 * Two network namespaces joined by a veth pair: the "wire" under every measurement.
 *
 *   namespace A  eth0 10.77.0.1 <-- veth, MTU 1500 --> 10.77.0.2 eth0  namespace B
 */
import { existsSync } from 'node:fs';
import { readProc, run, sleep } from './command.mjs';

const PREFIX = 'weftbench-';
export const WIRE_MTU = 1500;
export const WIRE_PORT = 51820;

/**
 * veth modes. `offloads`: a UDP super-packet crosses the veth whole, as between two virtual
 * machines. `wire`: it is cut into datagrams before the veth, as on a real link. `wire-gro`: the
 * receiver joins them again, as a network card's driver does, and a veth only if told to.
 */
export const VETH_MODES = ['offloads', 'wire', 'wire-gro'];

/**
 * One end of the wire.
 * @typedef {{netns: string, wireAddress: string, tunnelAddress: string, interfaceName: string}} End
 */

/** @type {Set<string>} namespaces of this process that are still there */
const created = new Set();

/**
 * @param {'offloads' | 'wire' | 'wire-gro'} mode
 * @returns {Promise<{a: End, b: End}>}
 */
export async function createTopology(mode) {
  const end = (letter, host) => ({
    netns: `${PREFIX}${process.pid}-${letter}`,
    wireAddress: `10.77.0.${host}`,
    tunnelAddress: `10.78.0.${host}`,
    // Both ends share one directory of control sockets, so their names must differ.
    interfaceName: `wb${process.pid}${letter}`,
  });
  const a = end('a', 1);
  const b = end('b', 2);
  for (const { netns } of [a, b]) {
    await run(['ip', 'netns', 'add', netns]);
    created.add(netns);
  }
  const mtu = ['mtu', `${WIRE_MTU}`];
  const link = ['ip', 'link', 'add', 'eth0', ...mtu, 'netns', a.netns];
  await run([...link, 'type', 'veth', 'peer', 'name', 'eth0', ...mtu, 'netns', b.netns]);
  for (const { netns, wireAddress } of [a, b]) {
    await run(['ip', '-n', netns, 'addr', 'add', `${wireAddress}/24`, 'dev', 'eth0']);
    await run(['ip', '-n', netns, 'link', 'set', 'lo', 'up']);
    await run(['ip', '-n', netns, 'link', 'set', 'eth0', 'up']);
    const settings = mode === 'offloads' ? [] : ['tx-udp-segmentation', 'off'];
    // A veth leaves UDP to GRO only where it may also be forwarded; a card's driver needs no such.
    if (mode === 'wire-gro') settings.push('gro', 'on', 'rx-udp-gro-forwarding', 'on');
    if (settings.length > 0) await run(inside(netns, ['ethtool', '-K', 'eth0', ...settings]));
  }
  return { a, b };
}

/** argv that runs `argv` in the namespace; `ip netns exec` execs, so the pid is the command's. */
export const inside = (netns, argv) => ['ip', 'netns', 'exec', netns, ...argv];

export async function destroyTopology() {
  for (const netns of [...created]) {
    await removeNamespace(netns);
    created.delete(netns);
  }
}

/** Removes what a killed benchmark left behind: its namespaces carry its pid. */
export async function removeStaleTopologies() {
  const list = await run(['ip', 'netns', 'list'], { acceptFailure: true });
  for (const [, netns, pid] of list.matchAll(/^(weftbench-(\d+)-[ab])\b/gm)) {
    if (!existsSync(`/proc/${pid}`)) await removeNamespace(netns);
  }
}

async function removeNamespace(netns) {
  // Only processes of the benchmark can be in a namespace that it made.
  await signalProcesses(netns, 'SIGTERM');
  for (let i = 0; i < 50 && (await processesIn(netns)).length > 0; i++) await sleep(20);
  await signalProcesses(netns, 'SIGKILL');
  await run(['ip', 'netns', 'del', netns], { acceptFailure: true });
}

async function processesIn(netns) {
  const text = await run(['ip', 'netns', 'pids', netns], { acceptFailure: true });
  return text
    .split('\n')
    .map(Number)
    .filter((pid) => pid > 1 && pid !== process.pid);
}

async function signalProcesses(netns, signal) {
  for (const pid of await processesIn(netns)) {
    if (readProc(`/proc/${pid}/stat`) === null) continue;
    try {
      process.kill(pid, signal);
    } catch {
      // It ended between the two lines.
    }
  }
}
