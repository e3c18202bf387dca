// weft init: makes a mesh.

import { existsSync } from 'node:fs';
import { formatPrefix, parseEndpoint, parsePrefix } from '../../core/address.js';
import { WeftError } from '../../core/errors.js';
import type { Prefix } from '../../core/types.js';
import { isV4MeshPrefix } from '../../mesh/addresses.js';
import { isNodeName } from '../../mesh/record.js';
import { DEFAULT_DEVICE, DEFAULT_LISTEN_PORT } from '../../node/config.js';
import { systemRandom } from '../../node/crypto.js';
import { checkNoMesh, ensureConfig, foundMesh } from '../../node/enrol.js';
import { runIp } from '../../node/ip-command.js';
import { createMeshCrypto } from '../../node/mesh-crypto.js';
import { checkOverlap } from '../../node/overlap.js';
import { hostName, readConfig } from '../../node/settings.js';
import { lockState } from '../../node/state-lock.js';
import { type MeshFile, readMeshFile, StateStore } from '../../node/state-store.js';
import { resolveZone, wallTime } from '../../node/system.js';
import { type Command, type Context, usageError } from '../command.js';
import { parseDuration } from '../format.js';

const DEFAULT_PREFIX = '10.86.0.0/16';
const DEFAULT_LIFETIME = '10y';

export const init: Command = {
  help: `Usage: weft init [OPTIONS]

Makes a mesh: an identity for this host, an authority that certifies the nodes that join, and weft.conf. Start the
node with weft up, then print invites with weft invite.

  --name NAME         this node's name, a DNS label (default: the host's name)
  --prefix PREFIX     IPv4 addresses of the mesh (default ${DEFAULT_PREFIX}); none = IPv6 only
  --port PORT         UDP port (default ${DEFAULT_LISTEN_PORT})
  --announce ADDRESS:PORT   where others reach this node, if the host does not know it itself; repeatable
  --route PREFIX      a network that this node may carry to; repeatable. Offer it with Route in weft.conf
  --lifetime TIME     of this node's certificate, such as 90d or 2y (default ${DEFAULT_LIFETIME})
  --no-authority      nodes trust one another by key instead (weft trust add); no invites
  --mesh FILE         with --no-authority: be a node of the mesh whose mesh.json was copied here
  --device NAME       interface to create (default ${DEFAULT_DEVICE})
  --force             replace the identity, the authority and the mesh of this host: nobody trusts it any more
`,
  options: {
    name: { type: 'string' },
    prefix: { type: 'string' },
    port: { type: 'string' },
    announce: { type: 'string', multiple: true },
    route: { type: 'string', multiple: true },
    lifetime: { type: 'string' },
    'no-authority': { type: 'boolean' },
    mesh: { type: 'string' },
    device: { type: 'string' },
    force: { type: 'boolean' },
  },
  run,
};

async function run(context: Context): Promise<void> {
  context.arguments(0, 0, 'weft init takes options only');
  const name = nameOption(context);
  const file = fileOptions(context, name);
  const mesh = meshOption(context);
  const v4Prefix = mesh === null ? prefixOption(context) : mesh.v4Prefix;
  const lifetime = durationOption(context, 'lifetime', DEFAULT_LIFETIME);
  const routes = context.list('route').map(routeOption);
  const store = new StateStore(context.paths.state);
  checkNoMesh(store, context.flag('force'));
  store.prepare();
  lockState(store.directory); // until this command ends
  if (v4Prefix !== null)
    await checkOverlap([v4Prefix], file.device, runIp, 'choose another with --prefix');
  const crypto = await createMeshCrypto();
  const founded = foundMesh(
    store,
    crypto,
    systemRandom,
    {
      name,
      v4Prefix,
      mesh,
      authority: !context.flag('no-authority'),
      routes,
      certificateSeconds: lifetime,
      force: context.flag('force'),
    },
    wallTime().seconds,
  );
  const wroteConfig = ensureConfig(context.paths, file);
  const result = {
    name,
    id: founded.identity.id,
    authority: founded.authority,
    prefix: v4Prefix && formatPrefix(v4Prefix),
    config: context.paths.config,
    wroteConfig,
  };
  context.print(result, () =>
    [
      mesh === null ? `${name} is the first node of a new mesh.` : `${name} is a node of the mesh.`,
      `  identity   ${result.id}`,
      result.authority === null
        ? '  trust      by key: weft trust add, on every node for every other'
        : `  authority  ${result.authority}\n             its key, ${store.seedPath('authority')}, certifies every node: keep a copy offline`,
      `  config     ${result.config}${wroteConfig ? '' : ' (was there, left as it is)'}`,
      ...(result.authority === null ? nextByKey(store, mesh === null) : NEXT_BY_INVITE),
      '',
    ].join('\n'),
  );
}

