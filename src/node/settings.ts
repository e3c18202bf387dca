// All that a mesh node is started or reloaded with, from its configuration file and its state directory. Read and
// checked as a whole: either every part is valid, or the first error says which is not.

import { hostname } from 'node:os';
import { formatPrefix } from '../core/address.js';
import { WeftError } from '../core/errors.js';
import { contains, covers } from '../core/network.js';
import type { Prefix } from '../core/types.js';
import { decodeCertificate, type SignedCertificate } from '../mesh/certificate.js';
import { isNodeName } from '../mesh/record.js';
import { parseTrustedKey, type TrustedKey } from '../mesh/trusted-key.js';
import { MAX_ROUTES } from '../mesh/types.js';
import { checkNobodyElseReads, type ReadLimits, readTextIfThere } from './atomic-file.js';
import { type Config, parseConfig } from './config.js';
import { parseIni } from './ini.js';
import { type MeshFile, StateStore } from './state-store.js';

export const DEFAULT_CONFIG_PATH = '/etc/weft/weft.conf';
/** Hundreds of thousands of static peers. */
export const CONFIG_LIMITS: ReadLimits = { maxBytes: 32 * 1024 * 1024, privacy: 'public' };

/** Where a node's files are. */
export interface NodePaths {
  readonly config: string;
  readonly state: string;
  /** Of the control socket. */
  readonly run: string;
  /** Of the UAPI socket. */
  readonly uapi: string;
}

export interface Settings {
  readonly config: Config;
  readonly mesh: MeshFile;
  /** The identity, 32 bytes. Secret. */
  readonly seed: Uint8Array;
  readonly name: string;
  /** As signed; empty if there is none. */
  readonly certificateBytes: Uint8Array;
  readonly certificate: SignedCertificate | null;
  readonly trustedKeys: readonly TrustedKey[];
  readonly revocations: readonly Uint8Array[];
  /** What this node offers to carry to: what is configured, and static peers with addresses inside the mesh. */
  readonly routes: readonly Prefix[];
}

/** @throws WeftError ENOCONFIG, ECONFIG, ESTATE if others can write it, or read a preshared key in it */
export function readConfig(path: string): Config {
  const text = readTextIfThere(path, CONFIG_LIMITS);
  if (text === null) {
    throw new WeftError(
      'ENOCONFIG',
      `there is no ${path}: make a mesh with weft init, or enter one with weft join -`,
    );
  }
  const config = parseConfig(text, path);
  if (config.peers.some(({ presharedKey }) => presharedKey !== null)) checkNobodyElseReads(path);
  return config;
}

/**
 * @param config read already, where the caller needed it first
 * @throws WeftError that names the file and says what to do
 */
export function loadSettings(
  paths: NodePaths,
  config: Config = readConfig(paths.config),
): Settings {
  const store = new StateStore(paths.state);
  const mesh = store.readMesh();
  const seed = store.readSeed('identity');
  if (mesh === null || seed === null) {
    throw new WeftError(
      'ENOMESH',
      `${paths.state} belongs to no mesh: make one with weft init, or enter one with weft join -`,
    );
  }
  const certificateBytes = store.readCertificate();
  const certificate = certificateBytes.length > 0 ? decodeCertificate(certificateBytes) : null;
  if (certificate === null && certificateBytes.length > 0) {
    throw new WeftError('ESTATE', `${store.path('certificate')} is damaged: restore it`);
  }
  return {
    config,
    mesh,
    seed,
    name: nameOf(config, certificate, paths),
    certificateBytes,
    certificate,
    trustedKeys: store.readTrusted().map(({ fileName, text }) => parseTrustedKey(text, fileName)),
    revocations: store.readRevocations(),
    routes: routesOf(config, mesh, certificate, paths),
  };
}

function nameOf(config: Config, certificate: SignedCertificate | null, paths: NodePaths): string {
  if (certificate === null) return config.name ?? hostName();
  if (config.name === null || config.name === certificate.name) return certificate.name;
  throw new WeftError(
    'ECONFIG',
    `${placeOf(paths, 'Name', config.name)}: Name = ${config.name}, but the certificate is of ${certificate.name}: change it back, or have a certificate signed for the new name`,
  );
}

/** The file, with the line of an entry of [Mesh] that names something. */
function placeOf({ config }: NodePaths, key: string, value: string): string {
  const text = readTextIfThere(config, CONFIG_LIMITS) ?? '';
  const entry = parseIni(text, config)
    .filter(({ name }) => name.toLowerCase() === 'mesh')
    .flatMap(({ entries }) => entries)
    .find((each) => each.key.toLowerCase() === key.toLowerCase() && each.value.includes(value));
  return entry === undefined ? config : `${config}:${entry.line}`;
}

/** The host's name as a DNS label. */
export function hostName(): string {
  const label = (hostname().split('.')[0] ?? '')
    .toLowerCase()
    .replaceAll(/[^a-z0-9-]+/g, '-')
    .replaceAll(/^-+|-+$/g, '')
    .slice(0, 63);
  return isNodeName(label) ? label : 'node';
}

function routesOf(
  config: Config,
  mesh: MeshFile,
  certificate: SignedCertificate | null,
  paths: NodePaths,
): Prefix[] {
  const isCertified = (route: Prefix) =>
    certificate?.routes.some((own) => covers(own, route)) ?? false;
  // without a certificate others decide, in their trusted.d
  const forbidden = certificate && config.routes.find((route) => !isCertified(route));
  if (forbidden) {
    throw new WeftError(
      'ECONFIG',
      `${placeOf(paths, 'Route', formatPrefix(forbidden))}: Route ${formatPrefix(forbidden)} is not in this node's certificate: have one signed with weft authority sign --route ${formatPrefix(forbidden)}`,
    );
  }
  const { v4Prefix } = mesh;
  const inside = config.peers
    .flatMap((peer) => peer.allowedIps)
    .filter((prefix) => v4Prefix !== null && contains(v4Prefix, prefix.address))
    .filter(isCertified);
  const routes = [...config.routes, ...inside];
  if (routes.length > MAX_ROUTES) {
    throw new WeftError(
      'ECONFIG',
      `${paths.config}: ${routes.length} routes (static peers inside the mesh are one each): a node offers at most ${MAX_ROUTES}`,
    );
  }
  return routes;
}
