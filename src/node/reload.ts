// What is different between the settings of a running node and those in its files.

import type { Settings } from './settings.js';

/** What only a restart can change, if that is different; else null. */
export function needsRestart(before: Settings, after: Settings): string | null {
  if (before.config.device !== after.config.device) return 'Device';
  if (before.name !== after.name) return 'Name';
  if (!same(before.seed, after.seed)) return 'the identity';
  const sameMesh =
    same(before.mesh.meshId, after.mesh.meshId) && same(before.mesh.meshKey, after.mesh.meshKey);
  return sameMesh ? null : 'the mesh';
}

function same(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}

/** Names of what differs. */
export function describeChanges(before: Settings, after: Settings): string[] {
  const parts: Readonly<Record<string, (settings: Settings) => unknown>> = {
    port: ({ config }) => config.listenPort,
    mtu: ({ config }) => config.mtu,
    firewallMark: ({ config }) => config.firewallMark,
    logLevel: ({ config }) => config.logLevel,
    seeds: ({ config }) => config.seeds,
    announce: ({ config }) => config.announce,
    acceptRoutes: ({ config }) => config.acceptRoutes,
    bond: ({ config }) => config.bond,
    peers: ({ config }) => config.peers.map((peer) => ({ ...peer, line: 0 })),
    routes: ({ routes }) => routes,
    certificate: ({ certificateBytes }) => certificateBytes,
    trust: ({ trustedKeys }) => trustedKeys,
    revocations: ({ revocations }) => revocations,
  };
  return Object.entries(parts)
    .filter(([, part]) => JSON.stringify(part(before)) !== JSON.stringify(part(after)))
    .map(([name]) => name);
}