const NEXT_BY_INVITE = ['Next: weft up -d; weft invite'];

function nextByKey(store: StateStore, isFirst: boolean): string[] {
  const others = `On each other host: copy ${store.path('mesh.json')} there, then weft init --no-authority --mesh FILE`;
  return [
    ...(isFirst ? [others] : ['On each new node: Seed = HOST:PORT of another one in weft.conf']),
    'Next: weft trust add (the line of weft show, both ways), weft up -d',
  ];
}

/** As given, else as in weft.conf where there is one, else the host's name. */
export function nameOption(context: Context): string {
  const given = context.text('name');
  if (given !== undefined && !isNodeName(given)) {
    throw usageError(`--name ${given}: a DNS label, a-z, 0-9 and hyphens, up to 63`);
  }
  const { config } = context.paths;
  const configured = existsSync(config) ? readConfig(config).name : null;
  if (given !== undefined && configured !== null && given !== configured) {
    const message = `--name ${given}, but ${config} says Name = ${configured}: change it there, or leave --name out`;
    throw new WeftError('ECONFIG', message);
  }
  return given ?? configured ?? hostName();
}

/** What weft.conf is written with. */
export function fileOptions(context: Context, name: string) {
  return {
    name,
    device: context.text('device') ?? DEFAULT_DEVICE,
    listenPort: portOption(context),
    announce: context.list('announce').map((text) => {
      const endpoint = parseEndpoint(text, resolveZone);
      if (endpoint !== null) return endpoint;
      throw usageError(`--announce ${text}: give ADDRESS:PORT or [IPV6]:PORT`);
    }),
  };
}

function portOption(context: Context): number {
  const text = context.text('port') ?? String(DEFAULT_LISTEN_PORT);
  const port = /^[0-9]{1,5}$/.test(text) ? Number(text) : 0;
  if (port >= 1 && port <= 0xffff) return port;
  throw usageError(`--port ${text}: give 1 to 65535`);
}

export function durationOption(context: Context, name: string, fallback: string): number {
  const text = context.text(name) ?? fallback;
  const seconds = parseDuration(text);
  if (seconds !== null) return seconds;
  throw usageError(`--${name} ${text}: give a number and a unit, such as 30m, 24h, 90d or 2y`);
}

export function routeOption(text: string): Prefix {
  const prefix = parsePrefix(text);
  if (prefix !== null && formatPrefix(prefix) === text.toLowerCase()) return prefix;
  throw usageError(`--route ${text}: give PREFIX/LENGTH with all host bits zero`);
}

function prefixOption(context: Context): Prefix | null {
  const text = context.text('prefix') ?? DEFAULT_PREFIX;
  if (text === 'none') return null;
  const prefix = parsePrefix(text);
  if (prefix !== null && isV4MeshPrefix(prefix) && formatPrefix(prefix) === text) return prefix;
  throw usageError(`--prefix ${text}: give an IPv4 prefix such as ${DEFAULT_PREFIX}, or none`);
}

function meshOption(context: Context): MeshFile | null {
  const path = context.text('mesh');
  if (path === undefined) return null;
  if (context.flag('no-authority')) return readMeshFile(path);
  throw usageError(
    '--mesh goes with --no-authority: nodes of a mesh with an authority join by invite',
  );
}
