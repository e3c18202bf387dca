// How a host becomes a node of a mesh: by making one, or with what an invite brought. Writes the state directory and the
// configuration file; the node itself is not started.

import { existsSync, mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { formatAddress } from '../core/address.js';
import type { MeshCrypto } from '../core/crypto.js';
import { WeftError } from '../core/errors.js';
import type { Random } from '../core/random.js';
import type { Endpoint, Prefix } from '../core/types.js';
import { createIdentity, type Identity } from '../mesh/identity.js';
import type { Invite } from '../mesh/invite.js';
import type { Joined } from '../mesh/joiner.js';
import { encodeState } from '../mesh/state.js';
import { formatTrustedKey } from '../mesh/trusted-key.js';
import type { NodeId } from '../mesh/types.js';
import { writeFileAtomically } from './atomic-file.js';
import { createAuthority, issueCertificate } from './authority.js';
import { configTemplate } from './config.js';
import { type NodePaths, readConfig } from './settings.js';
import { MESH_ID_BYTES, MESH_KEY_BYTES, type MeshFile, type StateStore } from './state-store.js';

export interface FoundOptions {
  readonly name: string;
  readonly v4Prefix: Prefix | null;
  /** A mesh that exists already, from another node's mesh.json; null: a new one. */
  readonly mesh: MeshFile | null;
  /** Whether this host gets an authority that certifies nodes; else nodes trust one another by key. */
  readonly authority: boolean;
  /** Routes in this node's certificate, besides the mesh's own prefix. */
  readonly routes: readonly Prefix[];
  readonly certificateSeconds: number;
  /** Replaces identity, authority and mesh. */
  readonly force: boolean;
}

export interface FileOptions {
  readonly device: string;
  readonly listenPort: number;
  readonly name: string;
  readonly announce: readonly Endpoint[];
}

/** @throws WeftError EEXISTS if the host is a node already */
export function checkNoMesh(store: StateStore, force: boolean): void {
  if (force || store.readMesh() === null) return;
  throw new WeftError(
    'EEXISTS',
    `${store.directory} belongs to a mesh already: use --force to leave it for good, or another --state-dir`,
  );
}

/** The identity of this host, made if there is none yet. */
export function ensureIdentity(store: StateStore, crypto: MeshCrypto, force: boolean): Identity {
  const seed = force ? null : store.readSeed('identity');
  return createIdentity(crypto, seed ?? store.createSeed('identity', force));
}

/** Makes a mesh, or enters one whose mesh.json was copied here. */
export function foundMesh(
  store: StateStore,
  crypto: MeshCrypto,
  random: Random,
  options: FoundOptions,
  nowSeconds: number,
): { identity: Identity; authority: NodeId | null; mesh: MeshFile } {
  store.prepare();
  checkNoMesh(store, options.force);
  if (options.force) store.leaveMesh();
  const identity = ensureIdentity(store, crypto, options.force);
  const mesh = options.mesh ?? {
    meshId: random.bytes(MESH_ID_BYTES),
    meshKey: random.bytes(MESH_KEY_BYTES),
    v4Prefix: options.v4Prefix,
    seeds: [],
  };
  let authority: Identity | null = null;
  if (options.authority) {
    authority = createAuthority(store, crypto, `${options.name}-authority`, options.force);
    const certificate = issueCertificate(
      store,
      random,
      { identity: authority, certificate: null, certificateBytes: null },
      {
        subject: identity.id,
        name: options.name,
        groups: [],
        addresses: [],
        // so that plain WireGuard devices behind this node have addresses of the mesh
        routes: [...(mesh.v4Prefix ? [mesh.v4Prefix] : []), ...options.routes],
        lifetimeSeconds: options.certificateSeconds,
      },
      nowSeconds,
    );
    store.writeCertificate(certificate);
  }
  // last: without it the host is in no mesh
  store.writeMesh(mesh);
  return { identity, authority: authority?.id ?? null, mesh };
}

/** Keeps what an invite brought: from here on the host is a node of the mesh. */
export function enrol(store: StateStore, joined: Joined, invite: Invite): MeshFile {
  if (existsSync(store.path('mesh.json'))) store.leaveMesh();
  for (const id of joined.authorities) {
    const key = {
      kind: 'authority',
      id,
      name: null,
      groups: [],
      addresses: [],
      routes: [],
    } as const;
    store.writeTrusted(`authority-${id.slice(0, 12)}`, formatTrustedKey(key));
  }
  store.writeCertificate(joined.certificate);
  const members = joined.members.map(({ payload, signature }) => {
    return { payload, signature, state: 'alive' } as const;
  });
  store.writeBytes('members', encodeState({ incarnation: 1, addressCounter: 0, members }));
  const mesh: MeshFile = {
    meshId: joined.meshId,
    meshKey: joined.meshKey,
    v4Prefix: joined.v4Prefix,
    seeds: invite.endpoints.map(({ address, port }) => ({ host: formatAddress(address), port })),
  };
  // last: without it the host is in no mesh
  store.writeMesh(mesh);
  return mesh;
}

/**
 * Writes the configuration file if there is none.
 * @returns false if there was one, which has been checked
 */
export function ensureConfig(paths: NodePaths, options: FileOptions): boolean {
  if (existsSync(paths.config)) {
    readConfig(paths.config);
    return false;
  }
  mkdirSync(dirname(paths.config), { recursive: true, mode: 0o755 });
  writeFileAtomically(paths.config, configTemplate(options), 0o600);
  return true;
}
