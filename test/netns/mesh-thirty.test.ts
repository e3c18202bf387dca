// Thirty agents on one machine: every pair pings; a third is killed and started again, and all is as before.
import { readFileSync } from 'node:fs';
import { expect } from 'vitest';
import { test } from './harness.js';
import { MeshHost } from './mesh-host.js';
import { until } from './process.js';

const AGENTS = 30;
/** Agents that start at the same time: the machine may be small. */
const STARTING = 6;
const MAX_RESIDENT_MB = 90;
const RECOVERY_MS = 30_000;

async function inGroups(hosts: readonly MeshHost[], work: (host: MeshHost) => Promise<void>) {
  for (let i = 0; i < hosts.length; i += STARTING) {
    await Promise.all(hosts.slice(i, i + STARTING).map(work));
  }
}

/**
 * Addresses that did not answer, of all pairs; one process a host pings all others. Two that call each other at the same
 * instant start again after REKEY_TIMEOUT, 5 s, as any WireGuard does, and on a busy machine they may meet once more.
 */
async function unanswered(hosts: readonly MeshHost[], addresses: readonly string[]) {
  const failed: string[] = [];
  await inGroups(hosts, async (host) => {
    const script =
      'ask() { ping -n -c 1 -W 12 "$1" >/dev/null 2>&1; }; for a; do ask "$a" || ask "$a" || echo "$a"; done';
    const argv = ['sh', '-c', script, 'sh', ...addresses];
    const output = await host.namespace.check(argv, { timeoutMs: 240_000 });
    failed.push(
      ...output
        .split('\n')
        .filter((line) => line !== '')
        .map((to) => `${host.name} to ${to}`),
    );
  });
  return failed;
}

/** What the two ends of a lost ping think of each other. */
async function explain(hosts: readonly MeshHost[], addresses: readonly string[], line: string) {
  const [fromName, toAddress = ''] = line.split(' to ');
  const from = hosts.find(({ name }) => name === fromName);
  const to = hosts[addresses.indexOf(toAddress)];
  if (from === undefined || to === undefined) return '';
  return `${await from.weft(['status', to.name])}${await to.weft(['status', from.name])}`;
}

function residentMb(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1]) / 1024;
}

test('thirty agents: all pairs ping, a third is killed and comes back', async ({ net }) => {
  const hosts = await MeshHost.create(net, AGENTS);
  const [first, ...others] = hosts as [MeshHost, ...MeshHost[]];
  await first.init();
  await first.up();
  const token = await first.invite('--uses', `${others.length}`);
  await inGroups(others, async (host) => {
    await host.join(token);
    await host.up();
  });
  await Promise.all(hosts.map((host) => host.sees(AGENTS - 1, 60_000)));
  const addresses = await Promise.all(hosts.map((host) => host.address()));
  expect(new Set(addresses).size).toBe(AGENTS);
  expect(await unanswered(hosts, addresses)).toEqual([]);
  const resident = hosts.map((host) => residentMb(host.process?.pid ?? -1));
  console.log(`resident: ${resident.map((mb) => mb.toFixed(0)).join(' ')} MB`);
  expect(Math.max(...resident)).toBeLessThan(MAX_RESIDENT_MB);

  const killed = hosts.slice(0, AGENTS / 3);
  const survivors = hosts.slice(AGENTS / 3);
  for (const host of killed) host.process?.signal('SIGKILL');
  await Promise.all(killed.map((host) => host.process?.exited()));
  const [watcher] = survivors as [MeshHost];
  await until(
    'the dead are known',
    async () => (await watcher.status()).health.members.dead === killed.length,
    90_000,
  );
  await inGroups(killed, (host) => host.up());
  const began = performance.now();
  await Promise.all(hosts.map((host) => host.sees(AGENTS - 1, RECOVERY_MS)));
  console.log(`all back after ${Math.round(performance.now() - began)} ms`);
  expect(await unanswered(survivors, addresses.slice(0, AGENTS / 3))).toEqual([]);
  const lost = await unanswered(killed.slice(0, 2), addresses);
  for (const line of lost) console.log(line, await explain(hosts, addresses, line));
  expect(lost).toEqual([]);
}, 900_000);
