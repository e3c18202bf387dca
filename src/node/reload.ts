// What is different between the settings of a running node and those in its files.

import { formatPrefix } from '../core/address.js';
import { sameBytes } from '../core/bytes.js';
import type { Settings } from './settings.js';
import type { MeshFile } from './state-store.js';

/** What only a restart can change, if that is different; else null. */
export function needsRestart(before: Settings, after: Settings): string | null {
  if (before.config.device !== after.config.device) return 'Device';
  if (before.name !== after.name) return 'Name';
  if (!sameBytes(before.seed, after.seed)) return 'the identity';
  return sameMesh(before.mesh, after.mesh) ? null : 'the mesh';
}

/** Seeds may change; what its addresses and its members' trust follow from may not. */
function sameMesh(before: MeshFile, after: MeshFile): boolean {
  const prefix = ({ v4Prefix }: MeshFile) => v4Prefix && formatPrefix(v4Prefix);
  return (
    sameBytes(before.meshId, after.meshId) &&
    sameBytes(before.meshKey, after.meshKey) &&
    prefix(before) === prefix(after)
  );
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
